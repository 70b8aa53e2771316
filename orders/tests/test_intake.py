"""Test that order intake holds exactly, refuses with reasons, and treats a repeat as one order."""

import datetime
import json
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.errors import DomainError
from accounts.ledger import deposit
from accounts.models import Account, Balance
from accounts.tests.attacks import triggers_off
from accounts.tests.builders import make_asset, make_trader
from accounts.tests.rivals import at_once, start_waiting
from orders import changes, intake, rules
from orders.journal import NewPayload, read_payload, write_payload
from orders.models import Command, FeeRate, Market, MarketMakerProtection, MarketState, Order
from orders.terms import Phase
from orders.tests.builders import make_market, make_request, place_order

pytestmark = pytest.mark.django_db


# -- holds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "asset", "held"),
    [
        ({"price": "100.00", "quantity": "1.5"}, "USD", "150"),
        ({"price": "0.01", "quantity": "0.00001"}, "USD", "0.0000001"),
        ({"side": "Sell", "price": "100.00", "quantity": "1.5"}, "BTC", "1.5"),
        ({"side": "Sell", "order_type": "Market", "quantity": "0.00001"}, "BTC", "0.00001"),
        ({"order_type": "Market", "quote_quantity": "12.34567891"}, "USD", "12.34567891"),
        ({"order_type": "Market", "quantity": "2"}, "USD", "220"),
        ({"time_in_force": "FOK", "quantity": "3"}, "USD", "300"),
        ({"order_type": "StopLimit", "stop_price": "120", "price": "125", "quantity": "2"}, "USD", "250"),
        ({"order_type": "TakeProfitLimit", "stop_price": "80", "price": "90"}, "USD", "90"),
        ({"order_type": "StopMarket", "stop_price": "120"}, "USD", "132"),
        ({"order_type": "TakeProfit", "stop_price": "80"}, "USD", "88"),
        ({"order_type": "TrailingStop", "trailing_offset": 500, "quantity": "2"}, "USD", "231"),
        ({"order_type": "TrailingStop", "trailing_offset": 500, "stop_price": "50"}, "USD", "115.5"),
        ({"side": "Sell", "order_type": "TrailingStop", "trailing_offset": 500}, "BTC", "1"),
        ({"side": "Sell", "order_type": "StopLimit", "stop_price": "80", "price": "70"}, "BTC", "1"),
        ({"display_quantity": "0.5"}, "USD", "100"),
    ],
)
def test_order_holds_what_it_may_cost(fields, asset, held):
    make_market(reference_price=Decimal(100))
    account = make_trader(funds={"USD": "1000", "BTC": "10"})

    order = place_order(account, **fields)

    assert order.held_amount == Decimal(held)
    assert balance(account, asset) == (Decimal({"USD": 1000, "BTC": 10}[asset]) - Decimal(held), Decimal(held))


@pytest.mark.parametrize(
    ("fields", "status", "held"),
    [
        ({}, "New", 100),
        ({"time_in_force": "GTD", "expires_at": "2999-12-31T23:59:59.999999Z"}, "New", 100),
        ({"time_in_force": "DAY", "self_trade_prevention": "CancelBoth", "market_maker_protection": True}, "New", 100),
        ({"display_quantity": "0.5", "post_only": True}, "New", 100),
        ({"order_type": "StopLimit", "stop_price": "110"}, "PendingTrigger", 100),
        ({"order_type": "StopMarket", "stop_price": "120"}, "PendingTrigger", 132),
        (
            {"order_type": "TrailingStop", "trailing_offset": 500, "stop_price": "90"},
            "PendingTrigger",
            Decimal("115.5"),
        ),
    ],
)
def test_order_is_written_as_it_is_answered(fields, status, held):
    make_market(maker_fee=Decimal("0.001"), taker_fee=Decimal("0.002"), reference_price=Decimal(100))
    account = make_trader(funds={"USD": "1000"})

    answered = place_order(account, client_order_id="my-1", **fields)

    stored = Order.objects.get(id=answered.id)
    names = [field.attname for field in Order._meta.concrete_fields if field.name != "request_digest"]
    assert {name: getattr(stored, name) for name in names} == {name: getattr(answered, name) for name in names}
    assert (stored.status, stored.remaining_quantity, stored.held_amount) == (status, 1, held)
    assert stored.created_at <= timezone.now()


