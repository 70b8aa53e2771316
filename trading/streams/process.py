"""Hold what the sockets of one process share, from its first socket to its end.

The law: one hub, one desk and one event loop a process. Who is connected is known, so that all can be told that the process is about to
end, and so that a user who is deactivated, or a key that is revoked, is good for a minute at most.
"""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from typing import Protocol

import structlog
from django.conf import settings

from accounts.addresses import Address
from accounts.api_keys import still_valid
from accounts.callers import Trader
from trading.streams import meters
from trading.streams.asking import ask
from trading.streams.entry import OrderEntry
from trading.streams.hub import Hub
from trading.streams.outbox import GOING_AWAY, SLOW_READER, Frame, Outbox, frame

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
LATE_SECONDS = 1.0
RECHECK_SECONDS = 60.0
CLOSE_SECONDS = 1.0
"""At the end, sockets get so long to take their close, and their orders to be canceled; leases do that otherwise."""
NOT_VALID = 4001
SILENT = 4010


class Connected(Protocol):
    """A socket, as far as this is concerned."""

    @property
    def trader(self) -> Trader | None: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def address(self) -> Address | None: ...

    def is_silent(self) -> bool: ...


class Process:
    """What this process streams, and to whom."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.entry = OrderEntry()
        self._sockets: set[Connected] = set()
        self._from: Counter[Address | None] = Counter()
        self._ending_in: float | None = None
        self._tasks = [asyncio.ensure_future(self._recheck()), asyncio.ensure_future(self._drop())]

    def join(self, socket: Connected) -> bool:
        """Add a socket; tells whether there was room. One that comes while the process ends is told so."""
        if (
            len(self._sockets) >= settings.WS_CONNECTIONS_MAX
            or self._from[socket.address] >= settings.WS_CONNECTIONS_PER_ADDRESS
        ):
            return False
        self._sockets.add(socket)
        meters.sockets.inc()
        self._from[socket.address] += 1
        if self._ending_in is not None:
            socket.outbox.push(_notice(self._ending_in))
        return True

    def leave(self, socket: Connected) -> None:
        if socket in self._sockets:
            self._sockets.remove(socket)
            meters.sockets.dec()
            self._from[socket.address] -= 1
            if not self._from[socket.address]:
                del self._from[socket.address]

    is_valid = staticmethod(still_valid)

    async def end(self, seconds: float) -> None:
        """Tell all sockets that the process ends in so many seconds, then close them; at once where there are none."""
        self._ending_in = seconds
        for socket in self._sockets:
            socket.outbox.push(_notice(seconds))
        deadline = asyncio.get_running_loop().time() + seconds
        while self._sockets and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
        for socket in [*self._sockets]:
            socket.outbox.close(GOING_AWAY, "the server shuts down; connect again")
        deadline += CLOSE_SECONDS
        while self._sockets and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self.entry.stop()
        await self.hub.stop()

    async def _drop(self) -> None:
        """Drop the sockets that take nothing more, or say nothing more where that is to cancel orders."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(LOOK_SECONDS)
            now = time.monotonic()
            if now - before > LOOK_SECONDS + LATE_SECONDS:
                continue  # it was this loop that stood still, and no socket's fault
            for socket in [*self._sockets]:
                if socket.outbox.is_slow(now):
                    socket.outbox.close(SLOW_READER, "slow reader: what was sent was not taken for seconds")
                if socket.is_silent():
                    socket.outbox.close(SILENT, "nothing was heard for long from a socket that cancels on disconnect")

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            by_trader: dict[Trader, list[Connected]] = {}
            for socket in self._sockets:
                if socket.trader is not None:
                    by_trader.setdefault(socket.trader, []).append(socket)
            for trader, sockets in by_trader.items():
                try:
                    is_valid = await ask(still_valid, trader)
                except Exception:
                    log.exception("caller_not_rechecked")
                    continue
                if not is_valid:
                    for socket in sockets:
                        socket.outbox.close(NOT_VALID, "the user or the key is no longer valid")


def _notice(seconds: float) -> Frame:
    return frame({"op": "server_shutdown", "in_seconds": seconds})


_process: Process | None = None


def process() -> Process:
    """Return this process's; it begins with the first call, which must be from inside the event loop."""
    global _process  # noqa: PLW0603  one a process
    if _process is None:
        _process = Process()
    return _process


async def end_process(seconds: float) -> None:
    """End what has begun, if anything has."""
    if _process is not None:
        await _process.end(seconds)
