"""Read what a trader asks for.

The law: every fault of a body is found in one reading and named by its field; nothing unknown is passed over.
Only shape is judged here; the market's rules are orders/rules.py, funds and phase are order intake's.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from accounts.bodies import BodyReader, read_flag, term_reader, text_reader
from accounts.errors import refusal
from accounts.numbers import EXACT, parse_positive
from orders.terms import OrderType, SelfTradePrevention, Side, TimeInForce

_CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9._:/-]{1,64}", re.ASCII)
_read_symbol = text_reader(40)
_read_side = term_reader(Side)
_read_order_type = term_reader(OrderType)
_read_time_in_force = term_reader(TimeInForce)
_read_self_trade_prevention = term_reader(SelfTradePrevention)


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A well-formed request for an order; prices and quantities are exact decimals above zero."""

    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price: Decimal | None = None
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    post_only: bool = False
    client_order_id: str | None = None
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.CANCEL_NEWEST

    def digest(self) -> bytes:
        """Return a fingerprint that is equal for equal requests, however their numbers are written."""
        parts = [
            self.symbol,
            self.side,
            self.order_type,
            self.time_in_force,
            str(self.post_only),
            *(
                "" if number is None else f"{number.normalize(EXACT):f}"
                for number in (self.price, self.quantity, self.quote_quantity)
            ),
            self.self_trade_prevention,
        ]
        return blake2b("|".join(parts).encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Amendment:
    """A well-formed request to change an order."""

    quantity: Decimal


def read_new_order(body: Any) -> NewOrder:
    """Read the body of one order. Raises one DomainError that names every fault."""
    reader = BodyReader(body)
    symbol = reader.required("symbol", _read_symbol)
    side = reader.required("side", _read_side)
    order_type = reader.required("order_type", _read_order_type)
    time_in_force = reader.optional("time_in_force", _read_time_in_force)
    price = reader.optional("price", parse_positive)
    quantity = reader.optional("quantity", parse_positive)
    quote_quantity = reader.optional("quote_quantity", parse_positive)
    post_only = reader.optional("post_only", read_flag)
    client_order_id = reader.optional("client_order_id", read_client_order_id)
    prevention = reader.optional("self_trade_prevention", _read_self_trade_prevention)
    if side is not None and order_type is not None:
        _check_combination(reader, side, order_type, time_in_force, post_only)
    reader.finish()
    default = TimeInForce.IOC if order_type is OrderType.MARKET else TimeInForce.GTC
    return NewOrder(
        symbol=symbol.upper().replace("-", "/"),
        side=side,
        order_type=order_type,
        time_in_force=time_in_force or default,
        price=price,
        quantity=quantity,
        quote_quantity=quote_quantity,
        post_only=bool(post_only),
        client_order_id=client_order_id,
        self_trade_prevention=prevention or SelfTradePrevention.CANCEL_NEWEST,
    )


def _check_combination(
    reader: BodyReader, side: Side, order_type: OrderType, time_in_force: TimeInForce | None, post_only: bool | None
) -> None:
    """Check which fields go with the order type."""
    if order_type is OrderType.LIMIT:
        for field in ("price", "quantity"):
            reader.must_have(field, f"A Limit order needs a {field}.")
        reader.must_not_have("quote_quantity", "Only a Market Buy takes quote_quantity.")
        if post_only and time_in_force not in (None, TimeInForce.GTC):
            reader.refuse(
                "post_only", "invalid_value", f"A post-only order rests: it cannot be {time_in_force}.", value=True
            )
    else:
        reader.must_not_have("price", "A Market order takes no price.")
        if post_only:
            reader.refuse("post_only", "invalid_value", "A Market order never rests.", value=True)
        if time_in_force not in (None, TimeInForce.IOC):
            message = "A Market order is always IOC."
            reader.refuse("time_in_force", "invalid_value", message, limit=["IOC"], value=str(time_in_force))
        if side is Side.SELL:
            reader.must_not_have("quote_quantity", "Only a Market Buy takes quote_quantity.")
        if reader.has("quantity") and reader.has("quote_quantity"):
            reader.refuse("quote_quantity", "invalid_value", "Give quantity or quote_quantity, not both.")
        elif not reader.has("quote_quantity"):
            reader.must_have("quantity", "A Market order needs a quantity (or a Buy, a quote_quantity).")


def read_amendment(body: Any) -> Amendment:
    """Read the body of PATCH /orders/{id}. Raises one DomainError that names every fault."""
    reader = BodyReader(body)
    quantity = reader.required("quantity", parse_positive)
    if reader.has("price"):
        reader.take("price")
        reader.refuse("price", "invalid_value", "A price cannot be changed yet: cancel the order and place another.")
    reader.finish()
    return Amendment(quantity)


def read_client_order_id(field: str, value: Any) -> str:
    """Read the id a client gives an order."""
    if not isinstance(value, str) or not _CLIENT_ORDER_ID.fullmatch(value):
        message = f"{field} must be 1 to 64 of A-Z a-z 0-9 . _ : / -"
        raise refusal("invalid_value", field, message, limit=64, value=str(value)[:80])
    return value
