"""Markets and orders through the HTTP API: shapes, refusals, waiting."""

from datetime import time

import pytest
from django.db import connection
from django.db.models.functions import Now
from rest_framework.test import APIClient

from accounts.models import Account
from accounts.tests.builders import make_client, make_trader
from orders.models import Command, FeeRate, MarketMakerProtection, MarketState, Order
from orders.selectors import orders_of
from orders.terms import OPEN_STATUSES, OrderType
from orders.tests.builders import make_market

pytestmark = pytest.mark.django_db

LIMIT_BUY = {"symbol": "BTC/USD", "side": "Buy", "order_type": "Limit", "quantity": "1.0", "price": "50000.00"}


@pytest.fixture
def market():
    return make_market()


@pytest.fixture
def trader(market):
    return make_trader(funds={"USD": "100000", "BTC": "2"})


@pytest.fixture
def client(trader):
    return make_client(trader)


def place(client, path="orders", **changes):
    body = {name: value for name, value in (LIMIT_BUY | changes).items() if value is not None}
    return client.post(f"/api/v1/{path}", body, format="json")


def codes(response):
    return [(fault["field"], fault["code"]) for fault in response.json()["errors"]]


# Markets


def test_market_is_shown_with_its_rules_and_phase(market):
    expected = {
        "symbol": "BTC/USD",
        "base": "BTC",
        "quote": "USD",
        "tick_size": "0.01",
        "lot_size": "0.00001",
        "min_quantity": None,
        "max_quantity": None,
        "min_notional": None,
        "price_band": None,
        "volatility_band": None,
        "auction_band": None,
        "opens_at": None,
        "closes_at": None,
        "maker_fee": "0",
        "taker_fee": "0",
        "phase": "Continuous",
        "order_types": [str(order_type) for order_type in OrderType],
        "max_open_orders": None,
    }
    assert APIClient().get("/api/v1/markets").json() == {"results": [expected]}
    for symbol in ("BTC-USD", "btc-usd", "BTC/USD", "BTC%2FUSD"):
        assert APIClient().get(f"/api/v1/markets/{symbol}").json() == expected


def test_market_limits_are_written_with_their_decimals():
    limits = {"min_quantity": "0.01", "min_notional": "5", "price_band": "0.1", "taker_fee": "0.0025"}
    calls = {"volatility_band": "0.05", "auction_band": "0.1", "opens_at": time(9), "closes_at": time(17, 30)}
    make_market("ETH/USD", tick_size="0.05", lot_size="0.001", **limits, **calls)
    shown = APIClient().get("/api/v1/markets/ETH-USD").json()
    assert (shown["tick_size"], shown["lot_size"], shown["min_quantity"]) == ("0.05", "0.001", "0.010")
    assert (shown["min_notional"], shown["price_band"], shown["taker_fee"]) == ("5.00000000", "0.1", "0.0025")
    assert (shown["volatility_band"], shown["auction_band"]) == ("0.05", "0.1")
    assert (shown["opens_at"], shown["closes_at"]) == ("09:00:00", "17:30:00")


@pytest.mark.parametrize("symbol", ["XXX-USD", "XXX", "XXX/YYY", "BTC-USD-X", "%C3%A4-USD"])
def test_unknown_symbol_is_named(symbol, market):
    for path in (f"markets/{symbol}", f"markets/{symbol}/book", f"markets/{symbol}/trades", f"markets/{symbol}/ticker"):
        response = APIClient().get(f"/api/v1/{path}")
        assert (response.status_code, response.json()["code"]) == (404, "unknown_symbol"), path


def test_time_is_utc_with_microseconds():
    now = APIClient().get("/api/v1/time").json()["now"]
    assert len(now) == len("2026-01-31T12:00:00.000000Z")
    assert now.endswith("Z")


# Placing