def test_command_says_all_that_the_engine_needs():
    market = make_market(maker_fee=Decimal("0.001"), taker_fee=Decimal("0.0025"), reference_price=Decimal(100))
    account = make_trader(funds={"USD": "1000"})

    limit = place_order(account, post_only=True)
    by_budget = place_order(account, order_type="Market", quote_quantity="12.34567899")

    first, second = Command.objects.order_by("id")
    assert (first.market_id, first.kind, first.order_id, first.account_id) == (market.id, "new", limit.id, account.id)
    assert (first.sequence, first.events) == (None, None)
    assert first.payload == {
        "owner": account.user_id, "side": "Buy", "type": "Limit", "tif": "GTC", "price": 10_000, "quantity": 100_000,
        "held": 100 * 10**8, "maker_fee": 100_000, "taker_fee": 250_000, "post_only": True,
    }  # fmt: skip
    assert second.order_id == by_budget.id
    assert second.payload == {
        "owner": account.user_id, "side": "Buy", "type": "Market", "tif": "IOC", "price": 11_000, "budget": 123_456_789,
        "held": 1_234_567_899, "maker_fee": 100_000, "taker_fee": 250_000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "added"),
    [
        (
            {"order_type": "StopLimit", "stop_price": "110"},
            {"type": "StopLimit", "price": 10_000, "held": 100 * 10**8, "stop": 11_000},
        ),
        ({"order_type": "TakeProfit", "stop_price": "80"}, {"type": "TakeProfit", "price": 8_800, "held": 88 * 10**8, "stop": 8_000}),
        (
            {"order_type": "TrailingStop", "trailing_offset": 500, "stop_price": "90"},
            {"type": "TrailingStop", "price": 11_550, "held": 11_550 * 10**6, "trail": 500, "stop": 9_000, "protection": 10_000_000},
        ),
        ({"display_quantity": "0.5"}, {"display": 50_000}),
        (
            {"time_in_force": "GTD", "expires_at": "2030-01-31T12:00:00.000001Z"},
            {"tif": "GTD", "expires": 1_896_091_200_000_001},
        ),
        ({"self_trade_prevention": "Decrement"}, {"stp": "Decrement"}),
        ({"self_trade_prevention": "CancelNewest", "market_maker_protection": False}, {}),
        ({"market_maker_protection": True}, {"mmp": True}),
    ],
)  # fmt: skip
def test_command_says_the_rarer_terms_only_where_there_are_any(fields, added):
    make_market(reference_price=Decimal(100))
    account = make_trader(funds={"USD": "1000"})

    place_order(account, **fields)

    command = Command.objects.get()
    assert command.payload == {
        "owner": account.user_id, "side": "Buy", "type": "Limit", "tif": "GTC", "price": 10_000, "quantity": 100_000,
        "held": 100 * 10**8, "maker_fee": 0, "taker_fee": 0,
    } | added  # fmt: skip
    assert write_payload(read_payload("new", json.dumps(command.payload))) == json.dumps(
        {name: command.payload[name] for name in NewPayload.__struct_fields__ if name in command.payload},
        separators=(",", ":"),
    )


def test_day_order_ends_with_the_markets_close():
    make_market(opens_at=datetime.time(9), closes_at=datetime.time(22))
    order = place_order(make_trader(funds={"USD": "1000"}), time_in_force="DAY")

    assert (order.expires_at.time(), order.expires_at.tzinfo) == (datetime.time(22), datetime.UTC)
    assert timezone.now() < order.expires_at <= timezone.now() + datetime.timedelta(days=1)


def test_row_for_what_will_be_received_is_opened():
    make_market()
    account = make_trader(funds={"USD": "1000"})

    place_order(account)

    assert balance(account, "BTC") == (0, 0)


def test_numbers_of_eighteen_decimals_are_held_exactly():
    make_asset("ETH", scale=18)
    make_asset("WEI", scale=18)
    make_market("ETH/WEI", tick_size="1", lot_size="0.000000000000000001")
    account = make_trader(funds={"ETH": "123456789.123456789123456789"})

    order = place_order(account, symbol="ETH/WEI", side="Sell", price="7", quantity="123456789.123456789123456789")

    assert order.held_amount == Decimal("123456789.123456789123456789")
    assert balance(account, "ETH") == (0, Decimal("123456789.123456789123456789"))
    assert Command.objects.get().payload["quantity"] == 123456789123456789123456789


# -- protection price ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "state", "protection"),
    [
        ("Buy", {"best_ask": "100.05"}, "110.05"),
        ("Buy", {"best_ask": "100.05", "last_price": "90"}, "110.05"),
        ("Buy", {"best_bid": "50", "last_price": "90"}, "99"),
        ("Buy", {"last_price": "90", "last_auction_price": "80"}, "99"),
        ("Buy", {"last_auction_price": "80"}, "88"),
        ("Buy", {}, "220"),
        ("Sell", {"best_bid": "100.05"}, "90.05"),
        ("Sell", {"best_ask": "100.05"}, "180"),
        ("Sell", {"best_bid": "0.01"}, "0.01"),
        ("Buy", {"best_ask": "0.01"}, "0.01"),
    ],
)
def test_protection_price_is_the_band_around_the_best_price_rounded_towards_it(side, state, protection):
    market = make_market(reference_price=Decimal(200), protection_band=Decimal("0.1"))
    MarketState.objects.filter(market=market).update(**state)
    account = make_trader(funds={"USD": "1000", "BTC": "10"})

    order = place_order(account, side=side, order_type="Market", quantity="1")

    assert order.protection_price == Decimal(protection)
    assert order.held_amount == (Decimal(protection) if side == "Buy" else 1)


@pytest.mark.parametrize("phase", ["PreOpen", "Auction"])
@pytest.mark.parametrize(("side", "protection"), [("Buy", "99"), ("Sell", "81")])
def test_protection_price_in_a_call_is_the_band_around_the_reference_price(phase, side, protection):
    market = make_market(reference_price=Decimal(200))
    MarketState.objects.filter(market=market).update(phase=phase, best_bid=120, best_ask=110, last_price=90)
    account = make_trader(funds={"USD": "1000", "BTC": "10"})

    assert place_order(account, side=side, order_type="Market").protection_price == Decimal(protection)


