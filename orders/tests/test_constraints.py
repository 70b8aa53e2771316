"""Attack the rules of markets, orders and the journal in the database."""

from collections.abc import Callable
from datetime import time
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from accounts.models import Account, Asset
from accounts.tests.attacks import NAN, refuse_all, triggers_off, truncate, unattacked
from accounts.tests.builders import make_trader
from orders.intake import Placed, place
from orders.models import Command, FeeRate, LeaseSweep, Market, MarketMakerProtection, MarketState, Order
from orders.requests import read_new_order
from orders.tests.builders import make_market

pytestmark = pytest.mark.django_db

ORDERS = Order.objects.filter(quote_quantity__isnull=True)
BY_QUOTE = Order.objects.filter(quote_quantity__isnull=False)
USED = Market.objects.filter(symbol="BTC/USD")
UNUSED = Market.objects.filter(symbol="ETH/USD")
STATES = MarketState.objects.all()
ENDED = {"status": "Canceled", "reason": "user_request", "held_amount": 0, "remaining_quantity": 0}
PARTLY = {
    "status": "PartiallyFilled",
    "filled_quantity": Decimal("0.5"),
    "filled_quote": 1,
    "remaining_quantity": Decimal("0.5"),
}
FILLED = PARTLY | {"status": "Filled", "remaining_quantity": 0, "held_amount": 0}
BY_PROTECTION = {"price": None, "protection_price": 1}
STOP = BY_PROTECTION | {"order_type": "StopMarket", "stop_price": 1, "status": "PendingTrigger"}
TRAILING = STOP | {"order_type": "TrailingStop", "trailing_offset": 1}
FIRST_IN_LINE = {"priority_sequence": 1, "priority_ordinal": 0}
CALL = {"phase": "Auction", "indicative_price": 1, "indicative_quantity": 1, "indicative_surplus": -1}
TAKEN = {"sequence": 1, "events": [], "processed_at": Now()}
FEES = {"maker_fee": 0, "taker_fee": 0}


@pytest.fixture(autouse=True)
def _venue() -> None:
    """A market with an open limit order and a market order by quote quantity, and one that is unused."""
    make_market("BTC/USD", reference_price=Decimal(50000))
    make_market("ETH/USD")
    trader = make_trader(funds={"USD": "1000000"})
    limit = {"order_type": "Limit", "price": "50000", "quantity": "1", "client_order_id": "one"}
    for body in (limit, {"order_type": "Market", "quote_quantity": "100", "client_order_id": "two"}):
        (outcome,) = place(trader.id, [read_new_order({"symbol": "BTC/USD", "side": "Buy", **body})])
        assert isinstance(outcome, Placed)


def _asset(code: str) -> Asset:
    return Asset.objects.get(code=code)


def _fee_rate(**scope: Any) -> FeeRate:
    return FeeRate.objects.create(**(FEES | scope))


def _twice(attack: Callable[[], object]) -> None:
    attack()
    attack()


def _past_triggers(attack: Callable[[], object]) -> None:
    with triggers_off():
        attack()


def _then(first: Callable[[], object], attack: Callable[[], object]) -> None:
    first()
    attack()


def _delete_all(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table}")  # noqa: S608  a constant below


def _order(**changes: Any) -> Order:
    """Insert the limit order once more, with changes."""
    order = ORDERS.get()
    order.id = None
    for name, value in changes.items():
        setattr(order, name, value)
    order.save(force_insert=True)
    return order


def _command(**changes: Any) -> Command:
    order = ORDERS.get()
    return Command.objects.create(
        **({"market": USED.get(), "order": order, "account": order.account, "payload": {}} | changes)
    )


def _protection(**changes: Any) -> MarketMakerProtection:
    limits = {"account": _trader(), "market": USED.get(), "window_ms": 1, "quantity_limit": 1}
    return MarketMakerProtection.objects.create(**(limits | changes))


def _market_without_state() -> Market:
    with triggers_off():
        market = make_market("ETH/BTC")
        MarketState.objects.filter(market=market).delete()
    return market


def _trader() -> Account:
    return Account.objects.get(kind="trader")