def test_placed_order_is_answered_in_the_contract_shape(client):
    response = place(client, client_order_id="my-1", post_only=False, time_in_force="gtc")
    assert response.status_code == 201
    body = response.json()
    order = Order.objects.get()
    assert body.pop("created_at") == body.pop("updated_at") == f"{order.created_at:%Y-%m-%dT%H:%M:%S.%f}Z"
    assert body == {
        "id": order.id,
        "client_order_id": "my-1",
        "symbol": "BTC/USD",
        "side": "Buy",
        "order_type": "Limit",
        "time_in_force": "GTC",
        "post_only": False,
        "self_trade_prevention": "CancelNewest",
        "market_maker_protection": False,
        "price": "50000.00",
        "stop_price": None,
        "trailing_offset": None,
        "quantity": "1.00000",
        "quote_quantity": None,
        "display_quantity": None,
        "expires_at": None,
        "filled_quantity": "0.00000",
        "filled_quote": "0.00000000",
        "prevented_quantity": "0.00000",
        "remaining_quantity": "1.00000",
        "average_price": None,
        "status": "New",
        "reason": None,
    }


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        (
            {"order_type": "StopLimit", "stop_price": "51000"},
            {"status": "PendingTrigger", "stop_price": "51000.00", "price": "50000.00", "time_in_force": "GTC"},
        ),
        (
            {"order_type": "takeprofit", "price": None, "stop_price": "40000"},
            {"order_type": "TakeProfit", "status": "PendingTrigger", "stop_price": "40000.00", "price": None},
        ),
        (
            {"order_type": "TrailingStop", "price": None, "trailing_offset": 500},
            {"status": "PendingTrigger", "stop_price": None, "trailing_offset": 500, "price": None},
        ),
        ({"display_quantity": "0.1"}, {"status": "New", "display_quantity": "0.10000"}),
        (
            {"time_in_force": "GTD", "expires_at": "2030-01-31T12:00:00Z"},
            {"time_in_force": "GTD", "expires_at": "2030-01-31T12:00:00.000000Z"},
        ),
        ({"self_trade_prevention": "cancelboth"}, {"self_trade_prevention": "CancelBoth"}),
        ({"market_maker_protection": True}, {"market_maker_protection": True}),
        ({"time_in_force": "auctiononly"}, {"time_in_force": "AuctionOnly", "expires_at": None}),
    ],
)
def test_every_order_type_is_placed_and_shown_with_its_terms(client, changes, shown):
    MarketState.objects.update(last_price=50000)
    response = place(client, **changes)
    assert response.status_code == 201
    body = response.json()
    assert {name: body[name] for name in shown} == shown
    assert client.get(f"/api/v1/orders/{body['id']}").json() == body


def test_stop_that_waits_is_open(client):
    stop = place(client, order_type="StopLimit", stop_price="51000").json()
    for status in ("open", "pendingtrigger"):
        assert client.get(f"/api/v1/orders?status={status}").json()["results"] == [stop]
    assert client.get("/api/v1/orders?status=closed").json()["results"] == []


def test_market_buy_by_quote_quantity_has_no_quantity(client):
    MarketState.objects.update(last_price=50000)
    body = place(client, order_type="Market", price=None, quantity=None, quote_quantity="100").json()
    assert (body["quantity"], body["quote_quantity"], body["remaining_quantity"]) == (None, "100.00000000", None)
    assert (body["time_in_force"], body["price"]) == ("IOC", None)


@pytest.mark.django_db(transaction=True)
def test_placing_an_order_costs_one_query(client, django_assert_num_queries):
    place(client)
    with django_assert_num_queries(1):
        assert place(client).status_code == 201


def test_repeated_order_gets_the_first_again(client):
    first = place(client, client_order_id="a")
    again = place(client, client_order_id="a", quantity="1", symbol="btc-usd")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert Order.objects.count() == 1