@pytest.mark.parametrize(
    ("side", "fields", "protection"),
    [
        ("Buy", {"order_type": "StopMarket", "stop_price": "120.03"}, "132.03"),
        ("Sell", {"order_type": "StopMarket", "stop_price": "80.03"}, "72.03"),
        ("Buy", {"order_type": "TakeProfit", "stop_price": "80"}, "88"),
        ("Sell", {"order_type": "TakeProfit", "stop_price": "120"}, "108"),
        ("Buy", {"order_type": "TrailingStop", "trailing_offset": 333}, "113.66"),
        ("Sell", {"order_type": "TrailingStop", "trailing_offset": 333}, "87.01"),
        ("Sell", {"order_type": "TrailingStop", "trailing_offset": 9999, "stop_price": "500"}, "0.01"),
    ],
)
def test_protection_price_of_a_stop_goes_by_what_it_will_become(side, fields, protection):
    market = make_market(reference_price=Decimal(100))
    MarketState.objects.filter(market=market).update(best_bid=50, best_ask=60)
    account = make_trader(funds={"USD": "1000", "BTC": "10"})

    assert place_order(account, side=side, **fields).protection_price == Decimal(protection)


def test_protection_price_is_rounded_exactly_for_a_tick_that_is_no_power_of_ten():
    make_market(tick_size="0.03", reference_price=Decimal("0.99"), protection_band=Decimal("0.07"))
    account = make_trader(funds={"USD": "1000", "BTC": "10"})

    assert place_order(account, order_type="Market", quantity="1").protection_price == Decimal("1.05")
    assert place_order(account, side="Sell", order_type="Market", quantity="1").protection_price == Decimal("0.93")


@pytest.mark.parametrize("fields", [{"quote_quantity": "10"}, {"quantity": "0.00001"}])
def test_protection_price_beyond_the_widest_column_is_the_highest_price_there_is(fields):
    market = make_market(lot_size="0.00000001", tick_size="1")
    MarketState.objects.filter(market=market).update(best_ask=Decimal("999999999999999999"))
    account = make_trader(funds={"USD": "99999999999999999"})

    order = place_order(account, order_type="Market", **fields)

    assert order.protection_price == Decimal("999999999999999999")


# -- refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [{"side": "Buy"}, {"side": "Sell"}, {"quantity": None, "quote_quantity": "10"}])
def test_market_order_without_any_price_to_go_by_is_refused(fields):
    make_market()
    account = make_trader(funds={"USD": "1000", "BTC": "10"})

    fault = refused(account, order_type="Market", **fields)

    assert fault == ("no_reference_price", "order_type", None, "Market")


@pytest.mark.parametrize("fields", [{"side": "Buy"}, {"side": "Sell"}])
def test_trailing_stop_without_any_price_to_go_by_is_refused(fields):
    make_market()
    account = make_trader(funds={"USD": "1000", "BTC": "10"})

    fault = refused(account, order_type="TrailingStop", trailing_offset=1, stop_price="100", **fields)

    assert fault == ("no_reference_price", "order_type", None, "TrailingStop")


def test_stop_needs_no_price_but_its_own():
    make_market()

    place_order(make_trader(funds={"USD": "1000"}), order_type="StopMarket", stop_price="100")


STOP = {"order_type": "StopMarket", "stop_price": "100"}
CALLS = ["PreOpen", "Auction"]


@pytest.mark.parametrize(
    ("fields", "phases"),
    [
        ({}, ["Continuous", *CALLS]),
        ({"time_in_force": "DAY"}, ["Continuous", *CALLS]),
        ({"time_in_force": "AuctionOnly"}, ["Continuous", *CALLS]),
        ({"order_type": "Market"}, ["Continuous", *CALLS]),
        ({"time_in_force": "IOC"}, ["Continuous"]),
        ({"time_in_force": "FOK"}, ["Continuous"]),
        ({"post_only": True}, ["Continuous", "PostOnly"]),
        (STOP, ["Continuous", *CALLS]),
        (STOP | {"time_in_force": "IOC"}, ["Continuous", *CALLS]),
        ({"order_type": "StopLimit", "stop_price": "100", "post_only": True}, ["Continuous", *CALLS]),
    ],
)
def test_phase_that_takes_no_such_order_is_refused_with_those_that_do(fields, phases):
    market = make_market(reference_price=Decimal(100))
    account = make_trader(funds={"USD": "10000"})

    for phase in map(str, Phase):
        MarketState.objects.filter(market=market).update(phase=phase)
        if phase in phases:
            place_order(account, **fields)
        else:
            assert refused(account, **fields) == ("market_halted", "symbol", phases, phase)


def test_flagged_order_of_a_market_maker_whose_protection_has_tripped_is_refused():
    market = make_market()
    make_market("ETH/USD")
    account = make_trader(funds={"USD": "1000"})
    limits = {"account": account, "market": market, "window_ms": 1000, "quantity_limit": 1}
    protection = MarketMakerProtection.objects.create(**limits)
    place_order(account, market_maker_protection=True)
    MarketMakerProtection.objects.filter(id=protection.id).update(tripped_at=timezone.now(), tripped_sequence=1)

    fault = refused(account, market_maker_protection=True)

    assert fault == ("market_maker_protection", "market_maker_protection", None, True)
    place_order(account)
    place_order(account, symbol="ETH/USD", market_maker_protection=True)
    place_order(make_trader(funds={"USD": "1000"}), market_maker_protection=True)


