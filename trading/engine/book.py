"""Keep one market's resting orders in price-time priority.

The law: best price first, and at a price the earliest; a level's total is the sum of its orders. A side's levels are keyed so
that the best has the lowest key (a bid's key is its negative price), hence one code path serves both sides.
Canceling is O(1): the order is emptied where it stands, and dead entries are swept once they outnumber the living.
"""

from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from orders.terms import Side

SWEEP_SLACK = 16
PRUNE_SLACK = 64


class RestingOrder:
    """An order in the book. `quantity` includes the filled part; `left` is 0 once it has gone."""

    __slots__ = ("left", "level", "order_id", "ordinal", "owner", "quantity", "sequence", "side")

    def __init__(
        self, order_id: int, owner: int, side: Side, quantity: int, left: int, sequence: int, ordinal: int
    ) -> None:
        self.order_id = order_id
        self.owner = owner
        self.side = side
        self.quantity = quantity
        self.left = left
        self.sequence = sequence
        self.ordinal = ordinal
        self.level: Level


class Level:
    """The orders at one price, earliest first."""

    __slots__ = ("count", "key", "price", "queue", "total")

    def __init__(self, key: int, price: int) -> None:
        self.key = key
        self.price = price
        self.total = 0
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
    """One side's levels."""

    __slots__ = ("_empty", "_heap", "_levels", "_sign")

    def __init__(self, side: Side) -> None:
        self._sign = -1 if side is Side.BUY else 1
        self._levels: dict[int, Level] = {}
        self._heap: list[int] = []
        self._empty = 0

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

    def add(self, order: RestingOrder, price: int) -> None:
        """Put an order last in line at its price."""
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
        order.level = level

    def take(self, order: RestingOrder, lots: int) -> None:
        """Take lots off an order; it goes when none is left."""
        level = order.level
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

    def _prune(self) -> None:
        """Drop the emptied levels, else each far price ever used would stay for good."""
        self._levels = {key: level for key, level in self._levels.items() if level.count}
        self._heap = list(self._levels)
        heapify(self._heap)
        self._empty = 0