def test_client_order_id_of_another_order_is_refused(client):
    place(client, client_order_id="a")
    response = place(client, client_order_id="a", quantity="2")
    assert response.status_code == 409
    assert codes(response) == [("client_order_id", "duplicate_client_order_id")]


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"symbol": None}, 400, "missing_field", "symbol"),
        ({"price": None}, 400, "missing_field", "price"),
        ({"quantity": None}, 400, "missing_field", "quantity"),
        ({"colour": "red"}, 400, "unknown_field", "colour"),
        ({"side": "Hold"}, 400, "invalid_value", "side"),
        ({"side": 1}, 400, "invalid_value", "side"),
        ({"order_type": "Stop"}, 400, "invalid_value", "order_type"),
        ({"time_in_force": "GTX"}, 400, "invalid_value", "time_in_force"),
        ({"post_only": "yes"}, 400, "invalid_value", "post_only"),
        ({"client_order_id": "a b"}, 400, "invalid_value", "client_order_id"),
        ({"client_order_id": "x" * 65}, 400, "invalid_value", "client_order_id"),
        ({"quantity": "0"}, 400, "invalid_value", "quantity"),
        ({"quantity": "-1"}, 400, "invalid_value", "quantity"),
        ({"quantity": 1}, 400, "invalid_value", "quantity"),
        ({"quantity": 1.5}, 400, "invalid_value", "quantity"),
        ({"quantity": "NaN"}, 400, "invalid_value", "quantity"),
        ({"quantity": "1e3"}, 400, "invalid_value", "quantity"),
        ({"quantity": "1" * 41}, 400, "invalid_value", "quantity"),
        ({"symbol": "BTC\0USD"}, 400, "invalid_value", "symbol"),
        ({"stop_price": "1"}, 400, "invalid_value", "stop_price"),
        ({"order_type": "StopLimit"}, 400, "missing_field", "stop_price"),
        ({"trailing_offset": "1"}, 400, "invalid_value", "trailing_offset"),
        ({"order_type": "TrailingStop", "price": None}, 400, "missing_field", "trailing_offset"),
        ({"display_quantity": "0.09"}, 400, "invalid_value", "display_quantity"),
        ({"time_in_force": "GTD"}, 400, "missing_field", "expires_at"),
        ({"time_in_force": "GTD", "expires_at": "2026-01-01T00:00:00Z"}, 400, "invalid_value", "expires_at"),
        ({"market_maker_protection": "yes"}, 400, "invalid_value", "market_maker_protection"),
        ({"order_type": "StopLimit", "stop_price": "50000.001"}, 422, "price_off_tick", "stop_price"),
        ({"display_quantity": "0.500001"}, 422, "quantity_off_lot", "display_quantity"),
        ({"order_type": "TrailingStop", "price": None, "trailing_offset": 1}, 422, "no_reference_price", "order_type"),
        ({"symbol": "XXX/USD"}, 404, "unknown_symbol", "symbol"),
        ({"price": "50000.001"}, 422, "price_off_tick", "price"),
        ({"quantity": "0.000001"}, 422, "quantity_off_lot", "quantity"),
        ({"quantity": "3"}, 422, "insufficient_funds", "quantity"),
        ({"side": "Sell", "quantity": "2.1"}, 422, "insufficient_funds", "quantity"),
        ({"order_type": "Market", "price": None}, 422, "no_reference_price", "order_type"),
        ({"order_type": "Market", "price": None, "side": "Sell"}, 422, "no_reference_price", "order_type"),
        (
            {"order_type": "Market", "price": None, "quantity": None, "quote_quantity": "10"},
            422,
            "no_reference_price",
            "order_type",
        ),
    ],
)
def test_faulty_order_is_refused_by_code_and_field_and_leaves_nothing(client, changes, status, code, field):
    response = place(client, **changes)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response["Content-Type"] == "application/problem+json"
    assert codes(response) == [(field, code)]
    assert not Order.objects.exists()
    assert not Command.objects.exists()


def test_every_fault_of_an_order_is_named_at_once(client):
    response = client.post("/api/v1/orders", {"side": "Hold", "order_type": "Limit", "x": 1}, format="json")
    assert sorted(codes(response)) == [("side", "invalid_value"), ("symbol", "missing_field"), ("x", "unknown_field")]


@pytest.mark.parametrize(
    ("rules", "changes", "code", "limit"),
    [
        ({"min_quantity": "2"}, {}, "below_min_quantity", "2.00000"),
        ({"max_quantity": "0.5"}, {}, "above_max_quantity", "0.50000"),
        ({"min_notional": "50001"}, {}, "below_min_notional", "50001"),
        ({"price_band": "0.1", "reference_price": "1000"}, {}, "price_out_of_band", ["900", "1100"]),
        ({"order_types": ["Limit"]}, {"order_type": "Market", "price": None}, "order_type_not_allowed", ["Limit"]),
        ({"max_open_orders": 0}, {}, "too_many_open_orders", 0),
        ({"max_stop_orders": 0}, {"order_type": "StopLimit", "stop_price": "1"}, "too_many_open_orders", 0),
        ({"max_iceberg_orders": 0}, {"display_quantity": "0.5"}, "too_many_open_orders", 0),
        (
            {"price_band": "0.1"},
            {"order_type": "StopLimit", "stop_price": "1000"},
            "price_out_of_band",
            ["900", "1100"],
        ),
    ],
)
def test_order_against_the_market_rules_is_refused_with_the_limit(rules, changes, code, limit):
    make_market("ETH/USD", **rules)
    response = place(make_client(make_trader(funds={"USD": "100000"})), symbol="ETH/USD", **changes)
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert response.json()["errors"][0]["limit"] == limit


