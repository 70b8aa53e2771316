"""Market data and a trader's own history through the HTTP API, of orders that were really matched."""

from decimal import Decimal

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.tests.builders import make_client, make_trader
from orders.models import Market
from orders.tests.builders import make_market
from trading.matching import Shard
from trading.models import Prevention, Trade
from trading.tests.builders import make_candles

pytestmark = pytest.mark.django_db


@pytest.fixture
def market():
    return make_market(maker_fee="0.001", taker_fee="0.002")


@pytest.fixture
def maker(market):
    return make_client(make_trader(funds={"USD": "100000", "BTC": "10"}))


@pytest.fixture
def taker(market):
    return make_client(make_trader(funds={"USD": "100000", "BTC": "10"}))


def place(client, side, quantity, price, **more):
    body = {"symbol": "BTC/USD", "side": side, "order_type": "Limit", "quantity": quantity, "price": price, **more}
    response = client.post("/api/v1/orders", body, format="json")
    assert response.status_code == 201, response.content
    return response.json()["id"]


def match():
    Shard(0).drain()


def read(path, client=None):
    response = (client or APIClient()).get(f"/api/v1/{path}")
    assert response.status_code == 200, response.content
    return response.json()


# Public


def test_market_without_orders_has_an_empty_book_and_ticker(market):
    assert read("markets/BTC-USD/book") == {"symbol": "BTC/USD", "sequence": 0, "bids": [], "asks": []}
    assert read("markets/BTC-USD/trades") == {"results": []}
    assert read("markets/BTC-USD/ticker") == {
        "symbol": "BTC/USD",
        **dict.fromkeys(("last", "bid", "ask", "open", "high", "low", "change")),
        "volume": "0.00000",
        "quote_volume": "0.00000000",
        "sequence": 0,
    }


def test_book_sums_resting_orders_best_first_at_one_sequence(maker, django_assert_num_queries):
    for quantity, price in (("0.1", "99"), ("0.2", "100"), ("0.3", "100"), ("0.4", "98.5")):
        place(maker, "Buy", quantity, price)
    place(maker, "Sell", "1", "102")
    place(maker, "Sell", "2", "101")
    match()
    place(maker, "Sell", "5", "100.5")  # not taken yet, hence not in the book
    read("markets/BTC-USD/book")
    with django_assert_num_queries(1):
        book = read("markets/BTC/USD/book")
    assert book == {
        "symbol": "BTC/USD",
        "sequence": 6,
        "bids": [["100.00", "0.50000"], ["99.00", "0.10000"], ["98.50", "0.40000"]],
        "asks": [["101.00", "2.00000"], ["102.00", "1.00000"]],
    }
    assert read("markets/BTC-USD/book?depth=1")["bids"] == [["100.00", "0.50000"]]
    assert read("markets/BTC-USD/book?depth=1")["asks"] == [["101.00", "2.00000"]]


def test_trades_are_public_newest_first_and_name_nobody(maker, taker):
    place(maker, "Sell", "1", "100")
    for quantity in ("0.1", "0.2", "0.3"):
        place(taker, "Buy", quantity, "101")
    match()
    results = read("markets/BTC-USD/trades")["results"]
    assert [(trade["price"], trade["quantity"], trade["side"], trade["sequence"]) for trade in results] == [
        ("100.00", "0.30000", "Buy", 4),
        ("100.00", "0.20000", "Buy", 3),
        ("100.00", "0.10000", "Buy", 2),
    ]
    assert set(results[0]) == {"id", "price", "quantity", "side", "executed_at", "sequence"}
    assert read(f"markets/BTC-USD/trades?before={results[1]['id']}")["results"] == results[2:]
    assert read("markets/BTC-USD/trades?limit=1")["results"] == results[:1]