ATTACKS: list[tuple[str, Callable[[], object]]] = [
    ("markets_base_quote", lambda: UNUSED.update(base=_asset("BTC"))),
    ("markets_two_assets", lambda: UNUSED.update(base=_asset("USD"))),
    ("markets_tick_positive", lambda: UNUSED.update(tick_size=0)),
    ("markets_lot_positive", lambda: UNUSED.update(lot_size=-1)),
    *[
        ("markets_fees", lambda name=name, value=value: USED.update(**{name: value}))
        for name in ("maker_fee", "taker_fee")
        for value in (Decimal("-0.001"), 1)
    ],
    ("markets_bands", lambda: USED.update(protection_band=1)),
    ("markets_bands", lambda: USED.update(protection_band=Decimal("-0.1"))),
    *[
        ("markets_bands", lambda name=name, value=value: USED.update(**{name: value}))
        for name in ("price_band", "volatility_band", "auction_band")
        for value in (0, 1)
    ],
    *[
        ("markets_hours", lambda hours=hours: USED.update(opens_at=hours[0], closes_at=hours[1]))
        for hours in ((time(9), None), (None, time(9)), (time(9), time(9)))
    ],
    *[
        ("markets_limits", lambda name=name: USED.update(**{name: 0}))
        for name in ("min_quantity", "max_quantity", "min_notional", "reference_price")
    ],
    ("markets_min_within_max", lambda: USED.update(min_quantity=2, max_quantity=1)),
    ("markets_fix_tick", lambda: USED.update(tick_size=Decimal("0.1"))),
    ("markets_fix_tick", lambda: USED.update(lot_size=1)),
    ("markets_fix_tick", lambda: USED.update(base=_asset("ETH"))),
    ("market_states_phase", lambda: STATES.update(phase="Lunch")),
    ("market_states_sequence", lambda: _past_triggers(lambda: STATES.update(last_sequence=-1))),
    ("market_states_not_crossed", lambda: STATES.update(best_bid=2, best_ask=1)),
    ("market_states_not_crossed", lambda: STATES.update(best_bid=1, best_ask=1)),
    ("market_states_not_crossed", lambda: STATES.update(phase="PostOnly", best_bid=1, best_ask=1)),
    *[
        ("market_states_call", lambda changes=changes: STATES.update(**(changes | {"phase": "Halted"})))
        for changes in (CALL, {"call_ends_at": Now()}, {"call_extensions": 1})
    ],
    ("market_states_extensions", lambda: STATES.update(phase="Auction", call_extensions=4)),
    *[
        ("market_states_indicative", lambda changes=changes: STATES.update(**(CALL | changes)))
        for changes in (
            {"indicative_price": None}, {"indicative_quantity": None}, {"indicative_surplus": None},
            {"indicative_price": 0}, {"indicative_quantity": 0},
        )
    ],
    *[
        ("market_states_numbers", lambda name=name: STATES.update(**(CALL | {name: NAN})))
        for name in (
            "last_price", "last_auction_price", "best_bid", "best_ask", "indicative_price", "indicative_quantity",
            "indicative_surplus",
        )
    ],
    *[
        ("market_states_prices_positive", lambda name=name: STATES.update(**{name: 0}))
        for name in ("last_price", "last_auction_price", "best_bid", "best_ask")
    ],
    ("market_states_only_advance", lambda: _then(lambda: STATES.update(last_sequence=2), lambda: STATES.update(last_sequence=1))),
    ("market_states_only_advance", lambda: STATES.filter(market=USED.get()).update(market=_market_without_state())),
    ("market_states_stay", lambda: _delete_all("market_states")),
    ("market_states_are_not_truncated", lambda: truncate("market_states")),
    ("fee_rates_scope", lambda: _twice(lambda: _fee_rate(tier=1))),
    ("fee_rates_scope", lambda: _twice(lambda: _fee_rate(account=_trader(), market=USED.get()))),
    ("fee_rates_account_or_tier", _fee_rate),
    ("fee_rates_account_or_tier", lambda: _fee_rate(account=_trader())),
    ("fee_rates_account_or_tier", lambda: _fee_rate(account=_trader(), tier=1, market=USED.get())),
    ("fee_rates_range", lambda: _fee_rate(tier=1, maker_fee=1)),
    ("fee_rates_range", lambda: _fee_rate(tier=1, taker_fee=Decimal("-0.1"))),
    ("orders_client_order_id", _order),
    ("orders_side", lambda: _order(side="Hold", client_order_id="three")),
    *[
        ("orders_terms", lambda name=name: _order(**{name: "None", "client_order_id": "three"}))
        for name in ("order_type", "time_in_force", "self_trade_prevention")
    ],
    *[
        ("orders_price", lambda changes=changes: _order(client_order_id="three", **changes))
        for changes in (
            {"price": None},
            {"price": 0},
            {"protection_price": 1},
            {"order_type": "Market"},
            {"order_type": "Market", "price": None},
            {"order_type": "Market", "price": None, "protection_price": 0},
            STOP | {"price": 1},
            STOP | {"protection_price": None},
            STOP | {"order_type": "TakeProfitLimit"},
        )
    ],
    *[
        ("orders_time_in_force", lambda changes=changes: _order(client_order_id="three", **changes))
        for changes in (
            BY_PROTECTION | {"order_type": "Market"},
            STOP | {"time_in_force": "FOK"},
            {"order_type": "StopLimit", "stop_price": 1, "time_in_force": "AuctionOnly"},
            {"post_only": True, "time_in_force": "IOC"},
            STOP | {"post_only": True},
        )
    ],
    *[
        ("orders_stop", lambda changes=changes: _order(client_order_id="three", **changes))
        for changes in (
            {"stop_price": 1},
            {"trailing_offset": 1},
            STOP | {"stop_price": None, "status": "New"},
            STOP | {"stop_price": 0},
            STOP | {"trailing_offset": 1},
            TRAILING | {"trailing_offset": None, "status": "New"},
            TRAILING | {"trailing_offset": 0},
            TRAILING | {"trailing_offset": 10_000},
            TRAILING | {"stop_price": 0},
        )
    ],
    *[
        ("orders_display", lambda changes=changes: _order(client_order_id="three", **changes))
        for changes in (
            {"display_quantity": 0},
            {"display_quantity": 1, "time_in_force": "IOC"},
            STOP | {"display_quantity": 1},
        )
    ],
    *[
        ("orders_expiry", lambda changes=changes: _order(client_order_id="three", **changes))
        for changes in ({"time_in_force": "GTD"}, {"time_in_force": "DAY"}, {"expires_at": Now()})
    ],
    ("orders_extreme", lambda: ORDERS.update(extreme_price=1)),
    ("orders_extreme", lambda: _order(client_order_id="three", **TRAILING, extreme_price=0)),
    ("orders_awaiting", lambda: ORDERS.update(status="PendingTrigger")),
    ("orders_awaiting", lambda: _order(client_order_id="three", **STOP, prevented_quantity=1, remaining_quantity=0)),
    ("orders_prevented_within", lambda: ORDERS.update(prevented_quantity=-1)),
    ("orders_prevented_within", lambda: ORDERS.update(prevented_quantity=2)),
    ("orders_filled_is_whole", lambda: ORDERS.update(**FILLED)),
    *[
        ("orders_visible", lambda changes=changes: ORDERS.update(**(FIRST_IN_LINE | changes)))
        for changes in (
            {"visible_quantity": 1, "priority_sequence": None, "priority_ordinal": None},
            {"visible_quantity": 0},
            {"visible_quantity": 2},
            ENDED | {"visible_quantity": 0},
        )
    ],
    ("orders_visible", lambda: BY_QUOTE.update(**FIRST_IN_LINE, visible_quantity=1)),
    ("orders_visible", lambda: _order(client_order_id="three", **STOP, **FIRST_IN_LINE, visible_quantity=1)),
    ("orders_ended_sequence", lambda: ORDERS.update(ended_sequence=1)),
    ("orders_ended_sequence", lambda: ORDERS.update(**ENDED, ended_sequence=0)),
    *[
        ("orders_fees", lambda name=name, value=value: _order(client_order_id="three", **{name: value}))
        for name in ("maker_fee", "taker_fee")
        for value in (Decimal("-0.001"), 1)
    ],
    ("orders_digest_with_client_order_id", lambda: _order(client_order_id=None)),
    ("orders_digest_with_client_order_id", lambda: _order(client_order_id="three", request_digest=None)),
    *[
        ("orders_status_says_filled", lambda changes=changes: ORDERS.update(**changes))
        for changes in (
            PARTLY | {"status": "New"},
            PARTLY | {"filled_quote": 0},
            {"status": "PartiallyFilled"},
            ENDED | {"status": "Filled", "reason": None, "prevented_quantity": 1},
            ENDED | {"status": "Rejected", "filled_quantity": 1, "filled_quote": 1},
            ENDED | {"filled_quantity": 1},
            ENDED | {"filled_quote": 1},
        )
    ],
    (
        "orders_status_says_filled",
        lambda: _order(client_order_id="three", **(PARTLY | STOP)),
    ),
    *[
        ("orders_priority", lambda number=number: ORDERS.update(priority_sequence=number[0], priority_ordinal=number[1]))
        for number in ((1, None), (None, 0), (0, 0), (1, -1))
    ],
    *[
        ("orders_keep_what_was_asked", lambda name=name, value=value: ORDERS.update(**{name: value}))
        for name, value in (
            ("id", 1), ("account_id", 1), ("market_id", 0), ("client_order_id", "three"), ("request_digest", b"1"),
            ("side", "Sell"), ("order_type", "Market"), ("time_in_force", "IOC"), ("post_only", True),
            ("self_trade_prevention", "None"), ("market_maker_protection", True), ("stop_price", 1), ("trailing_offset", 1),
            ("quote_quantity", 1), ("display_quantity", 1), ("expires_at", Now()), ("maker_fee", Decimal("0.1")), ("taker_fee", Decimal("0.1")), ("created_at", Now()),
        )
    ],
    ("orders_are_not_truncated", lambda: truncate("orders")),
    ("orders_status", lambda: ORDERS.update(**(ENDED | {"status": "Lost"}))),
    ("orders_one_size", lambda: ORDERS.update(quantity=None, remaining_quantity=None)),
    ("orders_one_size", lambda: _order(client_order_id="three", quote_quantity=1)),
    ("orders_one_size", lambda: _order(client_order_id="three", quote_quantity=0, quantity=None, remaining_quantity=None)),
    *[
        ("orders_one_size", lambda changes=changes: _order(
            client_order_id="three", quantity=None, remaining_quantity=None, quote_quantity=1, **changes
        ))
        for changes in ({}, STOP, BY_PROTECTION | {"order_type": "Market", "time_in_force": "IOC", "side": "Sell"})
    ],
    ("orders_filled_within", lambda: ORDERS.update(filled_quantity=2, remaining_quantity=0)),
    ("orders_filled_within", lambda: ORDERS.update(filled_quantity=-1)),
    ("orders_filled_within", lambda: ORDERS.update(filled_quote=-1)),
    ("orders_filled_within", lambda: BY_QUOTE.update(filled_quote=101)),
    ("orders_remaining_within", lambda: ORDERS.update(remaining_quantity=-1)),
    ("orders_remaining_within", lambda: ORDERS.update(filled_quantity=Decimal("0.5"))),
    ("orders_remaining_within", lambda: ORDERS.update(remaining_quantity=None)),
    ("orders_remaining_within", lambda: BY_QUOTE.update(remaining_quantity=1)),
    ("orders_ended_holds_nothing", lambda: ORDERS.update(**(ENDED | {"held_amount": 1}))),
    ("orders_ended_holds_nothing", lambda: ORDERS.update(**(ENDED | {"remaining_quantity": 1}))),
    ("orders_held_not_negative", lambda: ORDERS.update(held_amount=-1)),
    ("orders_remaining_within", lambda: ORDERS.update(prevented_quantity=Decimal("0.5"))),
    ("orders_numbers", lambda: ORDERS.update(held_amount=NAN)),
    *[
        ("orders_numbers", lambda name=name: _order(client_order_id="three", **(TRAILING | {name: NAN})))
        for name in ("stop_price", "extreme_price")
    ],
    ("orders_numbers", lambda: _order(client_order_id="three", display_quantity=NAN)),
    ("orders_reason", lambda: ORDERS.update(reason="user_request")),
    ("orders_reason", lambda: ORDERS.update(**(ENDED | {"reason": None}))),
    ("ended_orders_are_final", lambda: _then(lambda: ORDERS.update(**ENDED), lambda: ORDERS.update(status="New"))),
    ("ended_orders_are_final", lambda: _then(lambda: ORDERS.update(**ENDED), lambda: ORDERS.update(post_only=True))),
    ("orders_stay", lambda: _delete_all("orders")),
    ("commands_kind", lambda: Command.objects.create(market=USED.get(), kind="rewind", payload={})),
    *[
        ("commands_name_their_order", lambda changes=changes: _command(**changes))
        for changes in (
            {"kind": "new", "account": None},
            *({"kind": kind, "order": None} for kind in ("new", "cancel", "reduce", "amend", "trigger")),
            *({"kind": kind, "account": None} for kind in ("phase", "rules", "expire", "cancel_all")),
            *({"kind": kind, "order": None} for kind in ("phase", "rules", "expire")),
            {"kind": "protect"},
            {"kind": "protect", "order": None, "account": None},
        )
    ],
    ("commands_are_not_truncated", lambda: truncate("commands")),
    ("commands_sequence", lambda: Command.objects.update(**TAKEN)),
    ("commands_sequence_positive", lambda: Command.objects.update(**(TAKEN | {"sequence": 0}))),
    *[
        ("commands_events_with_sequence", lambda name=name: Command.objects.update(**(TAKEN | {name: None})))
        for name in TAKEN
    ],
    ("commands_are_final", lambda: Command.objects.update(payload={})),
    ("commands_are_final", lambda: Command.objects.update(kind="cancel")),
    ("commands_are_final", lambda: Command.objects.update(accepted_at=Now())),
    ("commands_are_final", lambda: Command.objects.update(market=UNUSED.get())),
    ("commands_are_final", lambda: Command.objects.update(order=None)),
    ("commands_are_final", lambda: _twice(lambda: Command.objects.filter(order__in=ORDERS).update(**TAKEN))),
    ("commands_stay", lambda: _delete_all("commands")),
    ("lease_sweeps_one", lambda: LeaseSweep.objects.create(id=2, swept_at=Now())),
    ("market_maker_protections_scope", lambda: _twice(_protection)),
    ("market_maker_protections_limits", lambda: _protection(window_ms=0)),
    ("market_maker_protections_limits", lambda: _protection(quantity_limit=0)),
    ("market_maker_protections_numbers", lambda: _protection(quantity_limit=NAN)),
    *[
        ("market_maker_protections_tripped", lambda changes=changes: _protection(**changes))
        for changes in (
            {"tripped_at": Now()}, {"tripped_sequence": 1}, {"tripped_at": Now(), "tripped_sequence": 0},
        )
    ],
]  # fmt: skip
SAID = {
    "markets_fix_tick": "fixed since its first order",
    "orders_status": "orders_status|orders_reason",  # a status that nobody knows breaks both
    "ended_orders_are_final": "in orders: its rows are final",
    "orders_terms": "orders_terms|orders_price",  # of a type that nobody knows, no price is right
    "orders_keep_what_was_asked": "in orders: its rows are final",
    "orders_stay": "in orders: its rows are final",
    "commands_are_final": "in commands: its rows are final",
    "commands_stay": "in commands: its rows are final",
    "market_states_only_advance": "its sequence only grows",
    "market_states_stay": "its sequence only grows",
    **{
        f"{table}_are_not_truncated": f"TRUNCATE of {table}: its rows stay"
        for table in ("orders", "commands", "market_states")
    },
}
"""What is said instead of the rule's name."""