@pytest.mark.parametrize("price", ["89.99", "110.01"])
def test_price_outside_the_band_is_refused_with_both_edges(price):
    make_market(price_band=Decimal("0.1"), reference_price=Decimal(100))

    assert refused(make_trader(funds={"USD": "1000"}), price=price) == (
        "price_out_of_band",
        "price",
        ["90", "110"],
        price,
    )


@pytest.mark.parametrize("price", ["90", "110"])
def test_price_on_the_bands_edge_is_allowed(price):
    make_market(price_band=Decimal("0.1"), reference_price=Decimal(100))

    place_order(make_trader(funds={"USD": "1000"}), price=price)


@pytest.mark.parametrize("price", ["179.99", "220.01"])
def test_limit_of_a_stop_is_held_to_the_band_around_its_stop_price(price):
    make_market(price_band=Decimal("0.1"), reference_price=Decimal(100))
    account = make_trader(funds={"USD": "1000"})

    fault = refused(account, order_type="StopLimit", stop_price="200", price=price)

    assert fault == ("price_out_of_band", "price", ["180", "220"], price)
    place_order(account, order_type="StopLimit", stop_price="200", price="220")


def test_no_band_holds_what_has_no_limit():
    make_market(price_band=Decimal("0.01"), reference_price=Decimal(100))

    place_order(make_trader(funds={"USD": "1000"}), order_type="StopMarket", stop_price="200")


def test_band_follows_the_last_trade_before_the_last_auction_before_the_operators_price():
    market = make_market(price_band=Decimal("0.1"), reference_price=Decimal(1))
    account = make_trader(funds={"USD": "1000"})

    MarketState.objects.filter(market=market).update(last_auction_price=Decimal(50))
    assert refused(account, price="1")[2] == ["45", "55"]
    MarketState.objects.filter(market=market).update(last_price=Decimal(100))
    assert refused(account, price="50")[2] == ["90", "110"]


def test_market_without_a_band_or_a_price_takes_any_price():
    make_market(price_band=Decimal("0.1"))

    place_order(make_trader(funds={"USD": "1000"}), price="0.01")


def test_market_order_below_the_least_notional_at_the_market_price_is_refused():
    make_market(min_notional=Decimal(50), reference_price=Decimal(100))

    fault = refused(make_trader(funds={"USD": "1000"}), order_type="Market", quantity="0.4")

    assert fault == ("below_min_notional", "quantity", "50", "40")


def test_trailing_stop_below_the_least_notional_at_its_trigger_price_is_refused():
    make_market(min_notional=Decimal(50), reference_price=Decimal(100))
    account = make_trader(funds={"BTC": "1"})
    trailing = {"side": "Sell", "order_type": "TrailingStop", "trailing_offset": 1000}

    assert refused(account, quantity="0.55", **trailing) == ("below_min_notional", "quantity", "50", "49.5")
    place_order(account, quantity="0.56", **trailing)


def test_time_that_runs_out_on_the_way_to_the_database_is_refused_there(monkeypatch):
    make_market()
    account = make_trader(funds={"USD": "1000"})
    monkeypatch.setattr(rules, "_check_expiry", lambda expires_at: [])  # it was still in the future then

    with pytest.raises(DomainError) as refusal:
        place_order(account, time_in_force="GTD", expires_at="2020-01-01T00:00:00Z")

    (error,) = refusal.value.errors
    assert (error.code, error.field, error.value) == ("invalid_value", "expires_at", "2020-01-01T00:00:00.000000Z")
    assert error.limit > error.value
    assert not Order.objects.exists()


def test_day_that_ends_on_the_way_to_the_database_is_followed_by_the_next(monkeypatch):
    make_market()
    account = make_trader(funds={"USD": "1000"})
    now = timezone.now()
    ends = iter([now - datetime.timedelta(milliseconds=1), now + datetime.timedelta(days=1)])
    monkeypatch.setattr(intake, "expiry_of", lambda order, rules: next(ends))

    order = place_order(account, time_in_force="DAY")

    assert order.expires_at == now + datetime.timedelta(days=1)
    assert Order.objects.count() == 1


def test_time_that_is_up_is_refused_unless_the_order_was_placed_before():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    fields = {"time_in_force": "GTD", "expires_at": "2020-01-01T00:00:00Z", "client_order_id": "my-1"}
    assert refused(account, **fields)[:2] == ("invalid_value", "expires_at")
    placed = place_order(account, **(fields | {"expires_at": "2999-01-01T00:00:00Z", "client_order_id": "my-2"}))
    digest = make_request(**(fields | {"client_order_id": "my-2"})).digest()
    with triggers_off():
        Order.objects.filter(id=placed.id).update(request_digest=digest)

    (again,) = intake.place(account.id, [make_request(**(fields | {"client_order_id": "my-2"}))])

    assert (again.order.id, again.repeated) == (placed.id, True)


