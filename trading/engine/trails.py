"""Keep trailing stops by what they trail, so that a trade costs the same however many there are.

The law: a stop's extreme is the furthest price since it was armed, and stops of one extreme go on together for good: a new
extreme joins all those it passes. What a price triggers is found by its nearest trigger price; nothing is walked through.
Which prices arm a stop, and in which order those triggered enter, is stops.py's.
"""

from bisect import bisect_left
from heapq import heapify, heappop, heappush
from itertools import count

from orders.terms import Side
from trading.engine.book import WaitingOrder, priority

BASIS = 10_000
SLACK = 32


class Trail:
    """The stops that trail one extreme; one that has joined another leads `into` it."""

    __slots__ = ("count", "extreme", "into", "waiting")

    def __init__(self, extreme: int) -> None:
        self.extreme = extreme
        self.into: Trail | None = None
        self.count = 0
        self.waiting: list[tuple[int, tuple[int, int], WaitingOrder]] = []

    def last(self) -> "Trail":
        """Return the one that this has become by joining others."""
        trail = self
        while trail.into is not None:
            # Halve the way for whoever comes next.
            if trail.into.into is not None:
                trail.into = trail.into.into
            trail = trail.into
        return trail

    def add(self, order: WaitingOrder) -> None:
        assert order.terms.trailing_offset is not None
        heappush(self.waiting, (order.terms.trailing_offset, priority(order), order))
        self.count += 1

    def drop(self) -> None:
        """Count one stop less, and sweep those that have gone once they outnumber the living."""
        self.count -= 1
        if len(self.waiting) > 2 * self.count + SLACK:
            self.waiting = [entry for entry in self.waiting if entry[2].trail is not None]
            heapify(self.waiting)

    def first(self) -> WaitingOrder | None:
        """Return the stop that triggers first."""
        while self.waiting and self.waiting[0][2].trail is None:
            heappop(self.waiting)
        return self.waiting[0][2] if self.waiting else None

    def join(self, other: "Trail") -> "Trail":
        """Put two together, the smaller into the larger; returns that."""
        if len(self.waiting) < len(other.waiting):
            return other.join(self)
        for entry in other.waiting:
            if entry[2].trail is not None:
                heappush(self.waiting, entry)
        self.count += other.count
        other.waiting, other.into = [], self
        return self


class Trails:
    """One side's trailing stops that are armed: a sell's extreme is the highest price, a buy's the lowest."""

    __slots__ = ("_numbers", "_offers", "_sign", "_trails")

    def __init__(self, side: Side) -> None:
        self._sign = 1 if side is Side.SELL else -1
        # By extreme, the furthest first: what a new extreme passes is at the end.
        self._trails: list[Trail] = []
        # (how far the price must go to trigger its first stop, a number, trail); those that have changed since are passed over.
        self._offers: list[tuple[int, int, Trail]] = []
        self._numbers = count()

    def add(self, order: WaitingOrder, extreme: int) -> None:
        """Arm a stop at an extreme."""
        place = bisect_left(self._trails, -self._sign * extreme, key=lambda trail: -self._sign * trail.extreme)
        if place == len(self._trails) or self._trails[place].extreme != extreme:
            self._trails.insert(place, Trail(extreme))
        trail = self._trails[place]
        trail.add(order)
        order.trail = trail
        if trail.first() is order:
            self._offer(trail)

    def remove(self, order: WaitingOrder) -> None:
        """Take a stop out, which keeps its extreme."""
        assert order.trail is not None
        trail = order.trail.last()
        order.started_at, order.trail = trail.extreme, None
        trail.drop()

    def note(self, price: int) -> None:
        """Let all that a price passes trail it from now on."""
        joined: Trail | None = None
        while self._trails and self._sign * self._trails[-1].extreme < self._sign * price:
            trail = self._trails.pop()
            joined = trail if joined is None else joined.join(trail)
        if joined is None:
            return
        if self._trails and self._trails[-1].extreme == price:
            joined = joined.join(self._trails.pop())
        joined.extreme = price
        if joined.count:
            self._trails.append(joined)
            self._offer(joined)

    def take_reached(self, price: int) -> list[WaitingOrder]:
        """Take out the stops that a price triggers."""
        reach = -self._sign * price
        found = []
        while self._offers and self._offers[0][0] <= reach:
            _, _, trail = heappop(self._offers)
            order = trail.first() if trail.into is None else None
            if order is None:
                continue
            if -self._sign * trigger_at(trail.extreme, order) <= reach:
                self.remove(order)
                found.append(order)
            self._offer(trail)
        return found

    def _offer(self, trail: Trail) -> None:
        order = trail.first()
        if order is None:
            return
        heappush(self._offers, (-self._sign * trigger_at(trail.extreme, order), next(self._numbers), trail))
        if len(self._offers) > 2 * len(self._trails) + SLACK:
            self._trails = [trail for trail in self._trails if trail.count]
            self._offers = []
            for kept in self._trails:
                first = kept.first()
                assert first is not None
                self._offers.append((-self._sign * trigger_at(kept.extreme, first), next(self._numbers), kept))
            heapify(self._offers)


def trigger_at(extreme: int, order: WaitingOrder) -> int:
    """Return the price that triggers a stop from an extreme: floor(extreme × (1 - offset)) for a sell, ceil(extreme × (1 + offset)) for a buy."""
    offset = order.terms.trailing_offset
    assert offset is not None
    if order.terms.side is Side.SELL:
        return extreme * (BASIS - offset) // BASIS
    return -(-extreme * (BASIS + offset) // BASIS)