def test_order_in_a_halted_market_is_refused_with_the_phase(client):
    MarketState.objects.update(phase="Halted")
    response = place(client)
    assert (response.status_code, response.json()["code"]) == (422, "market_halted")
    assert response.json()["errors"][0]["value"] == "Halted"


def test_post_only_order_in_a_call_is_refused_with_the_phases_that_take_it(client):
    MarketState.objects.update(phase="Auction")
    response = place(client, post_only=True)
    assert (response.status_code, response.json()["code"]) == (422, "market_halted")
    fault = response.json()["errors"][0]
    assert (fault["limit"], fault["value"]) == (["Continuous", "PostOnly"], "Auction")


def test_flagged_order_is_refused_while_the_protection_has_tripped(client, trader, market):
    MarketMakerProtection.objects.create(
        account=trader, market=market, window_ms=1, quantity_limit=1, tripped_at=Now(), tripped_sequence=1
    )
    response = place(client, market_maker_protection=True)
    assert (response.status_code, response.json()["code"]) == (422, "market_maker_protection")
    assert place(client).status_code == 201


def test_order_of_a_frozen_account_is_refused(client):
    Account.objects.update(status="frozen")
    response = place(client)
    assert (response.status_code, response.json()["code"]) == (403, "account_frozen")


def test_orders_need_a_token(market):
    assert place(APIClient()).status_code == 401


@pytest.mark.parametrize("wait", ["-1", "5001", "x", "1.5", ""])
def test_faulty_wait_is_refused_and_places_nothing(client, wait):
    for response in (
        client.post(f"/api/v1/orders?wait={wait}", LIMIT_BUY, format="json"),
        client.post(f"/api/v1/orders/batch?wait={wait}", {"orders": [LIMIT_BUY]}, format="json"),
        client.patch(f"/api/v1/orders/1?wait={wait}", {"quantity": "1"}, format="json"),
        client.delete(f"/api/v1/orders/1?wait={wait}"),
        client.delete(f"/api/v1/orders?wait={wait}"),
    ):
        assert (response.status_code, codes(response)) == (400, [("wait", "invalid_value")])
    assert not Order.objects.exists()


def test_waiting_without_an_engine_answers_after_that_time_as_it_stands(client):
    response = client.post("/api/v1/orders?wait=30", LIMIT_BUY, format="json")
    assert (response.status_code, response.json()["status"]) == (201, "New")


# Testing


def test_tested_order_tells_its_hold_and_places_nothing(client, trader):
    assert place(client, "orders/test").json() == {
        "held_asset": "USD",
        "held_amount": "50000.00000000",
        "maker_fee": "0",
        "taker_fee": "0",
        "fee_asset": "BTC",
    }
    assert place(client, "orders/test", side="Sell").json()["held_asset"] == "BTC"
    assert place(client, "orders/test", quantity="3").json()["code"] == "insufficient_funds"
    assert not Order.objects.exists()
    assert not trader.balances.filter(held__gt=0).exists()


# Batches


def test_batch_answers_each_order_by_itself_in_order(client):
    orders = [
        LIMIT_BUY | {"client_order_id": "a"},
        {"symbol": "BTC/USD"},
        LIMIT_BUY | {"price": "0.001"},
        LIMIT_BUY | {"quantity": "1.5"},
        LIMIT_BUY | {"client_order_id": "a"},
        LIMIT_BUY | {"symbol": "XXX/USD"},
        "nonsense",
        LIMIT_BUY,
    ]
    response = client.post("/api/v1/orders/batch", {"orders": orders}, format="json")
    assert response.status_code == 200
    results = response.json()["results"]
    assert [one["error"]["code"] if "error" in one else one["order"]["status"] for one in results] == [
        "New",
        "missing_field",
        "price_off_tick",
        "insufficient_funds",
        "New",
        "unknown_symbol",
        "malformed",
        "New",
    ]
    assert results[0]["order"]["id"] == results[4]["order"]["id"]
    assert results[1]["error"]["request_id"] == response["X-Request-Id"]
    assert Order.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "missing_field"),
        ({"orders": {}}, 400, "invalid_value"),
        ({"orders": []}, 400, "invalid_value"),
        ({"orders": [LIMIT_BUY], "x": 1}, 400, "unknown_field"),
        ({"orders": [LIMIT_BUY] * 1001}, 413, "too_large"),
        ([], 400, "malformed"),
    ],
)
def test_faulty_batch_is_refused_whole(client, body, status, code):
    response = client.post("/api/v1/orders/batch", body, format="json")
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not Order.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_batch_of_a_thousand_fits_and_costs_one_query(client, django_assert_num_queries):
    place(client)
    orders = [LIMIT_BUY | {"quantity": "0.00100", "client_order_id": f"{'n' * 60}{n:04}"} for n in range(1000)]
    with django_assert_num_queries(1):
        response = client.post("/api/v1/orders/batch", {"orders": orders}, format="json")
    placed = [int(one["order"]["client_order_id"].lstrip("n")) for one in response.json()["results"]]
    assert placed == list(range(1000))


