"""Name the field's terms: sides, types, phases, states and reasons.

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


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class SelfTradePrevention(StrEnum):
    CANCEL_NEWEST = "CancelNewest"


class Phase(StrEnum):
    CONTINUOUS = "Continuous"
    CANCEL_ONLY = "CancelOnly"
    HALTED = "Halted"


class OrderStatus(StrEnum):
    NEW = "New"
    PARTIALLY_FILLED = "PartiallyFilled"
    FILLED = "Filled"
    CANCELED = "Canceled"
    EXPIRED = "Expired"
    REJECTED = "Rejected"


OPEN_STATUSES = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)
CLOSED_STATUSES = (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED)


class Reason(StrEnum):
    """Why an order ended without being filled whole."""

    USER_REQUEST = "user_request"
    MASS_CANCEL = "mass_cancel"
    AMENDED_BELOW_FILLED = "amended_below_filled"
    IOC_REMAINDER = "ioc_remainder"
    FOK_UNFILLABLE = "fok_unfillable"
    NO_LIQUIDITY = "no_liquidity"
    PROTECTION_PRICE = "protection_price"
    SELF_TRADE = "self_trade"
    POST_ONLY_WOULD_TAKE = "post_only_would_take"
    MARKET_HALTED = "market_halted"
    INTERNAL_ERROR = "internal_error"


STATUS_OF_REASON = {
    Reason.USER_REQUEST: OrderStatus.CANCELED,
    Reason.MASS_CANCEL: OrderStatus.CANCELED,
    Reason.AMENDED_BELOW_FILLED: OrderStatus.CANCELED,
    Reason.IOC_REMAINDER: OrderStatus.EXPIRED,
    Reason.FOK_UNFILLABLE: OrderStatus.EXPIRED,
    Reason.NO_LIQUIDITY: OrderStatus.EXPIRED,
    Reason.PROTECTION_PRICE: OrderStatus.EXPIRED,
    Reason.SELF_TRADE: OrderStatus.EXPIRED,
    Reason.POST_ONLY_WOULD_TAKE: OrderStatus.REJECTED,
    Reason.MARKET_HALTED: OrderStatus.REJECTED,
    Reason.INTERNAL_ERROR: OrderStatus.REJECTED,
}


class CommandKind(StrEnum):
    """What may enter a market's journal."""

    NEW = "new"
    CANCEL = "cancel"
    REDUCE = "reduce"
    PHASE = "phase"
