"""Name the field's terms: sides, types, phases, states and reasons; and say which phase takes which order.

Every value is spelled as the public API spells it. This module is plain Python, so that the engine may import it;
the database's CHECK constraints and the API's schema are made from it.
"""

from enum import StrEnum


class Side(StrEnum):
    BUY = "Buy"
    SELL = "Sell"


class OrderType(StrEnum):
    LIMIT = "Limit"
    MARKET = "Market"
    STOP_LIMIT = "StopLimit"
    STOP_MARKET = "StopMarket"
    TAKE_PROFIT = "TakeProfit"
    TAKE_PROFIT_LIMIT = "TakeProfitLimit"
    TRAILING_STOP = "TrailingStop"


STOP_TYPES = (
    OrderType.STOP_LIMIT,
    OrderType.STOP_MARKET,
    OrderType.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT,
    OrderType.TRAILING_STOP,
)
"""What waits for a trade at some price before it enters the book."""

LIMIT_TYPES = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
"""What has a limit price; the others trade up to their protection price and never rest."""

_TAKE_PROFITS = (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)


def triggers_on_rise(order_type: OrderType, side: Side) -> bool:
    """Tell whether a stop sits above the market: it triggers at last ≥ its stop price, not at last ≤ it."""
    return (side is Side.BUY) is not (order_type in _TAKE_PROFITS)


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"
    DAY = "DAY"
    AUCTION_ONLY = "AuctionOnly"


RESTING_TIMES = (TimeInForce.GTC, TimeInForce.GTD, TimeInForce.DAY)
"""What rests in the book where it is not filled at once."""


class SelfTradePrevention(StrEnum):
    CANCEL_NEWEST = "CancelNewest"
    CANCEL_OLDEST = "CancelOldest"
    CANCEL_BOTH = "CancelBoth"
    DECREMENT = "Decrement"


class Phase(StrEnum):
    PRE_OPEN = "PreOpen"
    AUCTION = "Auction"
    CONTINUOUS = "Continuous"
    POST_ONLY = "PostOnly"
    CANCEL_ONLY = "CancelOnly"
    HALTED = "Halted"
    CLOSED = "Closed"


CALL_PHASES = (Phase.PRE_OPEN, Phase.AUCTION)
"""Orders are collected, and matched all at once when the call ends."""


def phases_taking(order_type: OrderType, time_in_force: TimeInForce, *, post_only: bool) -> tuple[Phase, ...]:
    """List the phases in which a market takes such an order. A stop is taken as what waits, not as what it will become."""
    if post_only:
        return (
            (Phase.CONTINUOUS, Phase.POST_ONLY) if order_type is OrderType.LIMIT else (Phase.CONTINUOUS, *CALL_PHASES)
        )
    if order_type is OrderType.LIMIT and time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        return (Phase.CONTINUOUS,)
    return (Phase.CONTINUOUS, *CALL_PHASES)


class OrderStatus(StrEnum):
    NEW = "New"
    PENDING_TRIGGER = "PendingTrigger"
    PARTIALLY_FILLED = "PartiallyFilled"
    FILLED = "Filled"
    CANCELED = "Canceled"
    EXPIRED = "Expired"
    REJECTED = "Rejected"


OPEN_STATUSES = (OrderStatus.NEW, OrderStatus.PENDING_TRIGGER, OrderStatus.PARTIALLY_FILLED)
CLOSED_STATUSES = (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED)


class Reason(StrEnum):
    """Why an order ended without being filled whole."""

    USER_REQUEST = "user_request"
    MASS_CANCEL = "mass_cancel"
    DEAD_MAN = "dead_man"
    DISCONNECT = "disconnect"
    KILL_SWITCH = "kill_switch"
    MARKET_MAKER_PROTECTION = "market_maker_protection"
    AMENDED_BELOW_FILLED = "amended_below_filled"
    IOC_REMAINDER = "ioc_remainder"
    FOK_UNFILLABLE = "fok_unfillable"
    NO_LIQUIDITY = "no_liquidity"
    PROTECTION_PRICE = "protection_price"
    SELF_TRADE = "self_trade"
    EXPIRED_TIME = "expired_time"
    AUCTION_END = "auction_end"
    SESSION_CLOSE = "session_close"
    POST_ONLY_WOULD_TAKE = "post_only_would_take"
    STOP_WOULD_TRIGGER = "stop_would_trigger"
    MARKET_HALTED = "market_halted"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    INTERNAL_ERROR = "internal_error"


STATUS_OF_REASON = {
    Reason.USER_REQUEST: OrderStatus.CANCELED,
    Reason.MASS_CANCEL: OrderStatus.CANCELED,
    Reason.DEAD_MAN: OrderStatus.CANCELED,
    Reason.DISCONNECT: OrderStatus.CANCELED,
    Reason.KILL_SWITCH: OrderStatus.CANCELED,
    Reason.MARKET_MAKER_PROTECTION: OrderStatus.CANCELED,
    Reason.AMENDED_BELOW_FILLED: OrderStatus.CANCELED,
    Reason.IOC_REMAINDER: OrderStatus.EXPIRED,
    Reason.FOK_UNFILLABLE: OrderStatus.EXPIRED,
    Reason.NO_LIQUIDITY: OrderStatus.EXPIRED,
    Reason.PROTECTION_PRICE: OrderStatus.EXPIRED,
    Reason.SELF_TRADE: OrderStatus.EXPIRED,
    Reason.EXPIRED_TIME: OrderStatus.EXPIRED,
    Reason.AUCTION_END: OrderStatus.EXPIRED,
    Reason.SESSION_CLOSE: OrderStatus.EXPIRED,
    Reason.POST_ONLY_WOULD_TAKE: OrderStatus.REJECTED,
    Reason.STOP_WOULD_TRIGGER: OrderStatus.REJECTED,
    Reason.MARKET_HALTED: OrderStatus.REJECTED,
    Reason.INSUFFICIENT_FUNDS: OrderStatus.REJECTED,
    Reason.INTERNAL_ERROR: OrderStatus.REJECTED,
}


class CommandKind(StrEnum):
    """What may enter a market's journal."""

    NEW = "new"
    CANCEL = "cancel"
    REDUCE = "reduce"
    AMEND = "amend"
    CANCEL_ALL = "cancel_all"
    TRIGGER = "trigger"
    EXPIRE = "expire"
    PHASE = "phase"
    RULES = "rules"
    PROTECT = "protect"
