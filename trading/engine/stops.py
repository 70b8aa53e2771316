"""Keep the orders that await a trade, and say which ones a price triggers.

The law: what sits above the market triggers at last ≥ its stop price, what sits below at last ≤ it. Those reached by one price
trigger in the order in which it passed them, at one stop price in the order of priority; where it could have passed them both
ways, first those above. A trailing stop's trigger price follows the extreme since it was armed, and is looked at before the
new price moves that.
How many trailing stops follow a price together is trails.py's.
"""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from orders.terms import Side, triggers_on_rise
from trading.engine.book import WaitingOrder, priority
from trading.engine.commands import NewOrder
from trading.engine.trails import Trails, trigger_at

SLACK = 32


class Look(NamedTuple):
    """What some prices did: the trailing stops they armed, in priority order, and those triggered, each by which price.

    A stop may be in both.
    """

    armed: list[WaitingOrder]
    triggered: list[tuple[WaitingOrder, int]]


class _Waiting:
    """Orders by how far the price must go to reach them; those that have gone are passed over, and swept."""

    def __init__(self, is_there: Callable[[WaitingOrder], bool]) -> None:
        self._is_there = is_there
        self._heap: list[tuple[int, tuple[int, int], WaitingOrder]] = []
        self._limit = SLACK

    def add(self, distance: int, order: WaitingOrder) -> None:
        heappush(self._heap, (distance, priority(order), order))
        if len(self._heap) > self._limit:
            self._heap = [entry for entry in self._heap if self._is_there(entry[2])]
            heapify(self._heap)
            self._limit = 2 * len(self._heap) + SLACK

    def take_within(self, reach: int) -> list[tuple[int, tuple[int, int], WaitingOrder]]:
        found = []
        while self._heap and self._heap[0][0] <= reach:
            entry = heappop(self._heap)
            if self._is_there(entry[2]):
                found.append(entry)
        return found


class Stops:
    """One market's stops, by id in `orders`."""

    def __init__(self) -> None:
        self.orders: dict[int, WaitingOrder] = {}
        self._above, self._below = _Waiting(self._has), _Waiting(self._has)
        self._trails = {side: Trails(side) for side in Side}

    def add(self, order: WaitingOrder) -> None:
        terms = order.terms
        self.orders[order.order_id] = order
        if terms.trailing_offset is not None and order.started_at is not None:
            self._trails[terms.side].add(order, order.started_at)
        elif terms.stop_price is None:
            # It is armed by the first trade there is, at whatever price.
            self._above.add(0, order)
        elif _sits_above(terms):
            self._above.add(terms.stop_price, order)
        else:
            self._below.add(-terms.stop_price, order)

    def remove(self, order: WaitingOrder) -> None:
        del self.orders[order.order_id]
        if order.trail is not None:
            self._trails[order.terms.side].remove(order)

    def look(self, prices: Iterable[int], *, may_trigger: bool) -> Look:
        """Look at the prices of trades, one after another; takes out what they trigger, if they may."""
        armed: list[WaitingOrder] = []
        triggered: list[tuple[WaitingOrder, int]] = []
        for price in prices:
            passed = [*self._above.take_within(price), *self._below.take_within(-price)]
            to_arm = [order for _, _, order in passed if order.terms.trailing_offset is not None]
            if may_trigger:
                for order in self._reached(passed, price):
                    del self.orders[order.order_id]
                    triggered.append((order, price))
            else:
                for distance, _, order in passed:
                    if order.terms.trailing_offset is None:
                        (self._above if _sits_above(order.terms) else self._below).add(distance, order)
            for trails in self._trails.values():
                trails.note(price)
            for order in to_arm:
                self._trails[order.terms.side].add(order, price)
            armed += to_arm
        return Look(sorted(armed, key=priority), triggered)

    def _reached(self, passed: Iterable[tuple[int, tuple[int, int], WaitingOrder]], price: int) -> list[WaitingOrder]:
        """List what a price triggers, in order: the stops that it passed, and the trailing stops, which come out of their trails."""
        found = [
            (not triggers_on_rise(order.terms.stop, order.terms.side), distance, rank, order)
            for distance, rank, order in passed
            if order.terms.stop is not None and order.terms.trailing_offset is None
        ]
        for side, trails in self._trails.items():
            for order in trails.take_reached(price):
                assert order.started_at is not None
                trigger = trigger_at(order.started_at, order)
                found.append((side is Side.SELL, -trigger if side is Side.SELL else trigger, priority(order), order))
        return [order for *_, order in sorted(found, key=lambda entry: entry[:3])]

    def _has(self, order: WaitingOrder) -> bool:
        return self.orders.get(order.order_id) is order


def would_trigger(terms: NewOrder, last: int | None) -> bool:
    """Tell whether a stop is on the wrong side of the last price; of a trailing stop it is the arming that would be due."""
    if terms.stop_price is None or last is None:
        return False
    return last >= terms.stop_price if _sits_above(terms) else last <= terms.stop_price


def _sits_above(terms: NewOrder) -> bool:
    """Tell whether the stop price is above the market; a trailing stop's, where it arms, is opposite to where it triggers."""
    assert terms.stop is not None
    return triggers_on_rise(terms.stop, terms.side) is (terms.trailing_offset is None)
