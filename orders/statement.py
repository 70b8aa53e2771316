"""Run the statement that judges, holds and writes: orders/sql/place.sql, one row in and one row out an order.

The law: one round trip, whatever the number of orders; alone, it is its own commit.
What the rows mean is orders/intake.py's and orders/refusals.py's; the hold inside is the ledger's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.ledger import HOLD_FUNDS
from accounts.numbers import from_units, to_units
from accounts.prepared import Prepared
from accounts.times import to_microseconds
from orders.journal import FEE_RATE_SCALE
from orders.requests import NewOrder
from orders.rules import MarketRules, limit_hold
from orders.terms import OrderType, SelfTradePrevention, Side, phases_taking

ATTEMPTS = 5
_PLACE = Prepared(
    "place_orders",
    ("jsonb",),
    (Path(__file__).parent / "sql" / "place.sql").read_text().replace("{hold_funds}", HOLD_FUNDS.strip()),
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order that its market's settings allow, on its way to the database."""

    n: int
    position: int | None
    account_id: int
    order: NewOrder
    rules: MarketRules
    expires_at: datetime | None

    def phases(self) -> list[str]:
        """List the phases in which the market takes such an order."""
        order = self.order
        return [str(phase) for phase in phases_taking(order.order_type, order.time_in_force, post_only=order.post_only)]


class Row(msgspec.Struct, frozen=True):
    """What the statement says of one order, in its columns' order."""

    n: int
    decision: str | None
    existing_id: int | None
    existing_digest: str | None
    phase: str
    reference: Decimal | None
    base_price: Decimal | None
    band_low: Decimal | None
    band_high: Decimal | None
    open_limit: int | None
    open_now: int | None
    available: Decimal | None
    order_id: int | None
    command_id: int | None
    maker_fee: Decimal | None
    taker_fee: Decimal | None
    held_amount: Decimal | None
    worst_price: Decimal | None
    created_at: Any


def execute(candidates: Sequence[Candidate]) -> list[Row]:
    """Run the statement; once more where an equal client order id was committed beside it."""
    text = msgspec.json.encode([_input(candidate) for candidate in candidates]).decode()
    may_repeat = any(candidate.order.client_order_id is not None for candidate in candidates)
    for attempt in range(ATTEMPTS):  # pragma: no branch  the last attempt returns or raises
        try:
            # Inside somebody's transaction a savepoint keeps a lost race from spoiling it; alone, the statement commits itself.
            if may_repeat and connection.in_atomic_block:
                with transaction.atomic():
                    return _run(text)
            return _run(text)
        except IntegrityError as error:
            if attempt == ATTEMPTS - 1 or _constraint(error) != "orders_client_order_id":
                raise
    raise AssertionError("unreachable")  # pragma: no cover  as said above


def _run(text: str) -> list[Row]:
    return [Row(*row) for row in _PLACE.rows(text)]


def _constraint(error: DatabaseError) -> str | None:
    diagnostics = getattr(error.__cause__, "diag", None)
    return getattr(diagnostics, "constraint_name", None)


def _input(candidate: Candidate) -> dict[str, Any]:
    """Lay a candidate out as place.sql reads it. What only the moment decides is added to the payload there."""
    order, rules = candidate.order, candidate.rules
    buys = order.side is Side.BUY
    hold = limit_hold(order, rules)
    fields = {
        "n": candidate.n,
        "position": candidate.position,
        "account_id": candidate.account_id,
        "market_id": rules.market_id,
        "rules_version": rules.version,
        "client_order_id": order.client_order_id,
        "request_digest": order.digest().hex() if order.client_order_id is not None else None,
        "side": order.side,
        "order_type": order.order_type,
        "time_in_force": order.time_in_force,
        "post_only": order.post_only,
        "self_trade_prevention": order.self_trade_prevention,
        "phases": candidate.phases(),
        "price": order.price,
        "quantity": order.quantity,
        "quote_quantity": order.quote_quantity,
        "lots": None if order.quantity is None else rules.lots(order.quantity),
        "tick_lot_units": rules.tick_lot_units,
        "hold_asset_id": rules.quote_id if buys else rules.base_id,
        "receive_asset_id": rules.base_id if buys else rules.quote_id,
        "hold_units": hold,
        "hold_unit": from_units(1, rules.quote_scale if buys else rules.base_scale),
        "payload": _payload(candidate, hold),
    }
    # Most orders have none of these: what is not there costs nothing to read.
    rarer = {
        "stop_price": order.stop_price,
        "trailing_offset": order.trailing_offset,
        "display_quantity": order.display_quantity,
        "expires_at": candidate.expires_at,
        "market_maker_protection": order.market_maker_protection or None,
    }
    return fields | {name: value for name, value in rarer.items() if value is not None}


def _payload(candidate: Candidate, hold: int | None) -> dict[str, Any]:
    """Write what is known of the command's payload (orders/journal.py, NewPayload): defaults are left out."""
    order, rules = candidate.order, candidate.rules
    payload: dict[str, Any] = {"side": order.side, "type": order.order_type, "tif": order.time_in_force}
    if order.quantity is not None:
        payload["quantity"] = rules.lots(order.quantity)
    if order.quote_quantity is not None:
        assert hold is not None
        payload["budget"] = hold // rules.tick_lot_units
    if order.post_only:
        payload["post_only"] = True
    if order.self_trade_prevention is not SelfTradePrevention.CANCEL_NEWEST:
        payload["stp"] = order.self_trade_prevention
    if order.stop_price is not None:
        payload["stop"] = rules.ticks(order.stop_price)
    if order.order_type is OrderType.TRAILING_STOP:
        payload["trail"] = order.trailing_offset
        payload["protection"] = to_units(rules.protection_band, FEE_RATE_SCALE)
    if order.display_quantity is not None:
        payload["display"] = rules.lots(order.display_quantity)
    if candidate.expires_at is not None:
        payload["expires"] = to_microseconds(candidate.expires_at)
    if order.market_maker_protection:
        payload["mmp"] = True
    return payload
