"""Read what a trader asks for.

The law: every fault of a body is found in one reading and named by its field; nothing unknown is passed over.
Only shape is judged here; the market's rules are orders/rules.py, funds and phase are order intake's.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from accounts.bodies import BodyReader, integer_reader, read_flag, term_reader, text_reader
from accounts.errors import refusal
from accounts.numbers import EXACT, parse_positive
from accounts.times import read_time, render_time
from orders.terms import LIMIT_TYPES, RESTING_TIMES, STOP_TYPES, OrderType, SelfTradePrevention, Side, TimeInForce

ICEBERG_PARTS_MAX = 10
TRAILING_OFFSET_MAX = 9999
"""In basis points: a trigger price is never zero or less."""

TIMES_IN_FORCE = {
    OrderType.LIMIT: tuple(TimeInForce),
    OrderType.MARKET: (TimeInForce.IOC,),
    OrderType.STOP_LIMIT: (*RESTING_TIMES, TimeInForce.IOC, TimeInForce.FOK),
    OrderType.TAKE_PROFIT_LIMIT: (*RESTING_TIMES, TimeInForce.IOC, TimeInForce.FOK),
    OrderType.STOP_MARKET: (*RESTING_TIMES, TimeInForce.IOC),
    OrderType.TAKE_PROFIT: (*RESTING_TIMES, TimeInForce.IOC),
    OrderType.TRAILING_STOP: (*RESTING_TIMES, TimeInForce.IOC),
}
"""The first is the default. Of a stop that becomes a market order it says how long it waits."""

_CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9._:/-]{1,64}", re.ASCII)
_read_symbol = text_reader(40)
_read_side = term_reader(Side)
_read_order_type = term_reader(OrderType)
_read_time_in_force = term_reader(TimeInForce)
_read_self_trade_prevention = term_reader(SelfTradePrevention)
_read_trailing_offset = integer_reader(1, TRAILING_OFFSET_MAX)


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
    stop_price: Decimal | None = None
    trailing_offset: int | None = None
    display_quantity: Decimal | None = None
    expires_at: datetime | None = None
    market_maker_protection: bool = False

    def digest(self) -> bytes:
        """Return a fingerprint that is equal for equal requests, however their numbers are written.

        What a request does not use is left out, so that a field added here leaves the fingerprints of old requests alone.
        """
        parts = [
            self.symbol,
            self.side,
            self.order_type,
            self.time_in_force,
            str(self.post_only),
            *("" if number is None else _plain(number) for number in (self.price, self.quantity, self.quote_quantity)),
            self.self_trade_prevention,
        ]
        if self.stop_price is not None:
            parts.append(f"stop_price={_plain(self.stop_price)}")
        if self.trailing_offset is not None:
            parts.append(f"trailing_offset={self.trailing_offset}")
        if self.display_quantity is not None:
            parts.append(f"display_quantity={_plain(self.display_quantity)}")
        if self.expires_at is not None:
            parts.append(f"expires_at={render_time(self.expires_at)}")
        if self.market_maker_protection:
            parts.append("market_maker_protection")
        return blake2b("|".join(parts).encode(), digest_size=16).digest()


def _plain(number: Decimal) -> str:
    return f"{number.normalize(EXACT):f}"


@dataclass(frozen=True, slots=True)
class Amendment:
    """A well-formed request to change an order's quantity, filled part included, or its price, or both."""

    quantity: Decimal | None = None
    price: Decimal | None = None


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
    stop_price = reader.optional("stop_price", parse_positive)
    trailing_offset = reader.optional("trailing_offset", _read_trailing_offset)
    display_quantity = reader.optional("display_quantity", parse_positive)
    expires_at = reader.optional("expires_at", read_time)
    protected = reader.optional("market_maker_protection", read_flag)
    if side is not None and order_type is not None:
        time_in_force = _check_time_in_force(reader, order_type, time_in_force)
        _check_sizes(reader, side, order_type)
        _check_prices(reader, order_type)
        if post_only:
            _check_post_only(reader, order_type, time_in_force)
        if reader.has("display_quantity"):
            _check_iceberg(reader, order_type, time_in_force, quantity, display_quantity)
    reader.finish()
    return NewOrder(
        symbol=symbol.upper().replace("-", "/"),
        side=side,
        order_type=order_type,
        time_in_force=time_in_force,
        price=price,
        quantity=quantity,
        quote_quantity=quote_quantity,
        post_only=bool(post_only),
        client_order_id=client_order_id,
        self_trade_prevention=prevention or SelfTradePrevention.CANCEL_NEWEST,
        stop_price=stop_price,
        trailing_offset=trailing_offset,
        display_quantity=display_quantity,
        expires_at=expires_at,
        market_maker_protection=bool(protected),
    )


def _an(order_type: OrderType) -> str:
    return f"A {order_type} order"


