"""What a client of the venue keeps: the book of a market, and what an account has. Plain values, no I/O.

Both are told frames in the order in which they came, and say by an exception when a frame does not follow what they have.
"""

import zlib
from decimal import Decimal
from heapq import nlargest, nsmallest
from typing import Any

CHECKSUM_DEPTH = 10
DECIMALS = {
    *("price", "stop_price", "average_price", "quantity", "quote_quantity", "display_quantity", "filled_quantity"),
    *("filled_quote", "prevented_quantity", "remaining_quantity", "fee", "available", "held", "total"),
}

Level = tuple[Decimal, Decimal]
Frame = dict[str, Any]


class OutOfStep(Exception):
    """A frame does not follow what was known; start again from a snapshot."""


class OrderBook:
    """A market's book, price by price: a snapshot, and every delta since."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.sequence = 0
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}
        self.is_synced = False

    def apply(self, frame: Frame) -> None:
        """Take a snapshot or a delta. Raises OutOfStep; until the next snapshot the book is not synced then."""
        if frame["type"] == "snapshot":
            self.bids.clear()
            self.asks.clear()
        elif not self.is_synced:
            return  # it was sent before the snapshot that has been asked for
        elif frame["previous_sequence"] != self.sequence:
            self.is_synced = False
            raise OutOfStep(f"{self.symbol}: expected what follows {self.sequence}, got {frame['previous_sequence']}")
        for side, levels in ((self.bids, frame["bids"]), (self.asks, frame["asks"])):
            for price, quantity in levels:
                if Decimal(quantity):
                    side[Decimal(price)] = Decimal(quantity)
                else:
                    side.pop(Decimal(price), None)
        self.sequence = frame["sequence"]
        self.is_synced = self.checksum() == frame["checksum"]
        if not self.is_synced:
            raise OutOfStep(f"{self.symbol}: the book is not the venue's at {self.sequence}")

    def best_bids(self, depth: int) -> list[Level]:
        return [(price, self.bids[price]) for price in nlargest(depth, self.bids)]

    def best_asks(self, depth: int) -> list[Level]:
        return [(price, self.asks[price]) for price in nsmallest(depth, self.asks)]

    def checksum(self) -> int:
        """Return the CRC-32 of the ten best asks, then the ten best bids, each price and quantity by its digits."""
        levels = self.best_asks(CHECKSUM_DEPTH) + self.best_bids(CHECKSUM_DEPTH)
        return zlib.crc32("".join(_digits(number) for level in levels for number in level).encode())


def _digits(number: Decimal) -> str:
    """Write a number as it was sent, all its decimals too, without the point and the zeros ahead: 0.00500 is 500."""
    return f"{number:f}".replace(".", "").lstrip("0")


class Account:
    """An account's orders, fills and balances, by its private channels. All three must be subscribed to."""

    def __init__(self) -> None:
        self.sequence: int | None = None
        self.orders: dict[int, Frame] = {}
        self.fills: dict[int, Frame] = {}
        self.balances: dict[str, Frame] = {}
        self.missing: set[int] = set()
        """Orders that were open, and were not in the last snapshot: what became of them has to be asked."""
        self._listed: set[int] = set()
        self._listed_at: int | None = None

    def apply(self, frame: Frame) -> bool:
        """Take an event or a part of a snapshot; tells whether a snapshot is now complete. Raises OutOfStep."""
        sequence: int = frame["account_sequence"]
        if frame.get("type") == "snapshot":
            return self._apply_snapshot(frame, sequence)
        if self.sequence is None or sequence > self.sequence + 1:
            raise OutOfStep(f"the account stands at {self.sequence}, and was told {sequence}")
        if sequence == self.sequence + 1:  # else it was had before
            self._take(frame)
            self.sequence = sequence
        return False

    def _apply_snapshot(self, frame: Frame, sequence: int) -> bool:
        if self._listed_at != sequence:
            self._listed, self._listed_at = set(), sequence
        self._listed.update(raw["id"] for raw in frame["orders"])
        self._take(frame)
        if frame.get("more"):
            return False
        # Only now: one that is cut short is asked for again.
        self.sequence, self._listed_at = sequence, None
        self.missing = {order["id"] for order in self.orders.values() if is_open(order)} - self._listed
        return True

    def _take(self, frame: Frame) -> None:
        for raw in frame.get("orders", ()):
            self.orders[raw["id"]] = with_decimals(raw)
        for raw in frame.get("fills", ()):
            self.fills[raw["trade_id"]] = with_decimals(raw)
        for raw in frame.get("balances", ()):
            self.balances[raw["asset"]] = with_decimals(raw)


def with_decimals(raw: Frame) -> Frame:
    """Return an order, a fill or a balance with its numbers as Decimals. Never make floats of them."""
    return {name: Decimal(value) if name in DECIMALS and value is not None else value for name, value in raw.items()}


def is_open(order: Frame) -> bool:
    return order["status"] in ("New", "PendingTrigger", "PartiallyFilled")
