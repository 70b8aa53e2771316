"""Judge new terms of an order, hold what they need beyond what it holds, and put them into the journal: orders/sql/amend.sql.

The law: one statement, which is its own commit; refused, it leaves the order as it stands. Whether the order can still take
the new terms is the engine's to see, and what they do not need after all settlement gives back.
Less quantity needs none of this: orders/changes.py asks for it.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from accounts.errors import DomainError, FieldError, refusal
from accounts.ledger import HOLD_FUNDS
from accounts.numbers import from_units
from accounts.prepared import Prepared
from orders.models import Order
from orders.refusals import account_frozen, market_halted, price_out_of_band
from orders.requests import ICEBERG_PARTS_MAX, Amendment, quantity_shown_by
from orders.rules import MarketRules, check_notional, check_price, check_quantity
from orders.terms import LIMIT_TYPES, OrderStatus, OrderType, Side, TimeInForce, phases_taking

_AMEND = Prepared(
    "amend_order",
    ("bigint", "bigint", "int", "text[]", "numeric", "numeric", "numeric", "numeric", "bigint", "numeric"),
    (Path(__file__).parent / "sql" / "amend.sql").read_text().replace("{hold_funds}", HOLD_FUNDS.strip()),
)


class Row(msgspec.Struct, frozen=True):
    """What the statement says, in its columns' order."""

    decision: str | None
    phase: str
    band_low: Decimal | None
    band_high: Decimal | None
    available: Decimal | None
    needed: Decimal
    command_id: int | None


def check_amendment(order: Order, amendment: Amendment, rules: MarketRules) -> list[FieldError]:
    """Check what the order and its market's settings alone decide; returns all that is wrong."""
    if order.quantity is None:
        message = "An order by quote_quantity cannot be changed: cancel it and place another."
        return [FieldError("quantity" if amendment.quantity is not None else "price", "invalid_value", message)]
    quantity = order.quantity if amendment.quantity is None else amendment.quantity
    price = order.price if amendment.price is None else amendment.price
    errors = []
    if amendment.price is not None and order.price is None:
        message = f"A {order.order_type} order has no price to change."
        errors.append(FieldError("price", "invalid_value", message, value=f"{amendment.price:f}"))
    elif amendment.price is not None:
        errors += check_price("price", amendment.price, rules)
    elif order.price is None and order.status != OrderStatus.PENDING_TRIGGER and quantity > order.quantity:
        limit = f"{order.quantity:.{rules.quantity_decimals}f}"
        message = "A market order's quantity can only be made less."
        errors.append(FieldError("quantity", "invalid_value", message, limit, f"{quantity:f}"))
    errors += check_quantity(quantity, rules)
    judged_by = order.stop_price if order.price is None else price
    if judged_by is not None:
        errors += check_notional(judged_by, quantity, rules)
    if order.display_quantity is not None and quantity > quantity_shown_by(order.display_quantity):
        limit = f"{quantity_shown_by(order.display_quantity):.{rules.quantity_decimals}f}"
        message = f"quantity must be at most {limit}: an iceberg has at most {ICEBERG_PARTS_MAX} parts."
        errors.append(FieldError("quantity", "invalid_value", message, limit, f"{quantity:f}"))
    return errors


def keeps_priority(order: Order, amendment: Amendment) -> bool:
    """Tell whether an amendment that is allowed only takes quantity away, or so much that nothing is left."""
    quantity = new_quantity(order, amendment)
    if quantity <= order.filled_quantity + order.prevented_quantity:
        return True
    same_price = amendment.price is None or amendment.price == order.price
    return same_price and order.quantity is not None and quantity <= order.quantity


def new_quantity(order: Order, amendment: Amendment) -> Decimal:
    """Return the quantity that an order is to have. Not for one by quote_quantity, which has none."""
    quantity = order.quantity if amendment.quantity is None else amendment.quantity
    assert quantity is not None
    return quantity


def ask_amend(order: Order, amendment: Amendment, rules: MarketRules) -> Row:
    """Run the statement for an amendment that check_amendment() allows."""
    buys = order.side == Side.BUY
    values: list[Any] = [
        order.account_id,
        order.id,
        rules.version,
        _phases(order),
        order.protection_price if order.price is None else (amendment.price or order.price),
        new_quantity(order, amendment),
        rules.tick_lot_units,
        rules.lot_units,
        rules.quote_id if buys else rules.base_id,
        from_units(1, rules.quote_scale if buys else rules.base_scale),
    ]
    (row,) = _AMEND.rows(*values)
    return Row(*row)


def _phases(order: Order) -> list[str]:
    """List the phases that take the order as it is now: one that has triggered, as what it has become."""
    order_type = OrderType(order.order_type)
    if order.status != OrderStatus.PENDING_TRIGGER:
        order_type = OrderType.LIMIT if order_type in LIMIT_TYPES else OrderType.MARKET
    phases = phases_taking(order_type, TimeInForce(order.time_in_force), post_only=order.post_only)
    return [str(phase) for phase in phases]


def refusal_of(row: Row, order: Order, amendment: Amendment, rules: MarketRules) -> DomainError:
    """Build the refusal that the statement decided on, other than that the order has ended."""
    match row.decision:
        case "account_frozen":
            return account_frozen()
        case "market_halted":
            return market_halted(row.phase, _phases(order))
        case "price_out_of_band":
            price = order.price if amendment.price is None else amendment.price
            return price_out_of_band(row.band_low, row.band_high, price)
    assert row.available is not None
    buys = order.side == Side.BUY
    asset, scale = (rules.quote, rules.quote_scale) if buys else (rules.base, rules.base_scale)
    limit, value = f"{row.available:.{scale}f}", f"{row.needed:.{scale}f}"
    message = f"The change needs {value} {asset} more; {limit} {asset} is available."
    field = "price" if amendment.quantity is None else "quantity"
    return refusal("insufficient_funds", field, message, limit=limit, value=value)
