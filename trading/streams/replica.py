"""Keep a copy of one market's price levels, as the feed tells of them.

The law: levels are whole ticks and lots, as of one sequence; how they are written, and what their checksum is, is said here
alone, for REST and the streams.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import islice
from zlib import crc32

from orders.rules import MarketRules
from trading.feed import Level

CHECKSUM_DEPTH = 10


class Scales:
    """How a market's ticks and lots are written: with the tick's and the lot's decimals."""

    __slots__ = ("lot", "price_decimals", "quantity_decimals", "tick")

    def __init__(self, rules: MarketRules) -> None:
        self.price_decimals = rules.price_decimals
        self.quantity_decimals = rules.quantity_decimals
        self.tick = int(rules.tick_size.scaleb(rules.price_decimals))
        self.lot = int(rules.lot_size.scaleb(rules.quantity_decimals))

    def price(self, ticks: int) -> str:
        return _with_point(ticks * self.tick, self.price_decimals)

    def quantity(self, lots: int) -> str:
        return _with_point(lots * self.lot, self.quantity_decimals)

    def levels(self, levels: Iterable[Level]) -> list[tuple[str, str]]:
        return [(self.price(price), self.quantity(lots)) for price, lots in levels]


def _with_point(units: int, decimals: int) -> str:
    if not decimals:
        return str(units)
    digits = str(units).zfill(decimals + 1)
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


class SideReplica:
    """One side's levels. A bid's key is its negative price, so that the best comes first on either side."""

    __slots__ = ("_keys", "_lots", "_sign")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[int] = []
        self._lots: dict[int, int] = {}

    def load(self, levels: Iterable[Level]) -> None:
        self._lots = {self._sign * price: lots for price, lots in levels if lots}
        self._keys = sorted(self._lots)

    def lots_at(self, price: int) -> int:
        return self._lots.get(self._sign * price, 0)

    def change(self, price: int, lots: int) -> None:
        """Set what is shown at a price; nothing takes the level away."""
        key, keys = self._sign * price, self._keys
        if lots:
            if key not in self._lots:
                keys.insert(bisect_left(keys, key), key)
            self._lots[key] = lots
        elif self._lots.pop(key, None) is not None:
            del keys[bisect_left(keys, key)]

    def sort(self, levels: Iterable[Level]) -> list[Level]:
        """Put levels in this side's order, the best first."""
        return sorted(levels, key=lambda level: self._sign * level[0])

    def best(self, depth: int | None = None) -> list[Level]:
        """Return the best levels, all unless it is said how many."""
        sign, lots = self._sign, self._lots
        return [(sign * key, lots[key]) for key in islice(self._keys, depth)]


class BookReplica:
    """Both sides, as they stood after the command of `sequence`."""

    __slots__ = ("asks", "bids", "sequence")

    def __init__(self) -> None:
        self.sequence = 0
        self.bids = SideReplica(-1)
        self.asks = SideReplica(1)

    def load(self, sequence: int, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        self.sequence = sequence
        self.bids.load(bids)
        self.asks.load(asks)

    def apply(self, sequence: int, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        self.sequence = sequence
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, lots in levels:
                side.change(price, lots)

    def checksum(self, scales: Scales) -> int:
        """Return the CRC-32 of the ten best asks, then the ten best bids: each price and quantity, the point and zeros ahead left out."""
        digits = [
            f"{price * scales.tick}{lots * scales.lot}"
            for side in (self.asks, self.bids)
            for price, lots in side.best(CHECKSUM_DEPTH)
        ]
        return crc32("".join(digits).encode())
