"""Say what may be asked of the engine. Prices are ticks, quantities lots."""

from dataclasses import dataclass

from orders.terms import Phase, Reason, SelfTradePrevention, Side, TimeInForce


@dataclass(slots=True)
class NewOrder:
    """An order to match, and to rest where its time in force says so.

    `price` is the worst price it may trade at. An order has a `quantity`, or a `budget`: the most it may spend, counted in
    the cost of one lot at a price of one tick. A market order is `immediate` and never rests.
    """

    order_id: int
    owner: int
    side: Side
    price: int
    quantity: int | None
    budget: int | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    market: bool = False
    post_only: bool = False
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.CANCEL_NEWEST


@dataclass(slots=True)
class Cancel:
    """The end of a resting order; nothing happens where it rests no more."""

    order_id: int
    reason: Reason = Reason.USER_REQUEST


@dataclass(slots=True)
class Reduce:
    """A lower quantity, filled part included, of a resting order, which keeps its place."""

    order_id: int
    quantity: int


@dataclass(slots=True)
class SetPhase:
    """A change of the market's phase."""

    phase: Phase


Command = NewOrder | Cancel | Reduce | SetPhase