@pytest.mark.parametrize(
    ("fields", "field", "limit", "value"),
    [
        (STOP, "quantity", "100.00000000", "110.00000000"),
        ({"order_type": "TrailingStop", "trailing_offset": 100}, "quantity", "100.00000000", "111.10000000"),
        ({"price": "100.01"}, "quantity", "100.00000000", "100.01000000"),
        ({"order_type": "Market", "quote_quantity": "100.00000001"}, "quote_quantity", "100.00000000", "100.00000001"),
        ({"order_type": "Market", "quantity": "1"}, "quantity", "100.00000000", "110.00000000"),
        ({"side": "Sell"}, "quantity", "0.00000000", "1.00000000"),
    ],
)
def test_order_that_costs_more_than_there_is_is_refused_with_both_amounts(fields, field, limit, value):
    make_market(reference_price=Decimal(100))

    assert refused(make_trader(funds={"USD": "100"}), **fields) == ("insufficient_funds", field, limit, value)


def test_largest_order_that_can_be_written_is_refused_for_want_of_funds():
    make_market()

    fault = refused(make_trader(funds={"USD": "100"}), price="999999999999999999", quantity="999999999999999999")

    assert fault[0] == "insufficient_funds"


def test_refusal_leaves_nothing_behind():
    make_market()
    account = make_trader(funds={"USD": "99.99"})

    refused(account)

    assert (Order.objects.count(), Command.objects.count()) == (0, 0)
    assert balance(account, "USD") == (Decimal("99.99"), 0)
    assert not Balance.objects.filter(account=account, asset__code="BTC").exists()


def test_frozen_account_is_refused():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    Account.objects.filter(id=account.id).update(status="frozen")

    with pytest.raises(DomainError) as caught:
        place_order(account)

    assert (caught.value.code, caught.value.status) == ("account_frozen", 403)


def test_unknown_symbol_is_refused():
    assert refused(make_trader(), symbol="XYZ/USD") == ("unknown_symbol", "symbol", None, "XYZ/USD")


def test_settings_refusals_come_from_here_too():
    make_market(min_quantity=Decimal(2))

    assert refused(make_trader(funds={"USD": "1000"})) == ("below_min_quantity", "quantity", "2.00000", "1")


# -- limits -------------------------------------------------------------------------------------------


def test_open_orders_in_the_market_are_limited():
    make_market(max_open_orders=2)
    account = make_trader(funds={"USD": "1000"})
    place_order(account)
    place_order(account)

    assert refused(account) == ("too_many_open_orders", "symbol", 2, 2)
    place_order(make_trader(funds={"USD": "1000"}))


def test_open_orders_of_the_account_are_limited_over_all_markets():
    make_market(max_open_orders=10)
    make_market("ETH/USD")
    account = make_trader(funds={"USD": "1000"})
    Account.objects.filter(id=account.id).update(max_open_orders=2)
    place_order(account)
    place_order(account, symbol="ETH/USD")

    assert refused(account) == ("too_many_open_orders", "symbol", 2, 2)


ICEBERG = {"display_quantity": "0.5"}
WAITS = {"order_type": "StopLimit", "stop_price": "100"}


@pytest.mark.parametrize(
    ("limit", "field", "fields"),
    [("max_stop_orders", "order_type", WAITS), ("max_iceberg_orders", "display_quantity", ICEBERG)],
)
def test_stops_and_icebergs_in_the_market_are_limited(limit, field, fields):
    make_market(**{limit: 2})
    make_market("ETH/USD")
    account = make_trader(funds={"USD": "1000"})
    place_order(account, **fields)
    place_order(account, **fields)

    assert refused(account, **fields) == ("too_many_open_orders", field, 2, 2)
    place_order(account)
    place_order(account, symbol="ETH/USD", **fields)
    place_order(make_trader(funds={"USD": "1000"}), **fields)


def test_stop_that_has_entered_the_book_waits_no_more():
    make_market(max_stop_orders=1)
    account = make_trader(funds={"USD": "1000"})
    stop = place_order(account, **WAITS)
    Order.objects.filter(id=stop.id).update(status="New")

    place_order(account, **WAITS)


def test_stops_and_icebergs_of_a_batch_count_against_their_limits_and_what_these_refuse_not_against_the_markets():
    make_market(max_stop_orders=1, max_iceberg_orders=1, max_open_orders=3)
    account = make_trader(funds={"USD": "1000"})
    requests = [make_request(**fields) for fields in (WAITS, WAITS, ICEBERG, ICEBERG, {}, {})]

    outcomes = intake.place(account.id, requests)

    refusal = "too_many_open_orders"
    assert codes(outcomes) == ["ok", refusal, "ok", refusal, "ok", refusal]
    assert [outcome.errors[0].field for outcome in outcomes if isinstance(outcome, DomainError)] == [
        "order_type", "display_quantity", "symbol",
    ]  # fmt: skip


def test_orders_of_a_batch_count_against_the_limits_one_after_another():
    make_market(max_open_orders=2)
    account = make_trader(funds={"USD": "1000"})

    assert codes(intake.place(account.id, [make_request()] * 3)) == ["ok", "ok", "too_many_open_orders"]


