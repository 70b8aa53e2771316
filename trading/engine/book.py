"""Keep one market's resting orders in price-time priority.

The law: best price first, and at a price the earliest; a level's total is the sum of what its orders show. A side's levels are
keyed so that the best has the lowest key (a bid's key is its negative price), hence one code path serves both sides.
Canceling is O(1): the order is emptied where it stands, and dead entries are swept once they outnumber the living.
"""

from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from orders.terms import Side
from trading.engine.commands import NewOrder

if TYPE_CHECKING:
    from trading.engine.trails import Trail

SWEEP_SLACK = 16
PRUNE_SLACK = 64


class RestingOrder:
    """An order that lives: in the book, or as a WaitingOrder outside it.

    `terms` are what it asks for by now. `left` are the lots it shows, 0 once it has gone; an iceberg has `hidden` ones beside.
    """

    __slots__ = ("hidden", "left", "level", "order_id", "ordinal", "owner", "sequence", "terms")

    # What only a WaitingOrder has. Most orders rest and are gone soon: what they have not, they need not be given.
    budget: int | None = None
    started_at: int | None = None
    trail: "Trail | None" = None

    def __init__(self, terms: NewOrder, left: int, sequence: int, ordinal: int, hidden: int = 0) -> None:
        self.terms = terms
        self.order_id = terms.order_id
        self.owner = terms.owner
        self.left = left
        self.hidden = hidden
        self.sequence = sequence
        self.ordinal = ordinal
        self.level: Level

    @property
    def price(self) -> int:
        return self.terms.price

    @property
    def side(self) -> Side:
        return self.terms.side

    @property
    def quantity(self) -> int | None:
        return self.terms.quantity

    @property
    def extreme(self) -> int | None:
        return self.started_at if self.trail is None else self.trail.last().extreme

    def lots_at(self, price: int) -> int:
        """Count the lots that it would still trade at a price, hidden ones included."""
        return self.left + self.hidden if self.budget is None else self.budget // price


class WaitingOrder(RestingOrder):
    """An order that is parked for the next uncross, or awaits its trigger.

    One with a budget has no lots, but what is left of its `budget`. A trailing stop that is armed follows a `trail`; the extreme it
    `started_at` is the one it had when it was armed, or when it left its trail.
    """

    __slots__ = ("budget", "started_at", "trail")

    def __init__(
        self,
        terms: NewOrder,
        left: int,
        sequence: int,
        ordinal: int,
        *,
        extreme: int | None = None,
        budget: int | None = None,
    ) -> None:
        super().__init__(terms, left, sequence, ordinal)
        self.started_at = extreme
        self.trail = None
        self.budget = budget


def priority(order: RestingOrder) -> tuple[int, int]:
    return order.sequence, order.ordinal


class Level:
    """The orders at one price, earliest first. `total` is what they show, `hidden` what they do not."""

    __slots__ = ("count", "hidden", "key", "price", "queue", "total")

    def __init__(self, key: int, price: int) -> None:
        self.key = key
        self.price = price
        self.total = 0
        self.hidden = 0
        self.count = 0
        self.queue: deque[RestingOrder] = deque()

    def first(self) -> RestingOrder:
        """Return the order next in line; the level has one."""
        queue = self.queue
        while not queue[0].left:
            queue.popleft()
        return queue[0]

    def living(self) -> Iterator[RestingOrder]:
        return (order for order in self.queue if order.left)


class BookSide:
    """One side's levels. It notes the prices at which something has changed, for whoever tells others of it."""

    __slots__ = ("_changed", "_empty", "_heap", "_levels", "_sign")

    def __init__(self, side: Side) -> None:
        self._sign = -1 if side is Side.BUY else 1
        self._levels: dict[int, Level] = {}
        self._heap: list[int] = []
        self._empty = 0
        self._changed: set[int] = set()

    def key(self, price: int) -> int:
        return self._sign * price

    def best(self) -> Level | None:
        """Return the best level that has an order."""
        heap = self._heap
        while heap:
            level = self._levels[heap[0]]
            if level.count:
                return level
            del self._levels[heappop(heap)]
            self._empty -= 1
        return None

    def levels(self) -> Iterator[Level]:
        """Walk the levels that have an order, best first."""
        heap = self._heap.copy()
        while heap:
            level = self._levels[heappop(heap)]
            if level.count:
                yield level

    def take_changes(self) -> list[tuple[int, int]]:
        """Return each price at which something has changed since the last call, with the lots shown there now, perhaps none."""
        changed, self._changed = self._changed, set()
        levels, sign = self._levels, self._sign
        return [(price, levels[sign * price].total if sign * price in levels else 0) for price in changed]

    def add(self, order: RestingOrder, price: int) -> None:
        """Put an order last in line at its price."""
        self._changed.add(price)
        key = self._sign * price
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = Level(key, price)
            heappush(self._heap, key)
        elif not level.count:
            self._empty -= 1
        level.queue.append(order)
        level.count += 1
        level.total += order.left
        if order.hidden:
            level.hidden += order.hidden
        order.level = level

    def take(self, order: RestingOrder, lots: int) -> None:
        """Take shown lots off an order; it leaves its line when it shows none."""
        level = order.level
        self._changed.add(level.price)
        order.left -= lots
        level.total -= lots
        if order.left:
            return
        level.count -= 1
        if not level.count:
            level.queue.clear()
            self._empty += 1
            if self._empty > PRUNE_SLACK and 2 * self._empty > len(self._heap):
                self._prune()
        elif len(level.queue) > 2 * level.count + SWEEP_SLACK:
            level.queue = deque(level.living())

    def remove(self, order: RestingOrder) -> None:
        """Take an order off the book, with all that it hides."""
        self._hide(order, 0)
        self.take(order, order.left)

    def show_next(self, order: RestingOrder) -> None:
        """Put an iceberg whose shown part has just been taken from the head of its line last in line, with its next part."""
        level, display = order.level, order.terms.display
        assert display is not None
        if level.queue and level.queue[0] is order:
            level.queue.popleft()
        whole = order.hidden
        self._hide(order, 0)
        order.left = min(display, whole)
        order.hidden = whole - order.left
        self.add(order, level.price)

    def fill(self, order: RestingOrder, lots: int) -> None:
        """Take lots off an order in an uncross: what it shows first, then what it hides; it keeps its place."""
        rest = order.left + order.hidden - lots
        if lots < order.left:
            self.take(order, lots)
        elif not rest:
            self.remove(order)
        else:
            assert order.terms.display is not None
            shown = min(order.terms.display, rest)
            self._changed.add(order.level.price)
            order.level.total += shown - order.left
            order.left = shown
            self._hide(order, rest - shown)

    def reduce(self, order: RestingOrder, lots: int) -> None:
        """Take lots off an order that its owner does not want any more: hidden ones first."""
        hidden = min(lots, order.hidden)
        self._hide(order, order.hidden - hidden)
        self.take(order, lots - hidden)

    def _hide(self, order: RestingOrder, lots: int) -> None:
        order.level.hidden += lots - order.hidden
        order.hidden = lots

    def _prune(self) -> None:
        """Drop the emptied levels, else each far price ever used would stay for good."""
        self._levels = {key: level for key, level in self._levels.items() if level.count}
        self._heap = list(self._levels)
        heapify(self._heap)
        self._empty = 0
