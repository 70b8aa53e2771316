"""Say what came of a command: the engine's only output.

Every event is a tuple that begins with its tag; as JSON arrays, in order, these are what the journal keeps and what the batch
hash covers, so a change of their shape is a new ENGINE_VERSION. Prices are ticks, quantities lots.
What is said of an order takes effect at once. A priority is (the command's sequence, the event's position among the
command's events).
"""

from typing import Literal, NamedTuple

from orders.terms import Phase, Reason, SelfTradePrevention, Side


class Rested(NamedTuple):
    """The order is in the book now, with this many lots to go, hidden ones included, and a new priority."""

    tag: Literal["rest"]
    order_id: int
    side: Side
    price: int
    quantity: int


class Parked(NamedTuple):
    """The order waits outside the book for the next uncross, with a new priority; it trades up to this price."""

    tag: Literal["park"]
    order_id: int
    price: int


class Awaiting(NamedTuple):
    """The order waits for its trigger, with a new priority. `extreme` is where a trailing stop that is armed starts from."""

    tag: Literal["await"]
    order_id: int
    extreme: int | None


class Trailed(NamedTuple):
    """A trailing stop is armed, and trails from this extreme on. How far it has got since is not said: the trades say it."""

    tag: Literal["trail"]
    order_id: int
    extreme: int


class Triggered(NamedTuple):
    """A trade at this price has triggered the order; it enters by the next command but those triggered before it."""

    tag: Literal["trigger"]
    order_id: int
    price: int


class Shown(NamedTuple):
    """The next part of an iceberg is shown, with a new priority."""

    tag: Literal["show"]
    order_id: int
    quantity: int


class Traded(NamedTuple):
    """The incoming order (taker) met a resting one (maker), at the maker's price; a maker with 0 left is Filled.

    In an uncross the maker is the one of earlier priority, and the price the auction's. What is left includes what is hidden.
    """

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
    """The order has fewer lots, and its place."""

    tag: Literal["reduce"]
    order_id: int
    removed: int
    left: int


class Amended(NamedTuple):
    """The order has these terms now, and has lost its place; what follows is what comes of it as of a new one."""

    tag: Literal["amend"]
    order_id: int
    price: int
    quantity: int


class Refused(NamedTuple):
    """The order was not amended, and stands as it was."""

    tag: Literal["refuse"]
    order_id: int
    reason: Reason


class Prevented(NamedTuple):
    """A match within one owner did not happen; under Decrement both orders have lost this quantity."""

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


class Interrupted(NamedTuple):
    """A trade at this price would have been outside the volatility band, and did not happen."""

    tag: Literal["interrupt"]
    price: int


class CallSet(NamedTuple):
    """The call ends at this time, or where there is none, when an operator says so."""

    tag: Literal["call"]
    ends_at: int | None


class Extended(NamedTuple):
    """The call did not end, since its price would be outside the auction band; it did so for the nth time."""

    tag: Literal["extend"]
    price: int
    times: int


class Uncrossed(NamedTuple):
    """All that crosses trades at this price; `surplus` lots more would buy there, or where it is negative, sell."""

    tag: Literal["uncross"]
    price: int
    quantity: int
    surplus: int


class RulesChanged(NamedTuple):
    """These rules hold now."""

    tag: Literal["rules"]
    reference_price: int | None
    volatility_band: int | None
    auction_band: int | None


class Protected(NamedTuple):
    """The account's flagged orders are refused, or taken again."""

    tag: Literal["protect"]
    account: int
    on: bool


Event = (
    Rested
    | Parked
    | Awaiting
    | Trailed
    | Triggered
    | Shown
    | Traded
    | Ended
    | Reduced
    | Amended
    | Refused
    | Prevented
    | PhaseChanged
    | Interrupted
    | CallSet
    | Extended
    | Uncrossed
    | RulesChanged
    | Protected
)
