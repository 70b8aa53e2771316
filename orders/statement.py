"""Run the statement that judges, holds and writes: orders/sql/place.sql, one row in and one row out an order.

The law: one round trip, whatever the number of orders; alone, it is its own commit.
What the rows mean is orders/intake.py's and orders/refusals.py's; the hold inside is the ledger's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from weakref import WeakSet

import msgspec
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.ledger import HOLD_FUNDS
from accounts.numbers import from_units
from orders.requests import NewOrder
from orders.rules import MarketRules, limit_hold
from orders.terms import Side

ATTEMPTS = 5
_PLACE = (Path(__file__).parent / "sql" / "place.sql").read_text().replace("{hold_funds}", HOLD_FUNDS.strip())


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order that its market's settings allow, on its way to the database."""

    n: int
    position: int | None
    account_id: int
    order: NewOrder
    rules: MarketRules


class Row(msgspec.Struct, frozen=True):
    """What the statement says of one order, in its columns' order."""

    n: int
    decision: str | None
    existing_id: int | None
    existing_digest: str | None
    phase: str
    reference: Decimal | None
    market_price: Decimal | None
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


_prepared_on: WeakSet[Any] = WeakSet()


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
    connection.ensure_connection()
    with connection.cursor() as cursor:
        # Prepared once a connection: planning it takes longer than running it.
        if connection.connection not in _prepared_on:
            cursor.execute(f"PREPARE place_orders (jsonb) AS {_PLACE}")
            _prepared_on.add(connection.connection)
        cursor.execute("EXECUTE place_orders (%s)", [text])
        return [Row(*row) for row in cursor.fetchall()]


def _constraint(error: DatabaseError) -> str | None:
    diagnostics = getattr(error.__cause__, "diag", None)
    return getattr(diagnostics, "constraint_name", None)


def _input(candidate: Candidate) -> dict[str, Any]:
    """Lay a candidate out as place.sql reads it. What only the moment decides is added to the payload there."""
    order, rules = candidate.order, candidate.rules
    buys = order.side is Side.BUY
    lots = None if order.quantity is None else rules.lots(order.quantity)
    payload: dict[str, Any] = {"side": order.side, "type": order.order_type, "tif": order.time_in_force}
    if lots is not None:
        payload["quantity"] = lots
    hold = limit_hold(order, rules)
    if order.quote_quantity is not None:
        assert hold is not None
        payload["budget"] = hold // rules.tick_lot_units
    if order.post_only:
        payload["post_only"] = True
    return {
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
        "price": order.price,
        "quantity": order.quantity,
        "quote_quantity": order.quote_quantity,
        "lots": lots,
        "tick_lot_units": rules.tick_lot_units,
        "hold_asset_id": rules.quote_id if buys else rules.base_id,
        "receive_asset_id": rules.base_id if buys else rules.quote_id,
        "hold_units": hold,
        "hold_unit": from_units(1, rules.quote_scale if buys else rules.base_scale),
        "payload": payload,
    }