def test_what_the_markets_limit_refuses_does_not_count_against_the_accounts():
    make_market(max_open_orders=1)
    make_market("ETH/USD")
    account = make_trader(funds={"USD": "1000"})
    Account.objects.filter(id=account.id).update(max_open_orders=2)

    outcomes = intake.place(account.id, [make_request(), make_request(), make_request(symbol="ETH/USD")])

    assert codes(outcomes) == ["ok", "too_many_open_orders", "ok"]


# -- fees ---------------------------------------------------------------------------------------------


def test_nearest_fee_rate_is_kept_on_the_order():
    market = make_market(maker_fee=Decimal("0.001"), taker_fee=Decimal("0.002"))
    account = make_trader(funds={"USD": "1000"})
    Account.objects.filter(id=account.id).update(fee_tier=3)
    scopes = [
        {"tier": 3},
        {"tier": 3, "market": market},
        {"account": account, "market": market},
    ]

    found = [place_order(account).maker_fee]
    for number, scope in enumerate(scopes, start=1):
        FeeRate.objects.create(**scope, maker_fee=Decimal(number) / 10_000, taker_fee=Decimal(0))
        found.append(place_order(account).maker_fee)

    assert found == [Decimal("0.001"), Decimal("0.0001"), Decimal("0.0002"), Decimal("0.0003")]
    assert [order.maker_fee for order in Order.objects.order_by("id")] == found


def test_fee_rates_of_others_do_not_apply():
    market, other = make_market(taker_fee=Decimal("0.002")), make_market("ETH/USD")
    account = make_trader(funds={"USD": "1000"})
    for scope in ({"tier": 1}, {"tier": 0, "market": other}, {"account": make_trader(), "market": market}):
        FeeRate.objects.create(**scope, maker_fee=Decimal(0), taker_fee=Decimal(0))

    assert place_order(account).taker_fee == Decimal("0.002")


# -- repeats ------------------------------------------------------------------------------------------


def test_repeat_with_the_same_body_gets_the_first_order():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    first = place_order(account, client_order_id="my-1")

    (outcome,) = intake.place(account.id, [make_request(client_order_id="my-1", price="+0100", quantity="1.0")])

    assert (outcome.order.id, outcome.repeated, outcome.command_id) == (first.id, True, None)
    assert (Order.objects.count(), Command.objects.count()) == (1, 1)
    assert balance(account, "USD") == (900, 100)


def test_repeat_with_another_body_is_refused():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    place_order(account, client_order_id="my-1")

    fault = refused(account, client_order_id="my-1", price="100.01")

    assert fault == ("duplicate_client_order_id", "client_order_id", None, "my-1")


def test_client_order_id_is_the_accounts_own():
    make_market()
    first = place_order(make_trader(funds={"USD": "1000"}), client_order_id="my-1")

    second = place_order(make_trader(funds={"USD": "1000"}), client_order_id="my-1")

    assert first.id != second.id


def _halt(market: Market, account: Account) -> None:
    MarketState.objects.filter(market=market).update(phase=Phase.HALTED)


def _freeze(market: Market, account: Account) -> None:
    Account.objects.filter(id=account.id).update(status="frozen")


def _raise_the_minimum(market: Market, account: Account) -> None:
    Market.objects.filter(id=market.id).update(min_quantity=Decimal(50))


def _raise_the_minimum_and_know_it(market: Market, account: Account) -> None:
    _raise_the_minimum(market, account)
    rules.forget_rules()


def _take_all_funds(market: Market, account: Account) -> None:
    place_order(account, quantity="9")


def _move_the_price(market: Market, account: Account) -> None:
    MarketState.objects.filter(market=market).update(last_price=Decimal(1000))


@pytest.mark.parametrize(
    "change", [_halt, _freeze, _raise_the_minimum, _raise_the_minimum_and_know_it, _take_all_funds, _move_the_price]
)
def test_repeat_gets_the_first_order_whatever_has_changed(change):
    market = make_market(price_band=Decimal("0.5"))
    account = make_trader(funds={"USD": "1000"})
    first = place_order(account, client_order_id="my-1")
    change(market, account)

    (outcome,) = intake.place(account.id, [make_request(client_order_id="my-1")])

    assert (outcome.order.id, outcome.repeated) == (first.id, True)


def test_repeats_inside_a_batch_are_one_order():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    request, other = make_request(client_order_id="a"), make_request(client_order_id="a", price="99")

    outcomes = intake.place(account.id, [request, request, other, make_request(client_order_id="b")])

    assert codes(outcomes) == ["ok", "ok", "duplicate_client_order_id", "ok"]
    assert outcomes[0].order.id == outcomes[1].order.id
    assert [outcome.repeated for outcome in (outcomes[0], outcomes[1], outcomes[3])] == [False, True, False]
    assert Order.objects.count() == 2


def test_repeat_inside_a_batch_of_what_was_refused_is_refused():
    make_market()

    outcomes = intake.place(make_trader().id, [make_request(client_order_id="a")] * 2)

    assert codes(outcomes) == ["insufficient_funds"] * 2


