"""Follow markets and an account over sockets, as a program that trusts nothing would.

The law: a delta must begin where the book stands, and each checksum must be that of the book that was made of it; an account's events
must come one after another, each once, over all connections together. What is wrong is raised at once.
This knows nothing of the exchange's own code.
"""

import asyncio
import json
from binascii import crc32
from decimal import Decimal
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect

RETRY_SECONDS = 0.1


class Book:
    """A market's book, made of a snapshot and deltas."""

    def __init__(self) -> None:
        self.sequence = -1
        self.sides: dict[str, dict[Decimal, str]] = {"bids": {}, "asks": {}}
        self.snapshots = 0
        self.deltas = 0

    def take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "snapshot":
            self.snapshots += 1
            assert frame["sequence"] >= self.sequence, "a snapshot is not older than what was known"
            for side in self.sides.values():
                side.clear()
        else:
            self.deltas += 1
            assert frame["previous_sequence"] == self.sequence, "a delta begins where the book stands"
            assert frame["sequence"] > self.sequence
        self.sequence = frame["sequence"]
        for name, side in self.sides.items():
            for price, quantity in frame[name]:
                if Decimal(quantity):
                    side[Decimal(price)] = quantity
                else:
                    side.pop(Decimal(price), None)
        assert self.checksum() == frame["checksum"], f"checksum at {self.sequence}"

    def levels(self, name: str) -> list[tuple[Decimal, Decimal]]:
        prices = sorted(self.sides[name], reverse=name == "bids")
        return [(price, Decimal(self.sides[name][price])) for price in prices]

    def checksum(self) -> int:
        digits = ""
        for name in ("asks", "bids"):
            for price in sorted(self.sides[name], reverse=name == "bids")[:10]:
                for number in (f"{price:f}", self.sides[name][price]):
                    digits += number.replace(".", "").lstrip("0")
        return crc32(digits.encode())


class Observer:
    """Keeps the books of some markets, and what an account is told. Runs until it is stopped; connects again whenever it is cut."""

    def __init__(self, port: str, symbols: list[str], token: str) -> None:
        self._url = f"ws://127.0.0.1:{port}/ws/v1"
        self._token = token
        self.books = {symbol: Book() for symbol in symbols}
        self.trades: dict[str, list[int]] = {symbol: [] for symbol in symbols}
        self.told: dict[int, tuple[str, list[Any]]] = {}
        self.account_sequence: int | None = None
        self.connections = 0

    async def follow_markets(self) -> None:
        channels = [f"{kind}:{symbol.replace('/', '-')}" for symbol in self.books for kind in ("book", "trades")]
        await self._keep_connected(self._subscribe_markets(channels), self._take_market)

    async def follow_account(self) -> None:
        await self._keep_connected(self._subscribe_account, self._take_account)

    def _subscribe_markets(self, channels: list[str]):
        async def subscribe(socket: ClientConnection) -> None:
            for book in self.books.values():
                book.sequence = -1
            await socket.send(json.dumps({"op": "subscribe", "channels": channels}))

        return subscribe

    async def _subscribe_account(self, socket: ClientConnection) -> None:
        await socket.send(json.dumps({"op": "auth", "token": self._token}))
        request: dict[str, Any] = {"op": "subscribe", "channels": ["orders", "fills", "balances"]}
        if self.account_sequence is not None:
            request["resume_from"] = self.account_sequence
        await socket.send(json.dumps(request))

    async def _keep_connected(self, subscribe, take) -> None:
        while True:
            try:
                async with connect(self._url, max_size=None, max_queue=None, ping_interval=None) as socket:
                    self.connections += 1
                    await subscribe(socket)
                    async for text in socket:
                        take(json.loads(text))
            except (OSError, websockets.WebSocketException):
                pass
            await asyncio.sleep(RETRY_SECONDS)

    def _take_market(self, frame: dict[str, Any]) -> None:
        assert frame.get("op") != "error", frame
        kind, _, symbol = frame.get("channel", "").partition(":")
        if kind == "book":
            self.books[symbol.replace("-", "/")].take(frame)
        elif kind == "trades":
            self.trades[symbol.replace("-", "/")] += [trade["id"] for trade in frame["trades"]]

    def _take_account(self, frame: dict[str, Any]) -> None:
        assert frame.get("op") != "error", frame
        if frame.get("type") == "snapshot":
            assert self.account_sequence is None, "whoever resumes in time gets no snapshot"
            self.account_sequence = frame["account_sequence"]
        elif "account_sequence" in frame:
            assert self.account_sequence is not None
            assert frame["account_sequence"] == self.account_sequence + 1, "an account's events have no gap"
            self.account_sequence += 1
            self.told[self.account_sequence] = (frame["channel"], frame[frame["channel"]])
