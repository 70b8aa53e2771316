"""Keep an order ticket: what a form said, what is wrong with it, and the request that it makes.

The law: whatever was typed is shown again as it was typed; a ticket places one order, however often it is sent, by the
client order id that it was given when it was shown. What is left empty is left out; judging is the API's own readers and rules.
Looks are templates/trading/trade/.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from accounts.errors import DomainError
from orders import changes, intake
from orders.models import Order
from orders.requests import TIMES_IN_FORCE, NewOrder, read_amendment, read_new_order
from orders.rules import MarketRules
from orders.selectors import own_order
from orders.terms import OrderType, SelfTradePrevention, Side, TimeInForce

WAIT_MS = 500
"""How long an answer waits for the engine, so that it can say what became of the order."""

_TEXTS = (
    *("side", "order_type", "quantity", "quote_quantity", "price", "stop_price", "trailing_offset", "display_quantity"),
    *("time_in_force", "self_trade_prevention", "client_order_id"),
)
_LENGTH_MAX = 64
TYPE_NAMES = {
    OrderType.LIMIT: "Limit",
    OrderType.MARKET: "Market",
    OrderType.STOP_LIMIT: "Stop limit",
    OrderType.STOP_MARKET: "Stop market",
    OrderType.TAKE_PROFIT: "Take profit market",
    OrderType.TAKE_PROFIT_LIMIT: "Take profit limit",
    OrderType.TRAILING_STOP: "Trailing stop",
}
TIME_NAMES = {
    TimeInForce.GTC: "GTC, until canceled",
    TimeInForce.IOC: "IOC, at once or not",
    TimeInForce.FOK: "FOK, all or nothing",
    TimeInForce.GTD: "GTD, until a time",
    TimeInForce.DAY: "DAY, until the day ends",
    TimeInForce.AUCTION_ONLY: "Auction only",
}
PREVENTION_NAMES = {
    SelfTradePrevention.CANCEL_NEWEST: "Cancel the newer order",
    SelfTradePrevention.CANCEL_OLDEST: "Cancel the older order",
    SelfTradePrevention.CANCEL_BOTH: "Cancel both",
    SelfTradePrevention.DECREMENT: "Take it off both",
}


def new_client_order_id() -> str:
    return f"web-{uuid4().hex}"


@dataclass
class Ticket:
    """An order form as it stands: texts by field, and what was refused by field; `alert` is of the order as a whole."""

    values: dict[str, str]
    errors: dict[str, list[str]] = field(default_factory=dict)
    alert: str = ""

    @classmethod
    def of(cls, form: Mapping[str, str]) -> "Ticket":
        """Read what was sent or is asked for by the address; what is missing has its default."""
        values = {name: form.get(name, "").strip()[:_LENGTH_MAX] for name in (*_TEXTS, "expires_at", "post_only")}
        values["side"] = values["side"] or str(Side.BUY)
        values["order_type"] = values["order_type"] or str(OrderType.LIMIT)
        values["client_order_id"] = values["client_order_id"] or new_client_order_id()
        return cls(values)

    def body(self, symbol: str) -> dict[str, Any]:
        """Lay the ticket out as the body of POST /orders."""
        body: dict[str, Any] = {"symbol": symbol}
        body |= {name: self.values[name] for name in _TEXTS if self.values[name]}
        if self.values["expires_at"]:
            body["expires_at"] = _in_utc(self.values["expires_at"])
        if self.values["post_only"]:
            body["post_only"] = True
        return body

    def read(self, symbol: str) -> NewOrder:
        """Read the order. Raises one DomainError that names every fault."""
        return read_new_order(self.body(symbol))

    def refuse(self, error: DomainError) -> None:
        """Note what is wrong beside the fields that it is wrong with; what concerns no field that is shown, above them."""
        for fault in error.errors:
            if fault.field in self.values and fault.field != "client_order_id":
                self.errors.setdefault(fault.field, []).append(_beside(fault.field, fault.message))
        self.alert = error.detail if not self.errors else "The order was not placed: see below."
        if error.code == "duplicate_client_order_id":
            self.alert = "This form has placed an order already. Send it again if you want another one."
            self.values["client_order_id"] = new_client_order_id()

    def reject(self, sentence: str) -> None:
        """Note that the engine rejected the order; what is sent next is another one."""
        self.alert = sentence
        self.values["client_order_id"] = new_client_order_id()

    def asked(self) -> dict[str, str]:
        """Return what the form was about, to be carried through an address."""
        return {name: value for name, value in self.values.items() if value and name != "client_order_id"}


def _beside(name: str, message: str) -> str:
    """Word a message for the place beside its field, which needs no name there."""
    return f"It {message.removeprefix(name + ' ')}" if message.startswith(f"{name} ") else message


def _in_utc(text: str) -> str:
    """Make a time of what a datetime-local field sends, which is without seconds and offset: it is UTC."""
    minutes_only = len("2026-01-31T12:00")
    return f"{text}:00Z" if len(text) == minutes_only else f"{text}Z"


def place_ticket(account_id: int, ticket: Ticket, rules: MarketRules) -> Order:
    """Place the ticket's order and wait a moment for the engine. Raises DomainError where it is refused."""
    (outcome,) = intake.place(account_id, [ticket.read(rules.symbol)])
    if isinstance(outcome, DomainError):
        raise outcome
    if outcome.command_id is None:
        return outcome.order
    changes.wait_until_taken([outcome.command_id], WAIT_MS)
    return own_order(account_id, outcome.order.id)


def amend_order(account_id: int, order_id: int, form: Mapping[str, str]) -> Order:
    """Ask for new terms of an order, those that differ from what it has, and wait a moment. Raises DomainError."""
    order = own_order(account_id, order_id)
    asked = {name: form.get(name, "").strip() for name in ("quantity", "price")}
    amendment = read_amendment({name: text for name, text in asked.items() if text})
    changed = {
        name: asked[name]
        for name in asked
        if getattr(amendment, name) is not None and getattr(amendment, name) != getattr(order, name)
    }
    if not changed:
        raise DomainError("missing_field", "Nothing was changed: give a new quantity or price.")
    _, command_id = changes.amend(account_id, order_id, read_amendment(changed))
    changes.wait_until_taken([command_id], WAIT_MS)
    return own_order(account_id, order_id)


def cancel_order(account_id: int, order_id: int) -> Order:
    """Ask for the end of an order, and wait a moment. Raises DomainError."""
    _, command_id = changes.cancel(account_id, order_id)
    changes.wait_until_taken([command_id], WAIT_MS)
    return own_order(account_id, order_id)


def choices() -> dict[str, Any]:
    """Return what the selects of a ticket offer, each by its term."""
    return {
        "types": {str(term): name for term, name in TYPE_NAMES.items()},
        "times": {str(term): name for term, name in TIME_NAMES.items()},
        "preventions": {str(term): name for term, name in PREVENTION_NAMES.items()},
        "times_of": {str(kind): [str(time) for time in times] for kind, times in TIMES_IN_FORCE.items()},
    }
