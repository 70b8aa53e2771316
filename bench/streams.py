"""Four streams of orders and cancels for one market, the same on every machine, and the trades they must give.

A  a living book: 47 % orders that rest, 43 % cancels, 10 % that cross; about 1,000 resting on some 400 prices
B  heavy trading: half of the orders cross, nothing is canceled
C  a deep book: 20,000 prices, cancels and new orders far from the touch, then takers
D  a long queue: 20,000 orders at one price, half of them canceled at random, then takers of one lot

The law: a stream is a pure function of its seed, and never lets an order meet another of its owner. A and B need the book to
choose what comes next; it is brute force, sorted lists, and shares nothing with the books that are measured.

Who runs them, and how fast, is `worker`'s and `engine`'s.
"""

import hashlib
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from functools import cache
from random import Random
from typing import NamedTuple

from bench.yardstick import Trade

Command = tuple[bool, int, bool, int, int, int]
"""Whether it cancels, order id, whether it buys, price in ticks, quantity in lots, owner.

A cancel repeats its order's side, price and owner, and has the quantity left of it.
"""

LONG = 200_000
LENGTHS = {"A": LONG, "B": LONG, "C": 44_000, "D": 48_000}

SEED = 20_240_117
STRESS_SEED = 7
OWNERS = 1_000
DEPTH = 1_000
"""How many resting orders A and B keep the book at; their first so many commands fill it."""

CENTER = 100_000.0
WANDER_EVERY = 40
MEAN_DISTANCE = 90.0


class Expected(NamedTuple):
    """What a right book makes of a stream's first so many commands: how many trades, and the hash over them."""

    trades: int
    sha256: str


EXPECTED = {
    ("A", 20_000): Expected(2_211, "cc04c2c209109cfdf9e6c591a89ba6a339a9026982ddc064da86137c415cf2e3"),
    ("A", LONG): Expected(23_475, "080297c1470948f12bec0e50931a1e0a3ddd253f691bd406b6c0312ae57012a2"),
    ("B", 20_000): Expected(18_061, "6debdc7182ee2fee8683812a88428dc3890c430f18e1ff1b1b290f28f7b7b4e6"),
    ("B", LONG): Expected(189_514, "ccc108dfa9b1ba29ebcecd6a992e1f8ab7dca2f0fe6b8b94ea70e0ea20a828ac"),
    ("C", LENGTHS["C"]): Expected(6_196, "634bc58f510ae64b3067187f4b70075c809ba06c194ff307429a15307c65f597"),
    ("D", LENGTHS["D"]): Expected(18_000, "0bc58d5b7b217405045d0e42aa9e7fdba6a5f429e027c1cc3e03fd6f33385f4d"),
}


@cache
def stream(name: str, length: int = LONG) -> tuple[Command, ...]:
    """Make a stream, or only the beginning of A or B. Made once a process."""
    if name in ("A", "B"):
        flow = _Flow(trades_heavily=name == "B")
        return tuple(flow.next_command(n) for n in range(length))
    # C's draws come before D's.
    deep, queue = _stress()
    return deep if name == "C" else queue


def summary(trades: Iterable[Trade]) -> Expected:
    """Count and hash trades, to be compared with what is expected."""
    count, digest = 0, hashlib.sha256()
    for trade in trades:
        count += 1
        digest.update(b"%d,%d,%d,%d\n" % trade)
    return Expected(count, digest.hexdigest())


class _Resting:
    __slots__ = ("arrival", "buys", "left", "owner", "price")

    def __init__(self, *, buys: bool, price: int, left: int, owner: int, arrival: int) -> None:
        self.buys = buys
        self.price = price
        self.left = left
        self.owner = owner
        self.arrival = arrival


class _SortedBook:
    """Brute force: each side is a sorted list of (key, arrival, order id)."""

    def __init__(self) -> None:
        self.resting: dict[int, _Resting] = {}
        self._sides: dict[bool, list[tuple[int, int, int]]] = {True: [], False: []}
        self._arrivals = 0

    def best(self, *, buys: bool) -> int | None:
        side = self._sides[buys]
        return self.resting[side[0][2]].price if side else None

    def count(self, *, buys: bool) -> int:
        return len(self._sides[buys])

    def in_priority(self, *, buys: bool) -> Iterator[_Resting]:
        return (self.resting[order_id] for _, _, order_id in self._sides[buys])

    def new(self, order_id: int, *, buys: bool, price: int, quantity: int, owner: int) -> None:
        self._arrivals += 1
        opposite = self._sides[not buys]
        while quantity and opposite:
            maker_id = opposite[0][2]
            maker = self.resting[maker_id]
            if maker.price > price if buys else maker.price < price:
                break
            traded = min(quantity, maker.left)
            quantity -= traded
            maker.left -= traded
            if not maker.left:
                opposite.pop(0)
                del self.resting[maker_id]
        if quantity:
            self.resting[order_id] = _Resting(
                buys=buys, price=price, left=quantity, owner=owner, arrival=self._arrivals
            )
            insort(self._sides[buys], (-price if buys else price, self._arrivals, order_id))

    def cancel(self, order_id: int) -> None:
        order = self.resting.pop(order_id)
        side = self._sides[order.buys]
        del side[bisect_left(side, (-order.price if order.buys else order.price, order.arrival, order_id))]


