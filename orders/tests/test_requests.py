"""Test that a request is read exactly, and that every fault is named by its field."""

from decimal import Decimal

import pytest

from accounts.errors import DomainError
from orders.requests import read_amendment, read_new_order
from orders.terms import OrderType, SelfTradePrevention, Side, TimeInForce

LIMIT = {"symbol": "BTC/USD", "side": "Buy", "order_type": "Limit", "quantity": "1.0", "price": "50000.00"}
MARKET = {"symbol": "BTC/USD", "side": "Buy", "order_type": "Market", "quantity": "1.0"}


def test_limit_order_is_read_with_its_defaults():
    order = read_new_order(LIMIT)

    assert (order.symbol, order.side, order.order_type) == ("BTC/USD", Side.BUY, OrderType.LIMIT)
    assert (order.price, order.quantity, order.quote_quantity) == (Decimal(50000), Decimal(1), None)
    assert (order.time_in_force, order.post_only, order.client_order_id) == (TimeInForce.GTC, False, None)
    assert order.self_trade_prevention is SelfTradePrevention.CANCEL_NEWEST


def test_every_field_is_read():
    body = {
        **LIMIT,
        "symbol": "btc-usd",
        "side": "sELL",
        "order_type": "limit",
        "time_in_force": "gtc",
        "post_only": True,
        "client_order_id": "A-z_0.9:/",
        "self_trade_prevention": "cancelnewest",
    }

    order = read_new_order(body)

    assert (order.symbol, order.side, order.time_in_force, order.post_only) == (
        "BTC/USD",
        Side.SELL,
        TimeInForce.GTC,
        True,
    )
    assert order.client_order_id == "A-z_0.9:/"


def test_market_order_is_ioc():
    assert read_new_order(MARKET).time_in_force is TimeInForce.IOC
    assert read_new_order({**MARKET, "time_in_force": "IOC"}).time_in_force is TimeInForce.IOC


def test_market_buy_takes_a_quote_quantity_instead_of_a_quantity():
    order = read_new_order({**MARKET, "quantity": None, "quote_quantity": "100"})

    assert (order.quantity, order.quote_quantity) == (None, Decimal(100))


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"symbol": None}, "symbol", "missing_field"),
        ({"symbol": ""}, "symbol", "invalid_value"),
        ({"symbol": "B" * 41}, "symbol", "invalid_value"),
        ({"symbol": 5}, "symbol", "invalid_value"),
        ({"symbol": "BTC\0USD"}, "symbol", "invalid_value"),
        ({"side": None}, "side", "missing_field"),
        ({"side": "Hold"}, "side", "invalid_value"),
        ({"side": 1}, "side", "invalid_value"),
        ({"order_type": None}, "order_type", "missing_field"),
        ({"order_type": "Stop"}, "order_type", "invalid_value"),
        ({"time_in_force": "GTX"}, "time_in_force", "invalid_value"),
        ({"price": None}, "price", "missing_field"),
        ({"price": "0"}, "price", "invalid_value"),
        ({"price": 50000}, "price", "invalid_value"),
        ({"price": "1e3"}, "price", "invalid_value"),
        ({"quantity": None}, "quantity", "missing_field"),
        ({"quantity": "-1"}, "quantity", "invalid_value"),
        ({"quantity": "1" * 19}, "quantity", "invalid_value"),
        ({"quote_quantity": "5"}, "quote_quantity", "invalid_value"),
        ({"post_only": "yes"}, "post_only", "invalid_value"),
        ({"post_only": 1}, "post_only", "invalid_value"),
        ({"post_only": True, "time_in_force": "IOC"}, "post_only", "invalid_value"),
        ({"post_only": True, "time_in_force": "FOK"}, "post_only", "invalid_value"),
        ({"client_order_id": ""}, "client_order_id", "invalid_value"),
        ({"client_order_id": "x" * 65}, "client_order_id", "invalid_value"),
        ({"client_order_id": "a b"}, "client_order_id", "invalid_value"),
        ({"client_order_id": "a\n"}, "client_order_id", "invalid_value"),
        ({"client_order_id": "ä"}, "client_order_id", "invalid_value"),
        ({"client_order_id": 7}, "client_order_id", "invalid_value"),
        ({"self_trade_prevention": "None"}, "self_trade_prevention", "invalid_value"),
        ({"leverage": "5"}, "leverage", "unknown_field"),
    ],
)
def test_fault_of_a_limit_order_is_named_by_its_field(body, field, code):
    assert faults_of({**LIMIT, **body}) == [(field, code)]


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"price": "5"}, "price", "invalid_value"),
        ({"post_only": True}, "post_only", "invalid_value"),
        ({"time_in_force": "GTC"}, "time_in_force", "invalid_value"),
        ({"time_in_force": "FOK"}, "time_in_force", "invalid_value"),
        ({"quantity": None}, "quantity", "missing_field"),
        ({"quote_quantity": "5"}, "quote_quantity", "invalid_value"),
        ({"side": "Sell", "quote_quantity": "5", "quantity": None}, "quote_quantity", "invalid_value"),
    ],
)
def test_fault_of_a_market_order_is_named_by_its_field(body, field, code):
    assert (field, code) in faults_of({**MARKET, **body})