@pytest.mark.django_db(transaction=True)
def test_equal_client_order_ids_at_once_place_one_order():
    make_market()
    account = make_trader(funds={"USD": "1000", "BTC": "10"})
    requests = [make_request(client_order_id="my-1"), make_request(client_order_id="my-1", side="Sell")] * 4

    outcomes = at_once([lambda request=request: intake.place(account.id, [request])[0] for request in requests])

    placed = [outcome for outcome in outcomes if isinstance(outcome, intake.Placed)]
    assert {outcome.order.id for outcome in placed} == {Order.objects.get().id}
    assert [outcome.repeated for outcome in placed].count(False) == 1
    assert codes(outcomes).count("duplicate_client_order_id") == 4
    assert Command.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_repeat_that_waited_for_the_first_to_take_all_funds_gets_the_first_order():
    make_market()
    account = make_trader(funds={"USD": "100"})
    request = make_request(client_order_id="my-1")

    with transaction.atomic():
        (first,) = intake.place(account.id, [request])
        rival = start_waiting(lambda: intake.place(account.id, [request]))
    (outcome,) = rival.result()

    assert (outcome.order.id, outcome.repeated) == (first.order.id, True)


@pytest.mark.django_db(transaction=True)
def test_batches_with_the_same_ids_in_opposite_order_do_not_deadlock():
    make_market()
    account = make_trader(funds={"USD": "100000", "BTC": "1000"})
    names = [f"id-{number}" for number in range(40)]
    buys = [make_request(client_order_id=name) for name in names]
    sells = [make_request(client_order_id=name, side="Sell", price="200") for name in reversed(names)]

    for _ in range(3):
        outcomes = at_once([lambda: intake.place(account.id, buys), lambda: intake.place(account.id, sells)])

        assert all(set(codes(each)) <= {"ok", "duplicate_client_order_id"} for each in outcomes)
    assert Order.objects.count() == 40


# -- batches ------------------------------------------------------------------------------------------


def test_batch_takes_the_funds_in_its_order_and_each_on_its_own():
    make_market()
    account = make_trader(funds={"USD": "250", "BTC": "1"})
    requests = [
        make_request(),
        make_request(quantity="2"),
        make_request(side="Sell"),
        make_request(price="0.001"),
        make_request(),
        make_request(side="Sell"),
        make_request(price="50", client_order_id="last"),
    ]

    outcomes = intake.place(account.id, requests)

    assert codes(outcomes) == ["ok", "insufficient_funds", "ok", "price_off_tick", "ok", "insufficient_funds", "ok"]
    assert (outcomes[1].errors[0].limit, outcomes[1].errors[0].value) == ("150.00000000", "200.00000000")
    assert balance(account, "USD") == (0, 250)
    assert balance(account, "BTC") == (0, 1)
    placed = [outcome.order.id for outcome in outcomes if isinstance(outcome, intake.Placed)]
    assert list(Command.objects.order_by("id").values_list("order_id", flat=True)) == placed
    assert set(Order.objects.values_list("id", flat=True)) == set(placed)


def test_batch_of_several_accounts_takes_each_ones_funds():
    make_market()
    rich, poor = make_trader(funds={"USD": "100"}), make_trader(funds={"USD": "99"})

    outcomes = intake.place_many(
        [(rich.id, make_request()), (poor.id, make_request()), (poor.id, make_request(price="99"))]
    )

    assert codes(outcomes) == ["ok", "insufficient_funds", "ok"]


def test_empty_batch_is_nothing():
    assert intake.place(make_trader().id, []) == []


def test_batch_that_was_short_places_nothing_twice_when_funds_arrive_meanwhile(monkeypatch):
    make_market()
    account = make_trader(funds={"USD": "150"})
    before_call(monkeypatch, 2, lambda: deposit(account=account, asset=make_asset("USD"), amount=Decimal(1000)))

    outcomes = intake.place(account.id, [make_request(), make_request()])

    assert codes(outcomes) == ["ok", "ok"]
    assert Order.objects.count() == Command.objects.count() == 2
    assert balance(account, "USD") == (950, 200)


def test_batch_whose_market_orders_become_dearer_meanwhile_answers_what_was_placed(monkeypatch):
    market = make_market(reference_price=Decimal(100))
    account = make_trader(funds={"USD": "350"})
    before_call(monkeypatch, 3, lambda: MarketState.objects.filter(market=market).update(best_ask=Decimal(200)))
    requests = [make_request(order_type="Market")] * 4

    outcomes = intake.place(account.id, requests)

    assert codes(outcomes) == ["ok", "insufficient_funds", "insufficient_funds", "insufficient_funds"]
    assert [outcome.order.id for outcome in outcomes if isinstance(outcome, intake.Placed)] == [Order.objects.get().id]
    assert balance(account, "USD") == (130, 220)


def test_order_of_an_account_that_does_not_exist_is_refused_and_shifts_no_answers():
    make_market()
    account = make_trader(funds={"USD": "100"})

    outcomes = intake.place_many([(999_999, make_request()), (account.id, make_request())])

    assert codes(outcomes) == ["not_found", "ok"]


def test_batch_reads_current_rules_once_however_many_orders_break_them(monkeypatch):
    make_market()
    account = make_trader(funds={"USD": "1000"})
    current_rules, read = intake.current_rules, []
    monkeypatch.setattr(intake, "current_rules", lambda known: read.append(known) or current_rules(known))

    outcomes = intake.place(account.id, [make_request(price="1.001"), make_request(), make_request(price="1.002")])

    assert codes(outcomes) == ["price_off_tick", "ok", "price_off_tick"]
    assert len(read) == 1
    assert Order.objects.count() == Command.objects.count() == 1


