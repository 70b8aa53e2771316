"""Keep the orders that await a trade, and say which ones a price triggers.

The law: what sits above the market triggers at last ≥ its stop price, what sits below at last ≤ it. Those reached by one price
trigger in the order in which it passed them, at one stop price in the order of priority; where it could have passed them both
ways, first those above. A trailing stop's price follows the extreme since it was armed: floor(extreme × (1 - offset)) for a sell, ceil(extreme ×
(1 + offset)) for a buy, looked at before the new price moves the extreme.
"""

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import NamedTuple

from orders.terms import Side, triggers_on_rise
from trading.engine.book import RestingOrder, priority
from trading.engine.commands import NewOrder

BASIS = 10_000


class Look(NamedTuple):
    """What some prices did: the stops whose extreme has moved, in priority order, and those triggered, each by which price.

    A trailing stop may be in both.
    """

    trailed: list[RestingOrder]
    triggered: list[tuple[RestingOrder, int]]


class Stops:
    """One market's stops, by id in `orders`."""

    __slots__ = ("_falling", "_rising", "_trailing", "orders")

    def __init__(self) -> None:
        self.orders: dict[int, RestingOrder] = {}
        self._trailing: dict[int, RestingOrder] = {}
        # (distance upward or downward, priority, order id); those of orders that have gone are passed over.
        self._rising: list[tuple[int, tuple[int, int], int]] = []
        self._falling: list[tuple[int, tuple[int, int], int]] = []

    def add(self, order: RestingOrder) -> None:
        terms = order.terms
        self.orders[order.order_id] = order
        if terms.trailing_offset is not None:
            self._trailing[order.order_id] = order
        elif _rises(terms):
            heappush(self._rising, (_stop_price(terms), priority(order), order.order_id))
        else:
            heappush(self._falling, (-_stop_price(terms), priority(order), order.order_id))

    def remove(self, order: RestingOrder) -> None:
        del self.orders[order.order_id]
        self._trailing.pop(order.order_id, None)

    def look(self, prices: Iterable[int], *, may_trigger: bool) -> Look:
        """Look at the prices of trades, one after another; takes out what they trigger, if they may."""
        trailed: dict[int, RestingOrder] = {}
        triggered = []
        for price in prices:
            for order in self._reached(price) if may_trigger else ():
                self.remove(order)
                triggered.append((order, price))
            for order in self._trailing.values():
                if _trail(order, price):
                    trailed[order.order_id] = order
        return Look(sorted(trailed.values(), key=priority), triggered)

    def _reached(self, price: int) -> list[RestingOrder]:
        rising = self._pop(self._rising, price)
        falling = self._pop(self._falling, -price)
        for order in self._trailing.values():
            trigger = trigger_price(order)
            if trigger is None:
                continue
            if order.terms.side is Side.BUY and trigger <= price:
                rising.append((trigger, priority(order), order.order_id))
            elif order.terms.side is Side.SELL and trigger >= price:
                falling.append((-trigger, priority(order), order.order_id))
        return [self.orders[order_id] for _, _, order_id in (*sorted(rising), *sorted(falling))]

    def _pop(self, heap: list[tuple[int, tuple[int, int], int]], reach: int) -> list[tuple[int, tuple[int, int], int]]:
        """Take the entries within reach off a heap, but those of orders that have gone or have changed since."""
        found = []
        while heap and heap[0][0] <= reach:
            entry = heappop(heap)
            order = self.orders.get(entry[2])
            if order is not None and priority(order) == entry[1]:
                found.append(entry)
        return found


def would_trigger(terms: NewOrder, last: int | None) -> bool:
    """Tell whether a stop is on the wrong side of the last price."""
    if terms.stop_price is None or last is None:
        return False
    return last >= terms.stop_price if _sits_above(terms) else last <= terms.stop_price


def trigger_price(order: RestingOrder) -> int | None:
    """Return the price that triggers a stop; None for a trailing one that is not armed, or has seen no trade."""
    offset, extreme = order.terms.trailing_offset, order.extreme
    if offset is None:
        return order.terms.stop_price
    if extreme is None:
        return None
    if order.terms.side is Side.SELL:
        return extreme * (BASIS - offset) // BASIS
    return -(-extreme * (BASIS + offset) // BASIS)


def _trail(order: RestingOrder, price: int) -> bool:
    """Note a price; tells whether it is a trailing stop's new extreme."""
    terms, extreme = order.terms, order.extreme
    if extreme is None:
        moves = terms.stop_price is None or would_trigger(terms, price)
    else:
        moves = price > extreme if terms.side is Side.SELL else price < extreme
    if moves:
        order.extreme = price
    return moves


def _rises(terms: NewOrder) -> bool:
    assert terms.stop is not None
    return triggers_on_rise(terms.stop, terms.side)


def _sits_above(terms: NewOrder) -> bool:
    """Tell whether the stop price is above the market; a trailing stop's, where it arms, is opposite to where it triggers."""
    return _rises(terms) is (terms.trailing_offset is None)


def _stop_price(terms: NewOrder) -> int:
    assert terms.stop_price is not None
    return terms.stop_price
