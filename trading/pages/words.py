"""Say in plain words what the API says in terms: phases, reasons, an order's terms, and what became of it.

The law: every phase and every reason has its words; a test holds that. Scripts get the same words from the page.
"""

from collections.abc import Mapping
from typing import Any

from orders.terms import OPEN_STATUSES, OrderStatus, Phase, Reason

PHASES = {
    Phase.PRE_OPEN: (
        "Call before the opening",
        "Orders are collected and nothing trades yet. Post-only, IOC and FOK orders are not taken.",
    ),
    Phase.AUCTION: (
        "Auction call",
        "Orders are collected, and trade at one price when the call ends. A call follows a halt, or interrupts trading where"
        " the price would have moved too far at once. Post-only, IOC and FOK orders are not taken.",
    ),
    Phase.CONTINUOUS: ("Continuous", "All orders are taken."),
    Phase.POST_ONLY: ("Post-only", "Only post-only limit orders are taken. You can cancel and reduce orders."),
    Phase.CANCEL_ONLY: ("Cancel only", "No orders are taken. You can cancel and reduce orders."),
    Phase.HALTED: ("Halted", "Trading is halted and no orders are taken. You can cancel and reduce orders."),
    Phase.CLOSED: ("Closed", "The market is closed and takes no orders. You can cancel and reduce orders."),
}
"""Of each phase its name, and what may be done in it."""

REASONS = {
    Reason.USER_REQUEST: "you asked for that",
    Reason.MASS_CANCEL: "you asked for the end of all",
    Reason.DEAD_MAN: "the dead man's switch ran out",
    Reason.DISCONNECT: "its connection was cut",
    Reason.KILL_SWITCH: "an operator stopped trading",
    Reason.MARKET_MAKER_PROTECTION: "market maker protection tripped",
    Reason.AMENDED_BELOW_FILLED: "it was amended to what is filled already",
    Reason.IOC_REMAINDER: "nothing more matched at once",
    Reason.FOK_UNFILLABLE: "not all of it could be matched",
    Reason.NO_LIQUIDITY: "nothing more was there to match",
    Reason.PROTECTION_PRICE: "the rest is beyond its protection price",
    Reason.SELF_TRADE: "the other side is your own",
    Reason.EXPIRED_TIME: "its time was up",
    Reason.AUCTION_END: "the auction is over",
    Reason.SESSION_CLOSE: "the day is over",
    Reason.POST_ONLY_WOULD_TAKE: "it is post-only and would have matched at once",
    Reason.STOP_WOULD_TRIGGER: "its stop price is on the wrong side of the last price",
    Reason.MARKET_HALTED: "the phase changed before it was taken",
    Reason.INSUFFICIENT_FUNDS: "the funds no longer reach",
    Reason.INTERNAL_ERROR: "of an error of the exchange",
}
"""Why an order ended, to be put after "because"."""


def terms_of(order: Mapping[str, Any]) -> str:
    """Write what makes an order, as the API renders it, other than a plain one."""
    stop = order["stop_price"] and f"{'from' if order['trailing_offset'] else 'stop'} {order['stop_price']}"
    parts = [
        stop,
        order["trailing_offset"] and f"trails {order['trailing_offset']} bp",
        order["time_in_force"],
        order["post_only"] and "post-only",
        order["display_quantity"] and f"shows {order['display_quantity']}",
    ]
    return " · ".join(part for part in parts if part)


def became_of(order: Mapping[str, Any], base: str, quote: str) -> str:
    """Write in a sentence what the engine has made of an order so far."""
    size = f"{order['quantity']} {base}" if order["quantity"] else f"for {order['quote_quantity']} {quote}"
    name = f"{order['side']} {size}"
    status, reason = order["status"], order["reason"]
    why = f" because {REASONS[reason]}" if reason else ""
    filled = f"{order['filled_quantity']} {base} at {order['average_price']} {quote}" if order["average_price"] else ""
    if status == OrderStatus.FILLED:
        return f"{name}: filled, {filled}."
    if status == OrderStatus.PENDING_TRIGGER:
        return f"{name}: waits for its trigger."
    if status in OPEN_STATUSES:
        return f"{name}: open, {filled} filled." if filled else f"{name}: open."
    return f"{name}: {status.lower()}{why}{f', {filled} filled' if filled else ''}."
