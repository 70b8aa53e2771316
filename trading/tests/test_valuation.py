"""What holdings are worth, and the pages that say so."""

from decimal import Decimal

import pytest
from django.test import Client

from accounts.tests.builders import make_asset, make_trader
from orders.models import FeeRate, MarketState
from orders.tests.builders import make_market
from trading.valuation import last_prices, price_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def prices() -> dict[tuple[str, str], Decimal]:
    for symbol, price in (("BTC/USD", "50000"), ("ETH/BTC", "0.05"), ("BTC/EUR", "40000"), ("XRP/EUR", None)):
        market = make_market(symbol)
        if price is not None:
            MarketState.objects.filter(market=market).update(last_price=Decimal(price))
    return last_prices()


@pytest.mark.parametrize(
    ("asset", "quote", "price"),
    [
        ("USD", "USD", "1"),
        ("BTC", "USD", "50000"),
        ("USD", "BTC", "0.00002"),
        ("ETH", "USD", "2500"),
        ("EUR", "USD", "1.25"),
        ("ETH", "EUR", "2000"),
        ("XRP", "EUR", None),
        ("XRP", "USD", None),
    ],
)
def test_price_is_direct_inverse_or_through_one_other(prices, asset, quote, price):
    assert price_of(asset, quote, prices) == (price and Decimal(price))


def test_portfolio_values_what_has_a_price_and_says_what_has_none(client, prices):
    trader = make_trader(funds={"BTC": "1.5", "USD": "10", "XRP": "7"})
    client.force_login(trader.user)
    page = client.get("/portfolio")
    assert [(row["asset"], row["value"]) for row in page.context["rows"]] == [
        ("BTC", "75000.00000000"), ("USD", "10.00000000"), ("XRP", None),
    ]  # fmt: skip
    assert page.context["total"] == "75010.00000000"
    text = page.content.decode()
    assert "no price" in text
    assert "Not in it: XRP" in text
    assert client.get("/portfolio?in=btc").context["total"] == "1.50020000"
    wrong = client.get("/portfolio?in=XRP")
    assert (wrong.context["quote"].code, "There are no prices in XRP." in wrong.content.decode()) == ("USD", True)


def test_portfolio_of_who_has_nothing_and_of_a_venue_without_markets(client):
    trader = make_trader()
    client.force_login(trader.user)
    assert "You have nothing here yet." in client.get("/portfolio").content.decode()
    make_asset("USD")
    client.force_login(make_trader(funds={"USD": "1"}).user)
    assert "1.00000000" in client.get("/portfolio").content.decode()


def test_fees_are_ones_own_or_those_of_all(client):
    market = make_market(maker_fee="0.001", taker_fee="0.00205")
    assert [(row["maker"], row["taker"]) for row in client.get("/fees").context["rows"]] == [("0.10 %", "0.205 %")]
    trader = make_trader()
    FeeRate.objects.create(account=trader, market=market, maker_fee=Decimal(0), taker_fee=Decimal("0.0005"))
    signed_in = Client()
    signed_in.force_login(trader.user)
    assert [(row["maker"], row["taker"]) for row in signed_in.get("/fees").context["rows"]] == [("0.00 %", "0.05 %")]
