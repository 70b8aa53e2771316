"""Look at the list of markets: the last 24 hours of each, in numbers and as a line."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from accounts.tests.builders import make_trader
from orders.models import MarketState
from orders.tests.builders import make_market
from trading.candles import Candle
from trading.pages.markets import draw_spark
from trading.tests.builders import database_now, insert_trades, make_candles


def candle(open_price: str, close: str) -> Candle:
    return Candle(
        None, Decimal(open_price), Decimal(close), Decimal(open_price), Decimal(close), Decimal(1), Decimal(1), 1
    )


def test_a_spark_goes_from_the_first_open_through_all_closes_within_its_box() -> None:
    assert draw_spark([]) == ""
    assert draw_spark([candle("10", "20")]) == "2.0,30.0 118.0,2.0"
    assert draw_spark([candle("10", "10")]) == "2.0,16.0 118.0,16.0"
    assert draw_spark([candle("10", "30"), candle("30", "20")]) == "2.0,30.0 60.0,2.0 118.0,16.0"


@pytest.mark.django_db
def test_a_market_shows_its_day_and_leads_to_its_page() -> None:
    market = make_market("BTC/USD")
    now = database_now()
    insert_trades(
        market.id,
        [
            (now - timedelta(hours=30), "90", "5"),
            (now - timedelta(hours=20), "200", "1"),
            (now - timedelta(hours=10), "210", "2"),
            (now - timedelta(hours=1), "190", "0.5"),
        ],
    )
    make_candles(market.id)
    MarketState.objects.filter(market=market).update(last_price=Decimal(190))
    page = Client().get("/").content.decode()
    for shown in (
        'href="/trade/BTC-USD"', ">190.00<", 'class="down" data-field="change">−5.00 %<', ">210.00<", ">3.50000<",
        "phase-continuous", 'data-live-max="50"', "js/markets.js",
    ):  # fmt: skip
        assert shown in page, shown
    points = page.partition('points="')[2].partition('"')[0].split()
    assert len(points) in (96, 97)
    assert (points[0].split(",")[1], points[-1]) == ("30.0", "118.0,6.7")
    assert "style=" not in page


@pytest.mark.django_db
def test_the_same_few_queries_serve_all_markets_and_whoever_has_signed_in(django_assert_num_queries: object) -> None:
    for symbol in ("BTC/USD", "ETH/USD", "ETH/BTC"):
        market = make_market(symbol, tick_size="0.01", lot_size="0.0001")
        insert_trades(market.id, [(database_now() - timedelta(hours=2), "100", "1")])
        make_candles(market.id)
    browser = Client()
    with django_assert_num_queries(3):  # type: ignore[operator]
        browser.get("/")
    browser.force_login(make_trader().user)
    browser.get("/")  # the first page of a session notes it
    with django_assert_num_queries(3 + 3):  # type: ignore[operator]
        browser.get("/")
