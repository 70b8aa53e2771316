"""Read a request for several orders, and place those of them that can be read.

The law: each order stands for itself: one that cannot be read, or is refused, keeps no other back; outcomes come in the order asked.
Reading one is orders/requests.py's, placing orders/intake.py's.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from accounts.bodies import BodyReader
from accounts.errors import DomainError, FieldError
from orders import intake
from orders.requests import NewOrder, read_new_order


def read_batch(body: Any) -> list[Any]:
    """Read the body of a batch, {"orders": [...]}; returns the bodies of its orders. Raises DomainError."""
    reader = BodyReader(body)
    bodies: list[Any] = reader.required("orders", read_bodies)
    reader.finish()
    return bodies


def read_bodies(field: str, value: Any) -> list[Any]:
    """Read a list of 1 to 1,000 orders' bodies, whatever these are. Raises DomainError."""
    if not isinstance(value, list) or not value:
        message = f"{field} must be a list of 1 to {intake.BATCH_MAX} orders."
        raise DomainError("invalid_value", message, [FieldError(field, "invalid_value", message, 1)])
    if len(value) > intake.BATCH_MAX:
        message = f"{field} must have at most {intake.BATCH_MAX} orders."
        raise DomainError("too_large", message, [FieldError(field, "too_large", message, intake.BATCH_MAX, len(value))])
    return value


def read_orders(bodies: Iterable[Any]) -> list[NewOrder | DomainError]:
    """Read orders one by one; what cannot be read comes out as its refusal."""
    found: list[NewOrder | DomainError] = []
    for body in bodies:
        try:
            found.append(read_new_order(body))
        except DomainError as error:
            found.append(error)
    return found


def merge(read: Sequence[NewOrder | DomainError], placed: Iterator[intake.Outcome]) -> list[intake.Outcome]:
    """Put what became of the orders that could be read, in their order, between the refusals of those that could not."""
    return [one if isinstance(one, DomainError) else next(placed) for one in read]


def place_bodies(account_id: int, bodies: Iterable[Any]) -> list[intake.Outcome]:
    """Place those bodies that can be read; returns what became of each, in order."""
    read = read_orders(bodies)
    orders = [one for one in read if isinstance(one, NewOrder)]
    return merge(read, iter(intake.place(account_id, orders) if orders else []))