@pytest.mark.parametrize("price", ["5.00", "5.001"])
def test_rules_that_have_changed_take_away_no_market_that_this_process_knows(price, django_assert_num_queries):
    changed, other = make_market(), make_market("ETH/USD", tick_size="0.01")
    account = make_trader(funds={"USD": "1000"})
    for market in (changed, other):
        rules.rules_of_market(market.id)
    Market.objects.update(min_quantity=Decimal("0.5"))

    intake.place(account.id, [make_request(price=price)])

    with django_assert_num_queries(0):
        assert rules.rules_of_market(changed.id).min_quantity == Decimal("0.5")
        assert rules.rules_of_market(other.id).market_id == other.id


@pytest.mark.django_db(transaction=True)
def test_place_in_the_journal_that_is_taken_fails_the_batch_and_leaves_nothing():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    (first,) = intake.place(account.id, [make_request()])

    with pytest.raises(IntegrityError, match="commands_pkey"):
        intake.place_many([(account.id, make_request(client_order_id="my-1"))], [first.command_id])

    assert Order.objects.count() == Command.objects.count() == 1
    assert balance(account, "USD") == (900, 100)


def test_reserved_places_are_in_order_and_nobody_else_gets_them():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)

    low, high = changes.journal_positions(2)
    (placed,) = intake.place(account.id, [make_request()])
    (canceled,) = changes.ask_cancels([(account.id, order.id)], [high])
    (outcome,) = intake.place_many([(account.id, make_request())], [low])

    assert (outcome.command_id, canceled) == (low, high)
    assert low < high < placed.command_id
    assert Command.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_orders_at_once_never_hold_more_than_there_is():
    make_market()
    account = make_trader(funds={"USD": "1000"})

    outcomes = at_once([lambda: intake.place(account.id, [make_request()] * 3) for _ in range(6)])

    assert sum(codes(each).count("ok") for each in outcomes) == 10
    assert Order.objects.count() == Command.objects.count() == 10
    assert balance(account, "USD") == (0, 1000)


# -- rules that change --------------------------------------------------------------------------------


def test_rule_tightened_behind_the_cache_holds_at_once():
    market = make_market()
    account = make_trader(funds={"USD": "1000"})
    place_order(account)
    Market.objects.filter(id=market.id).update(min_quantity=Decimal(2))

    assert refused(account)[0] == "below_min_quantity"


def test_rule_loosened_behind_the_cache_holds_at_once():
    market = make_market(min_quantity=Decimal(2))
    account = make_trader(funds={"USD": "1000"})
    refused(account)
    Market.objects.filter(id=market.id).update(min_quantity=Decimal(1))

    place_order(account)


# -- one round trip, test orders ----------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "fields", [{}, {"client_order_id": "my-1"}, {"order_type": "Market", "quote_quantity": "10"}, STOP]
)
def test_single_order_costs_one_query(django_assert_num_queries, fields):
    make_market(reference_price=Decimal(100))
    account = make_trader(funds={"USD": "1000"})
    place_order(account)

    with django_assert_num_queries(1):
        place_order(account, **fields)


@pytest.mark.django_db(transaction=True)
def test_batch_costs_one_query_however_long(django_assert_num_queries):
    make_market()
    account = make_trader(funds={"USD": "100000"})
    place_order(account)

    with django_assert_num_queries(1):
        intake.place(account.id, [make_request()] * 100)


def test_test_order_tells_what_would_be_held_and_leaves_nothing():
    make_market(taker_fee=Decimal("0.002"))
    account = make_trader(funds={"USD": "1000"})

    tested = intake.rehearse(account.id, make_request(client_order_id="my-1"))

    assert (tested.order.held_amount, tested.order.taker_fee) == (100, Decimal("0.002"))
    assert (Order.objects.count(), Command.objects.count()) == (0, 0)
    assert balance(account, "USD") == (1000, 0)


def test_test_order_is_refused_as_the_order_would_be():
    make_market()

    with pytest.raises(DomainError) as caught:
        intake.rehearse(make_trader().id, make_request())

    assert caught.value.code == "insufficient_funds"


# -- what the tests above share -----------------------------------------------------------------------


def balance(account, code):
    """Return an account's available and held of an asset."""
    return Balance.objects.values_list("available", "held").get(account=account, asset__code=code)


def refused(account, **fields):
    """Place what must be refused; returns code, field, limit and value of its one fault."""
    with pytest.raises(DomainError) as caught:
        place_order(account, **fields)
    (fault,) = caught.value.errors
    assert caught.value.code == fault.code
    return fault.code, fault.field, fault.limit, fault.value


def codes(outcomes):
    """Return "ok" or the refusal's code of each outcome."""
    return [outcome.code if isinstance(outcome, DomainError) else "ok" for outcome in outcomes]


def before_call(monkeypatch, number, rival):
    """Let a rival act just before intake brings its statement to the database for the n-th time."""
    execute, calls = intake.execute, []

    def execute_after_rival(candidates):
        calls.append(None)
        if len(calls) == number:
            rival()
        return execute(candidates)

    monkeypatch.setattr(intake, "execute", execute_after_rival)
