"""Test what a market's settings alone decide about an order, and the whole numbers that follow from them."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest

from accounts.errors import DomainError
from orders import rules as rules_module
from orders.rules import MarketRules, check_order, expiry_of, limit_hold
from orders.tests.builders import make_request

RULES = MarketRules(
    market_id=1, symbol="BTC/USD", shard=0, version=1, base_id=1, quote_id=2, base="BTC", quote="USD", base_scale=8,
    quote_scale=8, tick_size=Decimal("0.01"), lot_size=Decimal("0.00001"), price_decimals=2, quantity_decimals=5,
    tick_lot_units=10, lot_units=1000, min_quantity=None, max_quantity=None, min_notional=None,
    protection_band=Decimal("0.1"), volatility_band=None, auction_band=None, reference_price=None,
    order_types=("Limit", "Market", "StopLimit", "StopMarket", "TakeProfit", "TrailingStop"), max_open_orders=None,
    call_seconds=120, call_random_seconds=30, closes_at=None, fee_account_id=100,
)  # fmt: skip
WIDEST = replace(
    RULES, base_scale=18, quote_scale=18, tick_size=Decimal("1E-18"), lot_size=Decimal(1), price_decimals=18,
    quantity_decimals=0, tick_lot_units=1, lot_units=10**18,
)  # fmt: skip


def test_order_within_the_rules_passes():
    check_order(make_request(price="50000.01", quantity="0.00001"), RULES)


@pytest.mark.parametrize(
    ("fields", "rules", "code", "field", "limit", "value"),
    [
        ({"price": "100.001"}, {}, "price_off_tick", "price", "0.01", "100.001"),
        (
            {"price": "0.0000000000000000000000000000000000001"},
            {},
            "price_off_tick",
            "price",
            "0.01",
            "0." + "0" * 36 + "1",
        ),
        ({"price": "100.10"}, {"tick_size": Decimal("0.25")}, "price_off_tick", "price", "0.25", "100.10"),
        ({"quantity": "1.000001"}, {}, "quantity_off_lot", "quantity", "0.00001", "1.000001"),
        ({"quantity": "5"}, {"lot_size": Decimal(10)}, "quantity_off_lot", "quantity", "10", "5"),
        ({"quantity": "0.5"}, {"min_quantity": Decimal(1)}, "below_min_quantity", "quantity", "1.00000", "0.5"),
        ({"quantity": "9"}, {"max_quantity": Decimal(8)}, "above_max_quantity", "quantity", "8.00000", "9"),
        ({"quantity": "0.5"}, {"min_notional": Decimal("50.01")}, "below_min_notional", "quantity", "50.01", "50"),
        ({"order_type": "StopLimit", "stop_price": "0.001"}, {}, "price_off_tick", "stop_price", "0.01", "0.001"),
        ({"display_quantity": "0.500001"}, {}, "quantity_off_lot", "display_quantity", "0.00001", "0.500001"),
        (
            {"order_type": "StopLimit", "price": "99", "stop_price": "100"},
            {"min_notional": Decimal(100)},
            "below_min_notional",
            "quantity",
            "100",
            "99",
        ),
        (
            {"order_type": "TakeProfit", "stop_price": "99"},
            {"min_notional": Decimal(100)},
            "below_min_notional",
            "quantity",
            "100",
            "99",
        ),
        (
            {"order_type": "TrailingStop", "trailing_offset": 1, "stop_price": "99"},
            {"min_notional": Decimal(100)},
            "below_min_notional",
            "quantity",
            "100",
            "99",
        ),
        ({}, {"order_types": ("Market",)}, "order_type_not_allowed", "order_type", ["Market"], "Limit"),
    ],
)
def test_refusal_names_code_field_limit_and_value(fields, rules, code, field, limit, value):
    (fault,) = faults_of(make_request(**fields), replace(RULES, **rules))

    assert (fault.code, fault.field, fault.limit, fault.value) == (code, field, limit, value)


@pytest.mark.parametrize(
    ("amount", "rules", "code", "limit"),
    [
        ("1.123456789", {}, "invalid_value", 8),
        ("0.00000005", {}, "invalid_value", "0.0000001"),
        ("9.99", {"min_notional": Decimal(10)}, "below_min_notional", "10"),
    ],
)
def test_refusal_of_a_quote_quantity_names_code_limit_and_value(amount, rules, code, limit):
    (fault,) = faults_of(make_request(order_type="Market", quote_quantity=amount), replace(RULES, **rules))

    assert (fault.code, fault.field, fault.limit, fault.value) == (code, "quote_quantity", limit, amount)


@pytest.mark.parametrize(
    ("fields", "rules"),
    [
        ({"quantity": "1"}, {"min_quantity": Decimal(1), "max_quantity": Decimal(1)}),
        ({"quantity": "0.5"}, {"min_notional": Decimal(50)}),
        ({"order_type": "Market", "quote_quantity": "0.0000001"}, {}),
    ],
)
def test_limits_themselves_are_allowed(fields, rules):
    check_order(make_request(**fields), replace(RULES, **rules))


def test_everything_that_is_wrong_is_told_at_once():
    order = make_request(price="0.001", quantity="0.000001")

    faults = faults_of(order, replace(RULES, min_quantity=Decimal(1), min_notional=Decimal(1), order_types=("Market",)))

    assert [fault.code for fault in faults] == [
        "order_type_not_allowed", "price_off_tick", "quantity_off_lot", "below_min_quantity", "below_min_notional",
    ]  # fmt: skip


def test_time_that_is_up_is_refused_and_not_before(monkeypatch):
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    order = make_request(time_in_force="GTD", expires_at="2026-01-31T12:00:00Z")

    stop_clock(monkeypatch, noon - timedelta(microseconds=1))
    check_order(order, RULES)
    stop_clock(monkeypatch, noon)
    (fault,) = faults_of(order, RULES)

    assert (fault.code, fault.field) == ("invalid_value", "expires_at")
    assert fault.limit == fault.value == "2026-01-31T12:00:00.000000Z"


@pytest.mark.parametrize(
    ("closes_at", "now", "expires_at"),
    [
        (None, "2026-01-31T12:00:00", "2026-02-01T00:00:00"),
        (None, "2026-01-31T00:00:00", "2026-02-01T00:00:00"),
        (time(22), "2026-01-31T12:00:00", "2026-01-31T22:00:00"),
        (time(22), "2026-01-31T21:59:59.999999", "2026-01-31T22:00:00"),
        (time(22), "2026-01-31T22:00:00", "2026-02-01T22:00:00"),
    ],
)
def test_day_order_ends_with_the_next_close_or_at_midnight(monkeypatch, closes_at, now, expires_at):
    stop_clock(monkeypatch, datetime.fromisoformat(now).replace(tzinfo=UTC))

    found = expiry_of(make_request(time_in_force="DAY"), replace(RULES, closes_at=closes_at))

    assert found == datetime.fromisoformat(expires_at).replace(tzinfo=UTC)


def test_other_orders_end_when_they_say_or_never():
    when = datetime(2030, 1, 31, 12, tzinfo=UTC)

    assert expiry_of(make_request(), RULES) is None
    assert expiry_of(make_request(time_in_force="GTD", expires_at="2030-01-31T12:00:00Z"), RULES) == when


@pytest.mark.parametrize(
    ("fields", "hold"),
    [
        ({"price": "100.00", "quantity": "1"}, 100 * 10**8),
        ({"price": "0.01", "quantity": "0.00001"}, 10),
        ({"side": "Sell", "price": "100.00", "quantity": "1.5"}, 150_000_000),
        ({"side": "Sell", "order_type": "Market", "quantity": "1.5"}, 150_000_000),
        ({"order_type": "Market", "quote_quantity": "12.34567891"}, 1_234_567_891),
        ({"order_type": "Market", "quantity": "1"}, None),
        ({"order_type": "StopLimit", "stop_price": "90", "price": "100.00"}, 100 * 10**8),
        ({"order_type": "StopMarket", "stop_price": "90"}, None),
        ({"side": "Sell", "order_type": "StopMarket", "stop_price": "90", "quantity": "1.5"}, 150_000_000),
    ],
)
def test_hold_in_smallest_units(fields, hold):
    assert limit_hold(make_request(**fields), RULES) == hold


def test_widest_numbers_are_exact():
    price, quantity = "999999999999999999.999999999999999999", "999999999999999999"
    order = make_request(price=price, quantity=quantity)

    check_order(order, WIDEST)

    assert WIDEST.ticks(order.price) == 10**36 - 1
    assert WIDEST.price(10**36 - 1) == Decimal(price)
    assert limit_hold(order, WIDEST) == (10**36 - 1) * (10**18 - 1)
    assert limit_hold(make_request(side="Sell", quantity=quantity), WIDEST) == (10**18 - 1) * 10**18


def test_one_part_in_a_thousand_trillion_off_tick_is_seen():
    faults = faults_of(make_request(price="999999999999999999.999999999999999999"), RULES)

    assert [fault.code for fault in faults] == ["price_off_tick"]


def stop_clock(monkeypatch, now):
    """Let it be this moment."""

    class Clock(datetime):
        @classmethod
        def now(cls, zone):
            return now.astimezone(zone)

    monkeypatch.setattr(rules_module, "datetime", Clock)


def faults_of(order, rules):
    """Check what must be refused; returns the faults."""
    with pytest.raises(DomainError) as caught:
        check_order(order, rules)
    assert caught.value.code == caught.value.errors[0].code
    return caught.value.errors
