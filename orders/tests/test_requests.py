"""Test that a request is read exactly, and that every fault is named by its field."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from accounts.errors import DomainError
from orders.requests import Amendment, read_amendment, read_new_order
from orders.terms import LIMIT_TYPES, STOP_TYPES, OrderType, SelfTradePrevention, Side, TimeInForce

LIMIT = {"symbol": "BTC/USD", "side": "Buy", "order_type": "Limit", "quantity": "1.0", "price": "50000.00"}
MARKET = {"symbol": "BTC/USD", "side": "Buy", "order_type": "Market", "quantity": "1.0"}
STOP_LIMIT = {**LIMIT, "order_type": "StopLimit", "stop_price": "49000"}
STOP_MARKET = {**MARKET, "order_type": "StopMarket", "stop_price": "49000"}
TRAILING = {**MARKET, "order_type": "TrailingStop", "trailing_offset": 500}
BODIES = {
    "Limit": LIMIT,
    "Market": MARKET,
    "StopLimit": STOP_LIMIT,
    "TakeProfitLimit": {**STOP_LIMIT, "order_type": "TakeProfitLimit"},
    "StopMarket": STOP_MARKET,
    "TakeProfit": {**STOP_MARKET, "order_type": "TakeProfit"},
    "TrailingStop": TRAILING,
}
WHEN = "2030-01-31T12:00:00Z"


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


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_every_type_is_read_with_its_own_fields(body):
    order = read_new_order(body)

    assert order.order_type == body["order_type"]
    assert (order.price is not None) is (order.order_type in LIMIT_TYPES)
    assert (order.stop_price is not None or order.trailing_offset is not None) is (order.order_type in STOP_TYPES)
    assert order.time_in_force is (TimeInForce.IOC if body is MARKET else TimeInForce.GTC)


def test_every_optional_field_is_read():
    body = {
        **STOP_LIMIT,
        "time_in_force": "gtd",
        "expires_at": "2030-01-31T12:00:00+01:00",
        "self_trade_prevention": "decrement",
        "market_maker_protection": True,
    }

    order = read_new_order(body)

    assert (order.time_in_force, order.expires_at) == (TimeInForce.GTD, datetime(2030, 1, 31, 11, tzinfo=UTC))
    assert (order.stop_price, order.self_trade_prevention) == (Decimal(49000), SelfTradePrevention.DECREMENT)
    assert order.market_maker_protection is True
    assert read_new_order({**LIMIT, "display_quantity": "0.1"}).display_quantity == Decimal("0.1")
    assert read_new_order({**TRAILING, "stop_price": "1"}).stop_price == 1


@pytest.mark.parametrize(
    ("order_type", "allowed"),
    [
        ("Limit", {"GTC", "IOC", "FOK", "GTD", "DAY", "AuctionOnly"}),
        ("Market", {"IOC"}),
        ("StopLimit", {"GTC", "IOC", "FOK", "GTD", "DAY"}),
        ("TakeProfitLimit", {"GTC", "IOC", "FOK", "GTD", "DAY"}),
        ("StopMarket", {"GTC", "IOC", "GTD", "DAY"}),
        ("TakeProfit", {"GTC", "IOC", "GTD", "DAY"}),
        ("TrailingStop", {"GTC", "IOC", "GTD", "DAY"}),
    ],
)
def test_each_type_takes_its_times_in_force(order_type, allowed):
    for time_in_force in TimeInForce:
        body = {**BODIES[order_type], "time_in_force": str(time_in_force)}
        if time_in_force is TimeInForce.GTD:
            body["expires_at"] = WHEN
        if time_in_force in allowed:
            assert read_new_order(body).time_in_force is time_in_force
        else:
            with pytest.raises(DomainError) as caught:
                read_new_order(body)
            (fault,) = caught.value.errors
            assert (fault.field, fault.code, fault.value) == ("time_in_force", "invalid_value", time_in_force)
            assert set(fault.limit) == allowed


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
        ({"post_only": True, "time_in_force": "AuctionOnly"}, "post_only", "invalid_value"),
        ({"stop_price": "5"}, "stop_price", "invalid_value"),
        ({"trailing_offset": 5}, "trailing_offset", "invalid_value"),
        ({"time_in_force": "GTD"}, "expires_at", "missing_field"),
        ({"time_in_force": "GTD", "expires_at": "tomorrow"}, "expires_at", "invalid_value"),
        ({"expires_at": WHEN}, "expires_at", "invalid_value"),
        ({"time_in_force": "DAY", "expires_at": WHEN}, "expires_at", "invalid_value"),
        ({"display_quantity": "0"}, "display_quantity", "invalid_value"),
        ({"display_quantity": "1.00001"}, "display_quantity", "invalid_value"),
        ({"display_quantity": "0.0999"}, "display_quantity", "invalid_value"),
        ({"display_quantity": "0.5", "time_in_force": "DAY"}, "display_quantity", "invalid_value"),
        ({"display_quantity": "0.5", "time_in_force": "AuctionOnly"}, "display_quantity", "invalid_value"),
        ({"market_maker_protection": 1}, "market_maker_protection", "invalid_value"),
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


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({**STOP_LIMIT, "price": None}, "price", "missing_field"),
        ({**STOP_LIMIT, "stop_price": None}, "stop_price", "missing_field"),
        ({**STOP_LIMIT, "trailing_offset": 5}, "trailing_offset", "invalid_value"),
        ({**STOP_MARKET, "price": "5"}, "price", "invalid_value"),
        ({**STOP_MARKET, "stop_price": None}, "stop_price", "missing_field"),
        ({**STOP_MARKET, "quantity": None}, "quantity", "missing_field"),
        ({**STOP_MARKET, "quote_quantity": "5"}, "quote_quantity", "invalid_value"),
        ({**STOP_MARKET, "post_only": True}, "post_only", "invalid_value"),
        ({**STOP_MARKET, "display_quantity": "0.5"}, "display_quantity", "invalid_value"),
        ({**MARKET, "display_quantity": "0.5"}, "display_quantity", "invalid_value"),
        ({**MARKET, "stop_price": "5"}, "stop_price", "invalid_value"),
        ({**TRAILING, "price": "5"}, "price", "invalid_value"),
        ({**TRAILING, "trailing_offset": None}, "trailing_offset", "missing_field"),
        ({**TRAILING, "trailing_offset": 0}, "trailing_offset", "invalid_value"),
        ({**TRAILING, "trailing_offset": 10_000}, "trailing_offset", "invalid_value"),
        ({**TRAILING, "trailing_offset": 1.5}, "trailing_offset", "invalid_value"),
    ],
)
def test_fault_of_a_stop_is_named_by_its_field(body, field, code):
    assert faults_of(body) == [(field, code)]


def test_iceberg_comes_in_ten_parts_at_most():
    assert read_new_order({**LIMIT, "display_quantity": "0.1", "post_only": True}).display_quantity == Decimal("0.1")
    assert read_new_order({**STOP_LIMIT, "display_quantity": "1"}).display_quantity == 1
    with pytest.raises(DomainError) as caught:
        read_new_order({**LIMIT, "display_quantity": "0.09"})

    assert (caught.value.errors[0].limit, caught.value.errors[0].value) == ("0.1", "0.09")


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
        {"time_in_force": "DAY"},
        {"self_trade_prevention": "Decrement"},
        {"display_quantity": "0.5"},
        {"market_maker_protection": True},
    ],
)
def test_digest_differs_for_every_difference(change):
    assert read_new_order({**LIMIT, **change}).digest() != read_new_order(LIMIT).digest()


@pytest.mark.parametrize(
    ("body", "one", "other"),
    [
        (STOP_MARKET, {}, {"stop_price": "49000.01"}),
        (TRAILING, {}, {"trailing_offset": 501}),
        (TRAILING, {}, {"stop_price": "500"}),
        (
            LIMIT,
            {"time_in_force": "GTD", "expires_at": WHEN},
            {"time_in_force": "GTD", "expires_at": "2030-01-31T12:00:01Z"},
        ),
        (LIMIT, {"display_quantity": "0.5"}, {"display_quantity": "0.6"}),
    ],
)
def test_digest_differs_for_every_difference_of_the_rarer_fields(body, one, other):
    assert read_new_order({**body, **one}).digest() != read_new_order({**body, **other}).digest()


def test_digest_is_the_same_for_one_time_written_in_two_ways():
    written = ({**LIMIT, "time_in_force": "GTD", "expires_at": at} for at in (WHEN, "2030-01-31T13:00:00.000+01:00"))

    assert len({read_new_order(body).digest() for body in written}) == 1


@pytest.mark.parametrize(
    ("body", "digest"),
    [
        (LIMIT, "2d63befc3a4c923f1168001f35cce6cb"),
        ({**LIMIT, "post_only": True, "side": "Sell"}, "cb8a338817ccbaab79541f2ce92de9a6"),
        ({**LIMIT, "time_in_force": "FOK"}, "e1dde78aaed56d109ac100711367fd63"),
        ({**MARKET, "quantity": None, "quote_quantity": "100"}, "a7c3d23d58b8a9969d1741a1812239a6"),
    ],
)
def test_digest_of_what_could_be_asked_before_is_as_it_is_stored(body, digest):
    assert read_new_order(body).digest().hex() == digest


@pytest.mark.parametrize(
    ("body", "amendment"),
    [
        ({"quantity": "0.5"}, Amendment(Decimal("0.5"))),
        ({"price": "5"}, Amendment(None, Decimal(5))),
        ({"quantity": "1", "price": "5"}, Amendment(Decimal(1), Decimal(5))),
    ],
)
def test_amendment_is_read(body, amendment):
    assert read_amendment(body) == amendment


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "quantity", "missing_field"),
        ({"quantity": "0"}, "quantity", "invalid_value"),
        ({"quantity": "1", "price": "0"}, "price", "invalid_value"),
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
