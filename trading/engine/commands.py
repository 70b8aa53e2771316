"""Say what may be asked of the engine. Prices are ticks, quantities lots, times microseconds since 1970 UTC."""

from dataclasses import dataclass

from orders.terms import OrderType, Phase, Reason, SelfTradePrevention, Side, TimeInForce


@dataclass(slots=True)
class NewOrder:
    """An order to match, and to rest where its time in force says so.

    `price` is the worst price it may trade at. An order has a `quantity`, or a `budget`: the most it may spend, counted in
    the cost of one lot at a price of one tick. A `market` order never rests, but waits in a call.

    A `stop` is the type of an order that waits for a trade first: at or through `stop_price`, or, `trailing_offset` basis
    points away from the extreme price since; a trailing stop then trades up to `protection` (in units of 10^-8) beyond it.
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
    account: int = 0
    display: int | None = None
    expires_at: int | None = None
    stop: OrderType | None = None
    stop_price: int | None = None
    trailing_offset: int | None = None
    protection: int = 0
    market_maker_protection: bool = False


@dataclass(slots=True)
class Cancel:
    """The end of an order; nothing happens where it is not there any more."""

    order_id: int
    reason: Reason = Reason.USER_REQUEST


@dataclass(slots=True)
class Reduce:
    """A lower quantity, filled part included, of an order, which keeps its place."""

    order_id: int
    quantity: int


@dataclass(slots=True)
class Amend:
    """New terms of an order, which loses its place and is matched like a new one.

    `quantity` includes the filled part. `extra` is what was held for it beside what the order holds: for a buy in the cost of
    one lot at a price of one tick, for a sell in lots.
    """

    order_id: int
    price: int
    quantity: int
    extra: int = 0


@dataclass(slots=True)
class CancelAll:
    """The end of all orders of an account, of an owner, or where neither is named, of all."""

    reason: Reason = Reason.MASS_CANCEL
    account: int | None = None
    owner: int | None = None


@dataclass(slots=True)
class Trigger:
    """The entry of the stop that has been waiting longest since it triggered."""

    order_id: int


@dataclass(slots=True)
class Expire:
    """The end of all orders whose time is up."""

    at: int


@dataclass(slots=True)
class SetPhase:
    """A change of the market's phase; see PhasePayload in orders/journal.py."""

    phase: Phase
    through_call: bool = False
    ends_at: int | None = None


@dataclass(slots=True)
class SetRules:
    """What holds from here on: the operator's reference price, and the bands around the reference, in units of 10^-8.

    No trade happens outside the volatility band; an auction whose price is outside the auction band is extended.
    """

    reference_price: int | None = None
    volatility_band: int | None = None
    auction_band: int | None = None


@dataclass(slots=True)
class Protect:
    """The start or the end of a market maker's protection: its flagged orders end, and none is taken."""

    account: int
    on: bool


Command = NewOrder | Cancel | Reduce | Amend | CancelAll | Trigger | Expire | SetPhase | SetRules | Protect
