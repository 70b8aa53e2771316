"""Write the table of docs/ORDERS.md, as the engine and order intake have it.

The law: a cell is what the engine does with a Buy where the other side has nothing, a part, or all of it; which orders there are is
what intake reads. Nothing here knows the rules.
"""

import re
from itertools import product
from pathlib import Path
from typing import Any

from accounts.errors import DomainError
from orders.requests import read_new_order
from orders.terms import LIMIT_TYPES, STOP_TYPES, OrderType, Phase, Side, TimeInForce
from trading.engine.commands import NewOrder, SetPhase
from trading.engine.engine import Engine

DOCUMENT = Path(__file__).parents[2] / "docs" / "ORDERS.md"
PHASES = {"Continuous": Phase.CONTINUOUS, "PreOpen, Auction": Phase.AUCTION, "PostOnly": Phase.POST_ONLY}
NO_ORDERS = (Phase.CANCEL_ONLY, Phase.HALTED, Phase.CLOSED)
_PRICE, _LOTS = 100, 8
_BETWEEN = re.compile(r"(<!-- table -->\n).*?(<!-- /table -->)", re.DOTALL)


def table() -> str:
    """Make the table."""
    lines = [f"| order | {' | '.join(PHASES)} |", "|---|" + "---|" * len(PHASES)]
    for order_type, time, post_only in product(
        (OrderType.LIMIT, OrderType.MARKET, *STOP_TYPES), TimeInForce, (False, True)
    ):
        if _is_read(order_type, time, post_only):
            name = f"{order_type} {time}" + (" post-only" if post_only else "")
            cells = (_cell(order_type, time, post_only, phase) for phase in PHASES.values())
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def taken_in(phase: Phase) -> bool:
    """Tell whether a phase takes any order at all."""
    return any(
        _cell(order_type, time, post_only, phase) != "refused"
        for order_type, time, post_only in product(OrderType, TimeInForce, (False, True))
        if _is_read(order_type, time, post_only)
    )


def document_with(table_text: str) -> str:
    """Return the document with this table in it."""
    return _BETWEEN.sub(lambda found: found[1] + table_text + found[2], DOCUMENT.read_text())


def _is_read(order_type: OrderType, time: TimeInForce, post_only: bool) -> bool:
    """Tell whether intake takes the combination for an order at all."""
    body: dict[str, Any] = {"symbol": "BTC/USD", "side": "Buy", "order_type": str(order_type), "quantity": "1"}
    body |= {"time_in_force": str(time), "post_only": post_only}
    if order_type in LIMIT_TYPES:
        body["price"] = "100"
    if order_type is OrderType.TRAILING_STOP:
        body["trailing_offset"] = 100
    elif order_type in STOP_TYPES:
        body["stop_price"] = "100"
    if time is TimeInForce.GTD:
        body["expires_at"] = "2100-01-01T00:00:00Z"
    try:
        read_new_order(body)
    except DomainError:
        return False
    return True


def _cell(order_type: OrderType, time: TimeInForce, post_only: bool, phase: Phase) -> str:
    outcomes = [_outcome(order_type, time, post_only, phase, other) for other in (0, _LOTS // 2, _LOTS)]
    return outcomes[0] if len(set(outcomes)) == 1 else " · ".join(outcomes)


def _outcome(order_type: OrderType, time: TimeInForce, post_only: bool, phase: Phase, other: int) -> str:
    """Tell what comes of an order against so many lots of the other side."""
    engine = Engine()
    if other:
        engine.apply(1, NewOrder(1, 1, Side.SELL, _PRICE, other))
    if phase is not Phase.CONTINUOUS:
        engine.apply(2, SetPhase(phase))
    order = NewOrder(
        2,
        2,
        Side.BUY,
        _PRICE,
        _LOTS,
        time_in_force=time,
        market=order_type not in LIMIT_TYPES,
        post_only=post_only,
        stop=order_type if order_type in STOP_TYPES else None,
        stop_price=_PRICE if order_type in STOP_TYPES else None,
        trailing_offset=100 if order_type is OrderType.TRAILING_STOP else None,
    )
    events = engine.apply(3, order)
    said = ["trades"] if any(event[0] == "trade" for event in events) else []
    match events[-1]:
        case ("end", _, None, _):
            pass
        case ("end", _, "market_halted", _):
            return "refused"
        case ("end", _, reason, _):
            said.append(f"ends: {reason}")
        case ("rest", *_):
            said.append("rests" if phase is not Phase.AUCTION else "rests for the uncross")
        case ("park", *_):
            said.append("waits for the uncross")
        case ("await", *_):
            said.append("waits for its trigger")
    return ", ".join(said)


def write() -> None:
    """Write the document anew."""
    DOCUMENT.write_text(document_with(table()))
