"""The bare book that the engine is held against: price-time priority in plain Python, and nothing else.

The law: it does the least that still gives the right trades. Limit orders that rest and cancels; no owners to keep apart, no
order types, no events, no pruning of prices that nobody uses any more. It is not changed to make a ratio look better: the
ratios of different days would tell nothing.

What the engine does beyond it is what the ratio prices.
"""

from collections import deque
from heapq import heappop, heappush

Trade = tuple[int, int, int, int]
"""Maker's order id, taker's order id, price, quantity."""

SWEEP_SLACK = 16


class _Order:
    __slots__ = ("left", "level", "order_id", "owner")

    def __init__(self, order_id: int, left: int, owner: int, level: "_Level") -> None:
        self.order_id = order_id
        self.left = left  # 0: gone
        self.owner = owner
        self.level = level


class _Level:
    __slots__ = ("count", "price", "queue", "total")

    def __init__(self, price: int) -> None:
        self.price = price
        self.total = 0
        self.count = 0
        self.queue: deque[_Order] = deque()


class Yardstick:
    """One market's book. A bid's key is its negative price, so that the best has the lowest on either side."""

    __slots__ = ("_ask_heap", "_asks", "_bid_heap", "_bids", "orders")

    def __init__(self) -> None:
        self.orders: dict[int, _Order] = {}
        self._bids: dict[int, _Level] = {}
        self._asks: dict[int, _Level] = {}
        self._bid_heap: list[int] = []
        self._ask_heap: list[int] = []

    def new(self, order_id: int, buys: bool, price: int, quantity: int, owner: int) -> list[Trade]:
        """Match an order and let the rest of it rest; returns its trades, in order."""
        trades: list[Trade] = []
        if buys:
            levels, heap, limit = self._asks, self._ask_heap, price
        else:
            levels, heap, limit = self._bids, self._bid_heap, -price
        while heap and heap[0] <= limit:
            level = levels[heap[0]]
            if not level.count:
                del levels[heappop(heap)]
                continue
            quantity = self._take(level, order_id, quantity, trades)
            if not quantity:
                return trades
        if buys:
            levels, heap = self._bids, self._bid_heap
        else:
            levels, heap = self._asks, self._ask_heap
        key = -limit
        found = levels.get(key)
        if found is None:
            found = levels[key] = _Level(price)
            heappush(heap, key)
        found.total += quantity
        found.count += 1
        order = self.orders[order_id] = _Order(order_id, quantity, owner, found)
        found.queue.append(order)
        return trades

    def _take(self, level: _Level, order_id: int, quantity: int, trades: list[Trade]) -> int:
        """Trade with a level that has an order until it or the quantity is used up; returns what is left of that."""
        queue, price = level.queue, level.price
        while True:
            maker = queue[0]
            left = maker.left
            if left > quantity:
                maker.left = left - quantity
                level.total -= quantity
                trades.append((maker.order_id, order_id, price, quantity))
                return 0
            queue.popleft()
            if not left:
                continue
            maker.left = 0
            level.total -= left
            level.count -= 1
            del self.orders[maker.order_id]
            trades.append((maker.order_id, order_id, price, left))
            quantity -= left
            if not level.count:
                queue.clear()
                return quantity
            if not quantity:
                return 0

    def cancel(self, order_id: int) -> int:
        """Empty an order where it stands; returns the quantity taken off the book."""
        order = self.orders.pop(order_id, None)
        if order is None:
            return 0
        level, left = order.level, order.left
        order.left = 0
        level.total -= left
        level.count -= 1
        if not level.count:
            level.queue.clear()
        elif len(level.queue) > 2 * level.count + SWEEP_SLACK:
            level.queue = deque([order for order in level.queue if order.left])
        return left