def test_all_faults_are_named_in_one_reading():
    body = {
        **LIMIT,
        "price": None,
        "quantity": "0",
        "time_in_force": "x",
        "side": "Buy",
        "color": "red",
        "quote_quantity": "1",
    }

    assert set(faults_of(body)) == {
        ("price", "missing_field"),
        ("quantity", "invalid_value"),
        ("time_in_force", "invalid_value"),
        ("color", "unknown_field"),
        ("quote_quantity", "invalid_value"),
    }


def test_refused_term_tells_what_is_allowed_and_what_was_got():
    with pytest.raises(DomainError) as caught:
        read_new_order({**LIMIT, "side": "Hold"})

    assert (caught.value.errors[0].limit, caught.value.errors[0].value) == (["Buy", "Sell"], "Hold")


@pytest.mark.parametrize("body", [None, [], "order", 5, True])
def test_body_that_is_no_object_is_malformed(body):
    with pytest.raises(DomainError) as caught:
        read_new_order(body)

    assert (caught.value.code, caught.value.status) == ("malformed", 400)


def test_digest_is_the_same_however_the_request_is_written():
    written = {
        **LIMIT,
        "symbol": "btc-usd",
        "side": "BUY",
        "price": "+050000",
        "quantity": "1",
        "time_in_force": "GTC",
        "post_only": False,
    }

    assert read_new_order(written).digest() == read_new_order({**LIMIT, "client_order_id": "other"}).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "ETH/USD"},
        {"side": "Sell"},
        {"price": "50000.01"},
        {"quantity": "1.00001"},
        {"time_in_force": "IOC"},
        {"post_only": True},
        {"order_type": "Market", "price": None},
        {"price": "1", "quantity": "50000"},
    ],
)
def test_digest_differs_for_every_difference(change):
    assert read_new_order({**LIMIT, **change}).digest() != read_new_order(LIMIT).digest()


def test_amendment_is_read():
    assert read_amendment({"quantity": "0.5"}).quantity == Decimal("0.5")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "quantity", "missing_field"),
        ({"quantity": "0"}, "quantity", "invalid_value"),
        ({"quantity": "1", "price": "5"}, "price", "invalid_value"),
        ({"quantity": "1", "side": "Buy"}, "side", "unknown_field"),
    ],
)
def test_fault_of_an_amendment_is_named_by_its_field(body, field, code):
    with pytest.raises(DomainError) as caught:
        read_amendment(body)

    assert [(fault.field, fault.code) for fault in caught.value.errors] == [(field, code)]


def faults_of(body):
    """Read what must be refused; returns (field, code) of each fault."""
    with pytest.raises(DomainError) as caught:
        read_new_order(body)
    assert caught.value.code == caught.value.errors[0].code
    assert caught.value.status == 400
    return [(fault.field, fault.code) for fault in caught.value.errors]