class _Flow:
    """Streams A and B. The order of the draws is the stream: another order is another stream."""

    def __init__(self, *, trades_heavily: bool) -> None:
        self._trades_heavily = trades_heavily
        self._random = Random(SEED)
        self._book = _SortedBook()
        self._middle = CENTER
        self._last_id = 0
        # Ids to choose a cancel from; those that were filled are forgotten when they are met.
        self._ids: list[int] = []
        self._place_of: dict[int, int] = {}

    def next_command(self, n: int) -> Command:
        if n and n % WANDER_EVERY == 0:
            self._middle += self._random.choice((-1, 0, 1)) + (CENTER - self._middle) * 0.002
        draw = self._random.random()
        if n < DEPTH:
            return self._new(crosses=False)
        if self._trades_heavily:
            return self._new(crosses=draw < 0.5)
        if draw < 0.10:
            return self._new(crosses=True)
        lack = max(-0.25, min(0.25, (DEPTH - len(self._book.resting)) / DEPTH))
        return self._new(crosses=False) if draw < 0.10 + (0.46 + lack) else self._cancel()

    def _cancel(self) -> Command:
        while (order_id := self._ids[self._random.randrange(len(self._ids))]) not in self._book.resting:
            self._forget(order_id)
        order = self._book.resting[order_id]
        self._book.cancel(order_id)
        self._forget(order_id)
        return True, order_id, order.buys, order.price, order.left, order.owner

    def _new(self, *, crosses: bool) -> Command:
        draw = self._random
        self._last_id += 1
        buys = draw.random() < 0.5
        size = 1 + draw.randrange(6) * draw.randrange(6) * draw.randrange(6)
        owner = draw.randrange(OWNERS) + 1
        if not crosses:
            price = self._passive_price(buys=buys)
        else:
            if self._trades_heavily:
                # More often from the side that has more.
                bids, asks = self._book.count(buys=True), self._book.count(buys=False)
                buys = draw.random() >= bids / (bids + asks)
            size = self._crossing_size(size)
            price, owner = self._crossing_price_and_owner(buys, size, owner)
        self._book.new(self._last_id, buys=buys, price=price, quantity=size, owner=owner)
        if self._last_id in self._book.resting:
            self._place_of[self._last_id] = len(self._ids)
            self._ids.append(self._last_id)
        if len(self._ids) > 3 * DEPTH:
            for order_id in [order_id for order_id in self._ids if order_id not in self._book.resting]:
                self._forget(order_id)
        return False, self._last_id, buys, price, size, owner

    def _passive_price(self, *, buys: bool) -> int:
        distance = 1 + int(self._random.expovariate(1 / MEAN_DISTANCE))
        best = self._book.best(buys=not buys)
        if buys:
            price = int(self._middle) - distance
            return price if best is None else min(price, best - 1)
        price = int(self._middle) + distance
        return price if best is None else max(price, best + 1)

    def _crossing_size(self, size: int) -> int:
        draw = self._random
        if not self._trades_heavily:
            return 1 + draw.randrange(4) * draw.randrange(4) * draw.randrange(4)
        # What holds the book at its depth.
        fullness = len(self._book.resting) / DEPTH
        return max(1, round(size * max(0.5, min(2.0, fullness**2))))

    def _crossing_price_and_owner(self, buys: bool, size: int, owner: int) -> tuple[int, int]:
        """A limit a few ticks through the touch, in B mostly deep enough to fill; and an owner who meets no own order."""
        best = self._book.best(buys=not buys)
        assert best is not None
        through = self._random.randrange(0, 12)
        price = best + through if buys else best - through
        fills = self._trades_heavily and self._random.random() < 0.9
        met = set()
        for maker in self._book.in_priority(buys=not buys):
            if maker.price > price if buys else maker.price < price:
                if not fills:
                    break
                price = maker.price
            met.add(maker.owner)
            size -= maker.left
            if size <= 0:
                break
        while owner in met:
            owner = self._random.randrange(OWNERS) + 1
        return price, owner

    def _forget(self, order_id: int) -> None:
        place, last = self._place_of.pop(order_id), self._ids.pop()
        if last != order_id:
            self._ids[place] = last
            self._place_of[last] = place


@cache
def _stress() -> tuple[tuple[Command, ...], tuple[Command, ...]]:
    """Streams C and D: what somebody would send who means harm."""
    draw = Random(STRESS_SEED)
    return tuple(_deep_book(draw)), tuple(_long_queue(draw))


def _deep_book(draw: Random) -> Iterator[Command]:
    prices = [*range(1, 10_001), *range(10_101, 20_101)]
    draw.shuffle(prices)
    resting = []
    for order_id, price in enumerate(prices, 1):
        resting.append((order_id, price))
        yield False, order_id, price <= 10_000, price, 10, 1 + order_id % 500
    last_id = len(prices)
    for _ in range(10_000):
        place = draw.randrange(len(resting))
        order_id, price = resting[place]
        yield True, order_id, price <= 10_000, price, 10, 1 + order_id % 500
        last_id += 1
        yield False, last_id, price <= 10_000, price, 10, 1 + last_id % 500
        resting[place] = (last_id, price)
    for n in range(4_000):
        last_id += 1
        buys = n % 2 == 1
        yield False, last_id, buys, 20_000 if buys else 50, 1 + draw.randrange(12), 501 + n % 400


def _long_queue(draw: Random) -> Iterator[Command]:
    price, length = 1_000, 20_000
    ids = range(1, length + 1)
    for order_id in ids:
        yield False, order_id, False, price, 2, 1 + order_id % 500
    gone = set(draw.sample(ids, 10_000))
    for order_id in draw.sample(sorted(gone), 10_000):
        yield True, order_id, False, price, 2, 1 + order_id % 500
    for n in range(18_000):
        yield False, length + 1 + n, True, price, 1, 501 + n % 400
