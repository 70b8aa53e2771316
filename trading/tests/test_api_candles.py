"""Candles through the HTTP API: of orders that were really matched, and of trades long ago."""

from datetime import UTC, datetime, timedelta

import pytest
from rest_framework.test import APIClient

from accounts.tests.builders import make_trader
from orders.tests.builders import make_market, place_order
from trading.models import Trade
from trading.tests.builders import insert_trades, make_candles, match

pytestmark = pytest.mark.django_db

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def market():
    return make_market(tick_size="0.5", lot_size="0.001")


def read(query: str = "", status: int = 200):
    response = APIClient().get(f"/api/v1/markets/BTC-USD/candles{query}")
    assert response.status_code == status, response.content
    return response.json()


@pytest.fixture
def long_ago(market):
    insert_trades(market.id, [(NOON, "100", "1"), (NOON, "101.5", "2"), (NOON + timedelta(minutes=2), "99", "0.5")])
    make_candles(market.id)


@pytest.mark.django_db(transaction=True)  # else now would be before the trades, maybe by a minute
def test_candle_of_what_has_just_traded_is_the_last(market, django_assert_num_queries):
    maker, taker = make_trader(funds={"BTC": "10"}), make_trader(funds={"USD": "10000"})
    for price in ("100", "102", "101"):
        place_order(maker, side="Sell", price=price, quantity="0.5")
        place_order(taker, price=price, quantity="0.5")
    match()
    minute = Trade.objects.first().executed_at.replace(second=0, microsecond=0)
    read()
    with django_assert_num_queries(1):
        candles = read()
    # Should the next minute have begun, there is another one, flat.
    assert {"results": candles["results"][:1]} == {
        "results": [[f"{minute:%Y-%m-%dT%H:%M:%S.%f}Z", "100.0", "102.0", "100.0", "101.0", "1.500", "151.50000000", 3]]
    }
    week = read("?interval=1w")["results"][0]
    assert week[0] <= candles["results"][0][0]
    assert week[1:] == candles["results"][0][1:]


@pytest.mark.usefixtures("market")
def test_market_without_trades_has_no_candles():
    assert read() == {"results": []}


@pytest.mark.usefixtures("long_ago")
def test_candles_are_oldest_first_and_flat_where_nothing_traded():
    first = ["2024-01-01T12:00:00.000000Z", "100.0", "101.5", "100.0", "101.5", "3.000", "303.00000000", 2]
    flat = ["2024-01-01T12:01:00.000000Z", "101.5", "101.5", "101.5", "101.5", "0.000", "0.00000000", 0]
    third = ["2024-01-01T12:02:00.000000Z", "99.0", "99.0", "99.0", "99.0", "0.500", "49.50000000", 1]
    assert read("?start=2024-01-01T00:00:00Z&limit=3")["results"] == [first, flat, third]
    assert read("?end=2024-01-01T12:02:00Z&interval=1m")["results"] == [first, flat, third]
    assert read("?end=2024-01-01T12:02:59.999999Z&limit=2")["results"] == [flat, third]
    assert read("?start=2024-01-01T13:01:00%2B01:00&end=2024-01-01T12:01:00Z")["results"] == [flat]
    assert [row[0][:10] for row in read("?interval=1D&start=2024-01-01T00:00:00Z&limit=2")["results"]] == [
        "2024-01-01",
        "2024-01-02",
    ]
    assert len(read()["results"]) == 100
    assert len(read("?limit=1000")["results"]) == 1000


@pytest.mark.usefixtures("market")
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("interval=2m", "interval"),
        ("interval=1M", "interval"),
        ("interval=", "interval"),
        ("start=2024-01-01", "start"),
        ("start=2024-01-01T00:00:00", "start"),
        ("end=now", "end"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("start=2024-01-01T00:00:01Z&end=2024-01-01T00:00:00Z", "start"),
    ],
)
def test_faulty_query_is_refused_by_name(query, field):
    problem = read(f"?{query}", status=400)
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [(field, "invalid_value")]
    if field == "interval":
        assert problem["errors"][0]["limit"] == ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"]


def test_unknown_market_has_none():
    assert read(status=404)["code"] == "unknown_symbol"
