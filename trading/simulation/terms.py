"""Name what the demo's traders deal in: a market's rules, a quote, an order that stands.

The law: all of it is read from what the public API says; prices and quantities are exact decimals.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

BUY, SELL = "Buy", "Sell"


class Terms(NamedTuple):
    """The rules of a market that a quote obeys; None is no limit."""

    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Decimal | None = None
    max_quantity: Decimal | None = None
    min_notional: Decimal | None = None


class Quote(NamedTuple):
    """What is offered at a price."""

    side: str
    price: Decimal
    quantity: Decimal


class Standing(NamedTuple):
    """An open order of one's own, by what is left of it."""

    id: int
    side: str
    price: Decimal
    filled: Decimal
    left: Decimal


def read_terms(market: Mapping[str, Any]) -> Terms:
    """Read a market as GET /markets has it."""
    return Terms(
        symbol=market["symbol"],
        base=market["base"],
        quote=market["quote"],
        tick_size=Decimal(market["tick_size"]),
        lot_size=Decimal(market["lot_size"]),
        min_quantity=_limit(market["min_quantity"]),
        max_quantity=_limit(market["max_quantity"]),
        min_notional=_limit(market["min_notional"]),
    )


def _limit(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def read_standing(order: Mapping[str, Any]) -> Standing:
    """Read an open limit order as GET /orders has it."""
    numbers = (Decimal(order[name]) for name in ("price", "filled_quantity", "remaining_quantity"))
    return Standing(order["id"], order["side"], *numbers)
