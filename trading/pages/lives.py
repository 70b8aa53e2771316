"""Tell an order's life in words, from its history as the API renders it.

The law: every kind of command and event about an order has its words; a test holds that.
"""

from collections.abc import Callable, Mapping
from typing import Any

from orders.terms import OrderStatus
from trading.pages.words import REASONS

Step = Mapping[str, Any]

STATUSES = {
    OrderStatus.NEW: "In the book, or on its way there",
    OrderStatus.PENDING_TRIGGER: "Waits for its trigger",
    OrderStatus.PARTIALLY_FILLED: "In the book, filled in part",
    OrderStatus.FILLED: "Filled whole",
    OrderStatus.CANCELED: "Canceled",
    OrderStatus.EXPIRED: "Expired",
    OrderStatus.REJECTED: "Rejected by the engine",
}

COMMANDS = {
    "new": "Placed",
    "cancel": "Its end was asked for",
    "reduce": "Less quantity was asked for",
    "amend": "New terms were asked for",
    "trigger": "Entered, after its trigger",
}

EVENTS: dict[str, Callable[[Step], str]] = {
    "rest": lambda step: f"Rests in the book: {step['quantity']} at {step['price']}",
    "park": lambda _step: "Waits outside the book for the auction to end",
    "await": lambda step: "Waits for its trigger" + (f", trailing from {step['price']}" if step["price"] else ""),
    "trail": lambda step: f"Trails from {step['price']} on",
    "trigger": lambda step: f"Triggered by a trade at {step['price']}",
    "show": lambda step: f"Shows its next part: {step['quantity']}",
    "trade": lambda step: f"Traded {step['quantity']} at {step['price']} as {step['liquidity'].lower()}",
    "prevent": lambda step: f"Did not trade {step['quantity']} at {step['price']}: the other side is your own",
    "reduce": lambda step: f"Reduced by {step['quantity']}, and kept its place",
    "amend": lambda step: f"Amended to {step['quantity']} at {step['price']}, and lost its place",
    "refuse": lambda step: f"Not amended because {REASONS[step['reason']]}",
    "end": lambda step: f"Ended because {REASONS[step['reason']]}" if step["reason"] else "Ended: filled whole",
}


def tell_step(step: Step) -> str:
    """Write one step of an order's life in a sentence."""
    if step["type"] == "command":
        return COMMANDS[step["kind"]]
    return EVENTS[step["kind"]](step)


def tell_status(order: Mapping[str, Any]) -> str:
    """Write how an order stands, and why."""
    words = STATUSES[order["status"]]
    return f"{words}, because {REASONS[order['reason']]}" if order["reason"] else words