def _check_time_in_force(reader: BodyReader, order_type: OrderType, time_in_force: TimeInForce | None) -> TimeInForce:
    """Check that the type can last so long, and has an end where that is to be told; returns the default where none is given."""
    allowed = TIMES_IN_FORCE[order_type]
    if time_in_force is None:
        time_in_force = allowed[0]
    elif time_in_force not in allowed:
        message = (
            f"{_an(order_type)} is always {allowed[0]}."
            if len(allowed) == 1
            else f"{_an(order_type)} cannot be {time_in_force}."
        )
        limit = [str(term) for term in allowed]
        reader.refuse("time_in_force", "invalid_value", message, limit=limit, value=str(time_in_force))
    if time_in_force is TimeInForce.GTD:
        reader.must_have("expires_at", "A GTD order needs expires_at.")
    else:
        reader.must_not_have("expires_at", "Only a GTD order takes expires_at.")
    return time_in_force


def _check_sizes(reader: BodyReader, side: Side, order_type: OrderType) -> None:
    if order_type is not OrderType.MARKET or side is Side.SELL:
        reader.must_not_have("quote_quantity", "Only a Market Buy takes quote_quantity.")
        reader.must_have("quantity", f"{_an(order_type)} needs a quantity.")
    elif reader.has("quantity") and reader.has("quote_quantity"):
        reader.refuse("quote_quantity", "invalid_value", "Give quantity or quote_quantity, not both.")
    elif not reader.has("quote_quantity"):
        reader.must_have("quantity", "A Market order needs a quantity (or a Buy, a quote_quantity).")


def _check_prices(reader: BodyReader, order_type: OrderType) -> None:
    if order_type in LIMIT_TYPES:
        reader.must_have("price", f"{_an(order_type)} needs a price.")
    else:
        reader.must_not_have("price", f"{_an(order_type)} takes no price.")
    if order_type is OrderType.TRAILING_STOP:
        reader.must_have("trailing_offset", f"{_an(order_type)} needs a trailing_offset.")
        return
    reader.must_not_have("trailing_offset", "Only a TrailingStop order takes a trailing_offset.")
    if order_type in STOP_TYPES:
        reader.must_have("stop_price", f"{_an(order_type)} needs a stop_price.")
    else:
        reader.must_not_have("stop_price", f"{_an(order_type)} takes no stop_price.")


def _check_post_only(reader: BodyReader, order_type: OrderType, time_in_force: TimeInForce) -> None:
    if order_type not in LIMIT_TYPES:
        reader.refuse("post_only", "invalid_value", f"{_an(order_type)} never rests.", value=True)
    elif time_in_force not in RESTING_TIMES:
        message = f"A post-only order rests: it cannot be {time_in_force}."
        reader.refuse("post_only", "invalid_value", message, limit=[str(term) for term in RESTING_TIMES], value=True)


def _check_iceberg(
    reader: BodyReader,
    order_type: OrderType,
    time_in_force: TimeInForce,
    quantity: Decimal | None,
    display_quantity: Decimal | None,
) -> None:
    if order_type not in LIMIT_TYPES:
        reader.must_not_have("display_quantity", f"{_an(order_type)} shows nothing: it never rests.")
    elif time_in_force is not TimeInForce.GTC:
        reader.must_not_have("display_quantity", "Only a GTC order may show less than its quantity.")
    elif quantity is not None and display_quantity is not None:
        value = f"{display_quantity:f}"
        if display_quantity > quantity:
            message = "display_quantity must be at most quantity."
            reader.refuse("display_quantity", "invalid_value", message, limit=f"{quantity:f}", value=value)
        elif quantity > quantity_shown_by(display_quantity):
            least = f"{EXACT.normalize(EXACT.divide(quantity, ICEBERG_PARTS_MAX)):f}"
            message = f"display_quantity must be at least {least}: an iceberg has at most {ICEBERG_PARTS_MAX} parts."
            reader.refuse("display_quantity", "invalid_value", message, limit=least, value=value)


def quantity_shown_by(display_quantity: Decimal) -> Decimal:
    """Return the greatest quantity that an iceberg which shows so much at a time may have."""
    return EXACT.multiply(display_quantity, ICEBERG_PARTS_MAX)


def read_amendment(body: Any) -> Amendment:
    """Read the body of PATCH /orders/{id}. Raises one DomainError that names every fault."""
    reader = BodyReader(body)
    quantity = reader.optional("quantity", parse_positive)
    price = reader.optional("price", parse_positive)
    if not reader.has("price"):
        reader.must_have("quantity", "Give a new quantity, a new price, or both.")
    reader.finish()
    return Amendment(quantity, price)


def read_client_order_id(field: str, value: Any) -> str:
    """Read the id a client gives an order."""
    if not isinstance(value, str) or not _CLIENT_ORDER_ID.fullmatch(value):
        message = f"{field} must be 1 to 64 of A-Z a-z 0-9 . _ : / -"
        raise refusal("invalid_value", field, message, limit=64, value=str(value)[:80])
    return value