def test_the_database_refuses(subtests: pytest.Subtests) -> None:
    refuse_all(subtests, ATTACKS, lambda rule: SAID.get(rule, f'"{rule}"'))


def test_every_rule_is_attacked() -> None:
    changes_instead = {"markets_mark_rules_changed"}
    assert unattacked("orders", [rule for rule, _ in ATTACKS]) == changes_instead


@pytest.mark.parametrize("change", [{"maker_fee": Decimal("0.1")}, {"rules_version": 1}])
def test_any_change_of_a_market_raises_its_rules_version(change: dict[str, Any]) -> None:
    before = USED.get().rules_version
    USED.update(**change)
    assert USED.get().rules_version == before + 1


def test_an_unused_market_may_change_its_tick() -> None:
    UNUSED.update(tick_size=Decimal("0.1"))
    assert UNUSED.get().tick_size == Decimal("0.1")


def test_a_call_may_cross_and_says_what_would_come_of_it() -> None:
    assert STATES.update(**CALL, best_bid=2, best_ask=1, call_ends_at=Now(), call_extensions=3) == 2


@pytest.mark.parametrize("terms", [STOP, TRAILING, TRAILING | {"stop_price": None, "extreme_price": 1}])
def test_a_stop_waits_and_is_open_until_it_ends(terms: dict[str, Any]) -> None:
    stop = Order.objects.filter(id=_order(client_order_id="three", **terms).id)

    stop.update(**FIRST_IN_LINE)
    stop.update(status="New", protection_price=2)
    stop.update(**ENDED, ended_sequence=1)

    assert stop.get().status == "Canceled"


def test_an_amend_changes_price_and_quantity() -> None:
    assert ORDERS.update(price=2, quantity=3, remaining_quantity=3) == 1


def test_an_order_may_be_filled_with_a_part_of_it_prevented() -> None:
    ORDERS.update(**FILLED, prevented_quantity=Decimal("0.5"), ended_sequence=1)
    assert ORDERS.get().status == "Filled"
