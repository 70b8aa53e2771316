"""Say what came of a command: the engine's only output.

Every event is a tuple that begins with its tag; as JSON arrays, in order, these are what the journal keeps and what the batch
hash covers, so a change of their shape is a new ENGINE_VERSION. Prices are ticks, quantities lots.
A new order's events end with its Rested or its Ended.
"""

from typing import Literal, NamedTuple

from orders.terms import Phase, Reason, SelfTradePrevention, Side


class Rested(NamedTuple):
    """The order is in the book now, its priority being (the command's sequence, this event's position)."""

    tag: Literal["rest"]
    order_id: int
    side: Side
    price: int
    quantity: int


class Traded(NamedTuple):
    """The incoming order (taker) met a resting one (maker), at the maker's price; a maker with 0 left is Filled."""

    tag: Literal["trade"]
    maker_order_id: int
    taker_order_id: int
    price: int
    quantity: int
    maker_left: int


class Ended(NamedTuple):
    """The order is in no book; without a reason it is Filled. `dropped` lots will not trade."""

    tag: Literal["end"]
    order_id: int
    reason: Reason | None
    dropped: int


class Reduced(NamedTuple):
    """The resting order has fewer lots, and its place."""

    tag: Literal["reduce"]
    order_id: int
    removed: int
    left: int


class Prevented(NamedTuple):
    """A match within one owner did not happen."""

    tag: Literal["prevent"]
    maker_order_id: int
    taker_order_id: int
    mode: SelfTradePrevention
    price: int
    quantity: int


class PhaseChanged(NamedTuple):
    """The market is in this phase now."""

    tag: Literal["phase"]
    phase: Phase


Event = Rested | Traded | Ended | Reduced | Prevented | PhaseChanged
