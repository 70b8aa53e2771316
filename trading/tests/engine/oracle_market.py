"""Say what a market is to the oracle: its live orders and its state, and how an order comes to a place and leaves it.

The law: one list of live orders, in no order that matters; each event gives its order the priority of where it is said.
"""

from orders.terms import (
    OrderType,
    Phase,
    Reason,
    Side,
    phases_taking,
)
from trading.engine.commands import (
    SetRules,
)
from trading.engine.events import (
    Awaiting,
    Ended,
    Event,
    Parked,
    PhaseChanged,
    Rested,
)
from trading.tests.engine.oracle_auction import Auction, find_auction
from trading.tests.engine.oracle_order import Home, Order, by_priority, rank


class Market:
    """One market: its phase, its rules, its live orders, and what the command at hand has brought about so far."""

    def __init__(self) -> None:
        self.phase = Phase.CONTINUOUS
        self.orders: list[Order] = []
        self.triggered: list[int] = []
        self.call_wanted = False
        self.call_ends_at: int | None = None
        self.call_extensions = 0
        self.last_price: int | None = None
        self.last_auction_price: int | None = None
        self.rules = SetRules()
        self.protected: set[int] = set()

    def homed(self, *homes: Home) -> list[Order]:
        """List the orders that are there, in order of priority."""
        return sorted((order for order in self.orders if order.home in homes), key=by_priority)

    def book(self) -> list[tuple[Side, int, int, int, int, tuple[int, int]]]:
        """List (side, price, order id, lots shown, lots hidden, priority): bids before asks, each as who trades first."""
        orders = sorted(self.homed(Home.BOOK), key=lambda order: (order.terms.side, rank(order)))
        return [
            (order.terms.side, order.terms.price, order.order_id, order.shown, order.left - order.shown, order.priority)
            for order in orders
        ]

    def depth(self, side: Side, price: int) -> int:
        """Count the lots that an order of that side and price would find in the book, hidden ones included."""
        others = [order for order in self.homed(Home.BOOK) if order.terms.side is not side]
        return sum(order.left for order in others if (order.terms.price - price) * (1 if side is Side.BUY else -1) <= 0)

    def outside(self) -> dict[int, tuple]:
        """Say of each order outside the book (home, price, lots left, budget left, extreme, priority)."""
        return {
            order.order_id: (
                order.home,
                order.terms.price,
                order.left,
                order.terms.budget - order.spent if order.is_budget else None,
                order.extreme,
                order.priority,
            )
            for order in self.homed(Home.PARKED, Home.AWAITING)
        }

    @property
    def reference(self) -> int | None:
        known = [self.last_price, self.last_auction_price, self.rules.reference_price]
        return next((price for price in known if price is not None), None)

    def indicative(self) -> Auction | None:
        """Say what an uncross would give now."""
        return find_auction(self.homed(Home.BOOK, Home.PARKED), self.reference)

    def _takes(self, order: Order) -> bool:
        terms = order.terms
        order_type = terms.stop or (OrderType.MARKET if terms.market else OrderType.LIMIT)
        return self.phase in phases_taking(order_type, terms.time_in_force, post_only=terms.post_only)

    def _in_reach(self, taker: Order) -> list[Order]:
        """List the orders in the book whose price an order would accept."""
        others = [other for other in self.homed(Home.BOOK) if other.terms.side is not taker.terms.side]
        return [other for other in others if taker.accepts(other.terms.price)]

    def _rest(self, order: Order) -> None:
        self._put(order, Home.BOOK)
        order.show()
        self._say(Rested("rest", order.order_id, order.terms.side, order.terms.price, order.left))

    def _park(self, order: Order) -> None:
        self._put(order, Home.PARKED)
        self._say(Parked("park", order.order_id, order.terms.price))

    def _await(self, order: Order) -> None:
        self._put(order, Home.AWAITING)
        self._say(Awaiting("await", order.order_id, order.extreme))

    def _put(self, order: Order, home: Home) -> None:
        """Put an order last in its home: the event that is said next gives its priority."""
        self._remove(order)
        order.home, order.priority = home, self._here()
        self.orders.append(order)

    def _end(self, order: Order, reason: Reason | None) -> None:
        self._remove(order)
        self._say(Ended("end", order.order_id, reason, order.left))

    def _end_all(self, orders: list[Order], reason: Reason) -> None:
        for order in sorted(orders, key=by_priority):
            self._end(order, reason)

    def _remove(self, order: Order) -> None:
        self.orders = [other for other in self.orders if other is not order]
        order.home = Home.NOWHERE

    def _find(self, order_id: int) -> Order | None:
        return next((order for order in self.orders if order.order_id == order_id), None)

    def _want_call(self) -> None:
        self._change_phase(Phase.AUCTION)
        self.call_wanted = True

    def _change_phase(self, phase: Phase) -> None:
        self.phase = phase
        self.call_ends_at = None
        self.call_extensions = 0
        self._say(PhaseChanged("phase", phase))

    def _say(self, event: Event) -> None:
        self.events.append(event)

    def _here(self) -> tuple[int, int]:
        return self._sequence, len(self.events)