# Reading


def test_orders_are_listed_newest_first_in_pages(client, django_assert_num_queries):
    ids = [place(client, quantity="0.1").json()["id"] for _ in range(5)]
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        with django_assert_num_queries(1):
            page = client.get(f"/api/v1/orders?limit=2{cursor and f'&cursor={cursor}'}").json()
        assert set(page) == {"results", "next_cursor"}
        seen += [order["id"] for order in page["results"]]
        cursor = page["next_cursor"]
    assert seen == ids[::-1]


def test_orders_are_filtered(client):
    make_market("ETH/USD")
    bought = place(client, quantity="0.1", client_order_id="b").json()
    sold = place(client, quantity="0.1", side="Sell").json()
    other = place(client, quantity="0.1", symbol="ETH/USD").json()
    Order.objects.filter(id=other["id"]).update(
        status="Canceled", reason="user_request", held_amount=0, remaining_quantity=0
    )

    def found(query):
        return [order["id"] for order in client.get(f"/api/v1/orders?{query}").json()["results"]]

    assert found("") == found("status=all") == [other["id"], sold["id"], bought["id"]]
    assert found("status=open") == found("status=New") == [sold["id"], bought["id"]]
    assert found("status=closed") == found("status=canceled") == found("symbol=ETH-USD") == [other["id"]]
    assert found("side=sell") == [sold["id"]]
    assert found("client_order_id=b") == [bought["id"]]
    assert found("status=Filled") == []


@pytest.mark.parametrize("query", ["status=gone", "side=x", "client_order_id=a%20b", "limit=0", "symbol="])
def test_faulty_order_query_is_refused(client, query):
    response = client.get(f"/api/v1/orders?{query}")
    assert (response.status_code, codes(response)) == (400, [(query.partition("=")[0], "invalid_value")])


