"""Say what an order is to the oracle: its terms, where it is, and how much of it is used up.

The law: whatever can be counted from these is counted, each time anew.
"""

from dataclasses import dataclass
from enum import Enum

from orders.terms import OrderType, Side
from trading.engine.commands import NewOrder


class Home(Enum):
    NOWHERE = "on its way in, or gone"
    BOOK = "in the book"
    PARKED = "waits for the next uncross"
    AWAITING = "waits for its trigger"
    TRIGGERED = "enters next"


@dataclass
class Order:
    """One order. `used` lots were traded or prevented, and `spent` is what they cost; `shown` counts in the book alone."""

    terms: NewOrder
    home: Home = Home.NOWHERE
    priority: tuple[int, int] = (0, 0)
    used: int = 0
    spent: int = 0
    shown: int = 0
    extreme: int | None = None

    @property
    def order_id(self) -> int:
        return self.terms.order_id

    @property
    def is_buy(self) -> bool:
        return self.terms.side is Side.BUY

    @property
    def is_budget(self) -> bool:
        return self.terms.budget is not None

    @property
    def left(self) -> int:
        """Count the lots that have not been used up; of a budget they are not known, and it has none to drop."""
        return 0 if self.is_budget else self.terms.quantity - self.used

    def lots_at(self, price: int) -> int:
        """Count the lots that the order still wants at a price."""
        return (self.terms.budget - self.spent) // price if self.is_budget else self.left

    def accepts(self, price: int) -> bool:
        return price <= self.terms.price if self.is_buy else price >= self.terms.price

    def show(self) -> None:
        """Show the first or the next part of an iceberg, and of any other order all."""
        self.shown = min(self.left, self.terms.display or self.left)

    def lose(self, lots: int, price: int) -> None:
        """Use up lots, those that show first; once they are gone, the next part shows."""
        self.used += lots
        self.spent += lots * price
        self.shown -= lots
        if self.shown <= 0:
            self.show()

    def trigger_price(self) -> int | None:
        """Tell the price that a stop waits for; of a trailing stop it follows the extreme, rounded away from it."""
        if self.terms.stop is not OrderType.TRAILING_STOP:
            return self.terms.stop_price
        if self.extreme is None:
            return None
        if self.is_buy:
            return -(-self.extreme * (10_000 + self.terms.trailing_offset) // 10_000)
        return self.extreme * (10_000 - self.terms.trailing_offset) // 10_000


def rank(order: Order) -> tuple[int, tuple[int, int]]:
    """Rank an order within its side of the book: the lowest trades first."""
    return (-order.terms.price if order.is_buy else order.terms.price), order.priority


def by_priority(order: Order) -> tuple[int, int]:
    return order.priority