@pytest.mark.parametrize(
    "query", ["book?depth=0", "book?depth=1001", "book?depth=x", "trades?limit=0", "trades?before=x"]
)
def test_faulty_market_query_is_refused(query, market):
    response = APIClient().get(f"/api/v1/markets/BTC-USD/{query}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "invalid_value"


def test_ticker_is_of_the_last_day(maker, taker, django_assert_num_queries):
    make_market("ETH/USD")
    for price in ("90", "100", "120", "110"):
        place(maker, "Sell", "1", price)
        match()
        place(taker, "Buy", "1", price)
        match()
    place(maker, "Buy", "1", "80")
    place(maker, "Sell", "1", "130.5")
    match()
    _age(Trade.objects.order_by("id").first(), hours=25)
    make_candles(Market.objects.get(symbol="BTC/USD").id)
    ticker = read("markets/BTC-USD/ticker")
    assert ticker == {
        "symbol": "BTC/USD",
        "last": "110.00",
        "bid": "80.00",
        "ask": "130.50",
        "open": "100.00",
        "high": "120.00",
        "low": "100.00",
        "volume": "3.00000",
        "quote_volume": "330.00000000",
        "change": "0.100000",
        "sequence": 10,
    }
    read("tickers")
    with django_assert_num_queries(1):
        results = read("tickers")["results"]
    assert [one["symbol"] for one in results] == ["BTC/USD", "ETH/USD"]
    assert results[0] == ticker


def _age(trade, hours):
    """Move a trade into the past, past the trigger that keeps trades as they are."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        statement = "UPDATE trades SET executed_at = executed_at - make_interval(hours => %s) WHERE id = %s"
        cursor.execute(statement, [hours, trade.id])
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def test_public_data_does_not_depend_on_credentials(maker):
    place(maker, "Buy", "1", "100")
    match()
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer nonsense")
    assert read("markets/BTC-USD/book", client) == read("markets/BTC-USD/book", maker)


# Private


def test_fills_are_each_traders_own_side(maker, taker, django_assert_num_queries):
    sold = place(maker, "Sell", "1", "100", client_order_id="s")
    bought = place(taker, "Buy", "0.4", "101")
    match()
    trade = Trade.objects.get()
    shown = {
        "trade_id": trade.id,
        "symbol": "BTC/USD",
        "price": "100.00",
        "quantity": "0.40000",
        "executed_at": f"{trade.executed_at:%Y-%m-%dT%H:%M:%S.%f}Z",
    }
    with django_assert_num_queries(1):
        results = read("fills", maker)["results"]
    assert results == [
        shown
        | {"order_id": sold, "client_order_id": "s", "side": "Sell", "liquidity": "Maker"}
        | {"fee": "0.04000000", "fee_asset": "USD"}
    ]
    assert read("fills", taker)["results"] == [
        shown
        | {"order_id": bought, "client_order_id": None, "side": "Buy", "liquidity": "Taker"}
        | {"fee": "0.00080000", "fee_asset": "BTC"}
    ]
    stranger = make_client(make_trader())
    assert read("fills", stranger) == {"results": [], "next_cursor": None}
    assert read(f"fills?order_id={sold}", stranger)["results"] == []
    assert read(f"fills?order_id={sold}", taker)["results"] == []


def test_fills_page_and_filter(maker, taker):
    place(maker, "Sell", "3", "100")
    first = place(taker, "Buy", "0.1", "100")
    for _ in range(2):
        place(taker, "Buy", "0.1", "100")
    match()
    page = read("fills?limit=2", taker)
    rest = read(f"fills?limit=2&cursor={page['next_cursor']}", taker)
    ids = [fill["trade_id"] for fill in page["results"] + rest["results"]]
    assert ids == sorted(Trade.objects.values_list("id", flat=True), reverse=True)
    assert rest["next_cursor"] is None
    assert [fill["order_id"] for fill in read(f"fills?order_id={first}", taker)["results"]] == [first]
    assert len(read("fills?symbol=btc-usd", taker)["results"]) == 3
    assert taker.get("/api/v1/fills?symbol=XXX-USD").json()["code"] == "unknown_symbol"
    assert taker.get("/api/v1/fills?order_id=x").json()["code"] == "invalid_value"


def test_filled_order_shows_its_average_price(maker, taker):
    place(maker, "Sell", "0.00001", "100")
    place(maker, "Sell", "0.00002", "100.01")
    bought = place(taker, "Buy", "0.00003", "101")
    match()
    order = read(f"orders/{bought}", taker)
    assert (order["status"], order["filled_quantity"], order["remaining_quantity"]) == ("Filled", "0.00003", "0.00000")
    assert order["filled_quote"] == "0.00300020"
    assert order["average_price"] == "100.00666667"


def test_events_tell_an_orders_life_from_both_sides(maker, taker):
    sold = place(maker, "Sell", "1", "100")
    match()
    bought = place(taker, "Buy", "0.4", "101")
    match()
    maker.patch(f"/api/v1/orders/{sold}", {"quantity": "0.9"}, format="json")
    match()
    maker.delete(f"/api/v1/orders/{sold}")
    assert _life(sold, maker) == [
        ("command", "new", 1, None, None, None, None),
        ("event", "rest", 1, "100.00", "1.00000", None, None),
        ("event", "trade", 2, "100.00", "0.40000", "Maker", None),
        ("command", "reduce", 3, None, None, None, None),
        ("event", "reduce", 3, None, "0.10000", None, None),
        ("command", "cancel", None, None, None, None, None),
    ]
    match()
    assert _life(sold, maker)[-1] == ("event", "end", 4, None, "0.50000", None, "user_request")
    assert _life(bought, taker) == [
        ("command", "new", 2, None, None, None, None),
        ("event", "trade", 2, "100.00", "0.40000", "Taker", None),
        ("event", "end", 2, None, "0.00000", None, None),
    ]


def _life(order_id, client):
    fields = ("type", "kind", "sequence", "price", "quantity", "liquidity", "reason")
    results = read(f"orders/{order_id}/events", client)["results"]
    assert all(set(entry) == {*fields, "time"} for entry in results)
    return [tuple(entry[field] for field in fields) for entry in results]


def test_preventions_are_the_owners(maker):
    resting = place(maker, "Sell", "1", "100")
    incoming = place(maker, "Buy", "0.4", "100")
    match()
    prevention = Prevention.objects.get()
    assert read("preventions", maker) == {
        "results": [
            {
                "id": prevention.id,
                "symbol": "BTC/USD",
                "sequence": 2,
                "mode": "CancelNewest",
                "price": "100.00",
                "quantity": "0.40000",
                "maker_order_id": resting,
                "taker_order_id": incoming,
                "prevented_at": f"{prevention.prevented_at:%Y-%m-%dT%H:%M:%S.%f}Z",
            }
        ],
        "next_cursor": None,
    }
    assert read("preventions", make_client(make_trader()))["results"] == []
    assert [entry[1] for entry in _life(resting, maker)] == ["new", "rest", "prevent"]


def test_ledger_shows_what_a_trade_moved(maker, taker):
    place(maker, "Sell", "1", "100")
    place(taker, "Buy", "1", "100")
    match()
    trade = Trade.objects.get()
    entries = [entry for entry in read("ledger", taker)["results"] if entry["kind"] != "deposit"]
    assert sorted((entry["asset"], Decimal(entry["amount"]), entry["kind"]) for entry in entries) == [
        ("BTC", Decimal("-0.002"), "fee"),
        ("BTC", Decimal(1), "trade"),
        ("USD", Decimal(-100), "trade"),
    ]
    assert {entry["reference"] for entry in entries} == {str(trade.id)}