def test_order_is_read_by_its_owner_only(client):
    placed = place(client).json()
    stranger = make_client(make_trader())
    path = f"/api/v1/orders/{placed['id']}"
    assert client.get(path).json() == placed
    for answer in (
        stranger.get(path),
        stranger.get(f"{path}/events"),
        stranger.delete(path),
        stranger.patch(path, {"quantity": "0.5"}, format="json"),
        client.get(f"/api/v1/orders/{10**30}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert stranger.get("/api/v1/orders").json()["results"] == []
    assert Command.objects.count() == 1


def test_open_orders_are_found_among_many_ended_ones_by_index(client, trader, market):
    place(client)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders (account_id, market_id, side, order_type, time_in_force, post_only,"
            " self_trade_prevention, market_maker_protection, price, quantity, filled_quantity, filled_quote,"
            " prevented_quantity, remaining_quantity, held_amount, maker_fee, taker_fee, status, reason)"
            " SELECT %s, %s, 'Buy', 'Limit', 'GTC', false, 'CancelNewest', false, 1, 1, 0, 0, 0, 0, 0, 0, 0, 'Canceled',"
            " 'user_request' FROM generate_series(1, 20000)",
            [trader.id, market.id],
        )
        cursor.execute("ANALYZE orders")
    # Either partial index of open orders will do: both leave the ended ones out.
    plan = orders_of(trader.id, statuses=OPEN_STATUSES, limit=101).explain()
    assert "_open on orders" in plan, plan
    assert len(client.get("/api/v1/orders?status=open").json()["results"]) == 1


# Fees


def test_fees_are_those_the_next_order_gets(client, trader, market):
    other = make_market("ETH/USD", maker_fee="0.003", taker_fee="0.004")
    Account.objects.filter(id=trader.id).update(fee_tier=2)
    FeeRate.objects.create(tier=2, maker_fee="0.001", taker_fee="0.002")
    FeeRate.objects.create(tier=1, market=market, maker_fee="0.5", taker_fee="0.5")
    for scope, expected in (
        ({}, "0.001"),
        ({"tier": 2, "market": market}, "0.0005"),
        ({"account": trader, "market": market}, "0"),
    ):
        if scope:
            FeeRate.objects.create(**scope, maker_fee=expected, taker_fee=expected)
        results = {one["symbol"]: one["maker_fee"] for one in client.get("/api/v1/fees").json()["results"]}
        assert results == {"BTC/USD": expected, other.symbol: "0.001"}
        assert place(client, "orders/test").json()["maker_fee"] == expected


def test_fees_are_the_markets_own_by_default():
    make_market("ETH/USD", maker_fee="0.003", taker_fee="0.004")
    assert make_client(make_trader()).get("/api/v1/fees").json() == {
        "results": [{"symbol": "ETH/USD", "maker_fee": "0.003", "taker_fee": "0.004"}]
    }


# Changing


def test_cancel_is_asked_for_and_answers_the_order_as_it_stands(client):
    placed = place(client).json()
    response = client.delete(f"/api/v1/orders/{placed['id']}")
    assert (response.status_code, response.json()) == (202, placed)
    assert [command.kind for command in Command.objects.order_by("id")] == ["new", "cancel"]


def test_ended_order_is_not_open(client):
    placed = place(client).json()
    Order.objects.update(status="Canceled", reason="user_request", held_amount=0, remaining_quantity=0)
    for response in (
        client.delete(f"/api/v1/orders/{placed['id']}"),
        client.patch(f"/api/v1/orders/{placed['id']}", {"quantity": "0.5"}, format="json"),
    ):
        assert (response.status_code, response.json()["code"]) == (409, "order_not_open")


def test_amendment_is_asked_for(client):
    placed = place(client).json()
    response = client.patch(f"/api/v1/orders/{placed['id']}", {"quantity": "0.5"}, format="json")
    assert (response.status_code, response.json()) == (202, placed)
    assert Command.objects.get(kind="reduce").payload == {"quantity": 50000}


def test_new_price_is_asked_for_and_held_at_once(client, trader):
    placed = place(client).json()
    response = client.patch(f"/api/v1/orders/{placed['id']}", {"price": "60000", "quantity": "1.5"}, format="json")
    assert (response.status_code, response.json()) == (202, placed)
    assert Command.objects.get(kind="amend").payload["held"] == 40_000 * 10**8
    assert trader.balances.get(asset__code="USD").held == 90_000


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "missing_field"),
        ({"quantity": "0"}, 400, "invalid_value"),
        ({"price": "x"}, 400, "invalid_value"),
        ({"quantity": "0.5", "side": "Sell"}, 400, "unknown_field"),
        ({"quantity": "0.000001"}, 422, "quantity_off_lot"),
        ({"price": "0.001"}, 422, "price_off_tick"),
        ({"price": "100000.01"}, 422, "insufficient_funds"),
        ({"quantity": "2.5"}, 422, "insufficient_funds"),
    ],
)
def test_faulty_amendment_is_refused(client, body, status, code):
    placed = place(client).json()
    response = client.patch(f"/api/v1/orders/{placed['id']}", body, format="json")
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert Command.objects.count() == 1


def test_amendment_in_a_halted_market_is_refused_but_for_less(client):
    path = f"/api/v1/orders/{place(client).json()['id']}"
    MarketState.objects.update(phase="Halted")
    assert client.patch(path, {"price": "1"}, format="json").json()["code"] == "market_halted"
    assert client.patch(path, {"quantity": "0.5"}, format="json").status_code == 202
    Account.objects.update(status="frozen")
    response = client.patch(path, {"price": "1"}, format="json")
    assert (response.status_code, response.json()["code"]) == (403, "account_frozen")


def test_all_orders_are_canceled_in_one_market_or_in_all(client):
    make_market("ETH/USD")
    place(client, quantity="0.1")
    place(client, quantity="0.1", symbol="ETH/USD")
    response = client.delete("/api/v1/orders?symbol=ETH-USD")
    assert (response.status_code, response.json()) == (202, {"requested": 1})
    assert client.delete("/api/v1/orders").json() == {"requested": 2}
    assert client.delete("/api/v1/orders?symbol=XXX-USD").json()["code"] == "unknown_symbol"


def test_misspelled_parameter_cancels_nothing(client):
    place(client)
    response = client.delete("/api/v1/orders?simbol=ETH-USD")
    assert (response.status_code, codes(response)) == (400, [("simbol", "unknown_field")])
    assert Command.objects.count() == 1
