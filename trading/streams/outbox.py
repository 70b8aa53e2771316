"""Send to one socket, without ever waiting for it.

The law: a frame is encoded once and shared by all sockets that get it; what waits for one socket is bounded, in frames and bytes.
A socket that does not keep up is dropped with a reason, and what waited for it is forgotten; nobody else notices. One that does not
even take the reason is cut, by the system (exchange/sockets.py).
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
import structlog
from django.conf import settings

from trading.streams import meters

log = structlog.get_logger(__name__)

FRAMES_MAX = 10_000
BYTES_MAX = 64 * 1024 * 1024
"""Of frames that others share, mostly: what waits for many sockets is there once."""

ROOM_FRAMES = 250
ROOM_BYTES = 1024 * 1024
"""Whoever can wait, since what they send is kept somewhere, sends on when less than this is waiting."""

LATE_STALLS = 3

SLOW_READER = 4008
GOING_AWAY = 1001

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Frame(NamedTuple):
    """A text frame as ASGI wants it, and its size in bytes."""

    message: dict[str, Any]
    size: int


def frame(content: Any) -> Frame:
    """Encode a message as JSON."""
    return text_frame(msgspec.json.encode(content))


def text_frame(encoded: bytes) -> Frame:
    return Frame({"type": "websocket.send", "text": encoded.decode()}, len(encoded))


class Outbox:
    """What waits to be sent to one socket. `closed` once it has been dropped or has gone."""

    __slots__ = (
        "_bytes", "_closing", "_frames", "_room", "_send", "_sending_since", "_stop", "_task", "_waiter", "closed",
    )  # fmt: skip

    def __init__(self, send: Send, stop: Callable[[], None]) -> None:
        """`stop` is called when the socket is dropped: nothing is to listen to it any more."""
        self._send = send
        self._stop = stop
        self._frames: deque[tuple[Frame, float]] = deque()
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._room: list[asyncio.Future[None]] = []
        self._closing: dict[str, Any] | None = None
        self._sending_since: float | None = None
        self._task: asyncio.Task[None] | None = None
        self.closed = False

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._write())

    def push(self, frame: Frame) -> None:
        """Send a frame as soon as the socket takes it; drop a socket that has too much waiting."""
        if self.closed:
            return
        self._frames.append((frame, time.monotonic()))
        self._bytes += frame.size
        if len(self._frames) > FRAMES_MAX or (self._bytes > BYTES_MAX and len(self._frames) > 1):
            self.close(SLOW_READER, f"slow reader: {len(self._frames)} frames, {self._bytes} bytes wait")
        else:
            self._wake()

    def close(self, code: int, reason: str) -> None:
        """Drop the socket: it gets the reason if it takes anything more, and nothing else."""
        if self.closed:
            return
        self.closed = True
        meters.closes.labels(str(code)).inc()
        self._forget()
        self._closing = {"type": "websocket.close", "code": code, "reason": reason[:120]}
        self._stop()
        self._wake()

    def is_slow(self, now: float) -> bool:
        """Tell whether the socket has not taken a frame for long, or gets what is long past (time.monotonic)."""
        stall = settings.WS_STALL_SECONDS_MAX
        if self._sending_since is not None and now - self._sending_since > stall:
            return True
        return bool(self._frames) and now - self._frames[0][1] > LATE_STALLS * stall

    @property
    def has_room(self) -> bool:
        return len(self._frames) < ROOM_FRAMES and self._bytes < ROOM_BYTES

    async def room(self) -> None:
        """Wait until little is waiting, or the socket is dropped."""
        while not (self.has_room or self.closed):
            waiting = asyncio.get_running_loop().create_future()
            self._room.append(waiting)
            await waiting

    async def end(self) -> None:
        """Send what is being sent, and the reason why the socket is dropped, if it is; then nothing more.

        That takes as long as the system lets the other side take it. What is broken off instead leaves the web server with a
        connection that it never closes.
        """
        self.closed = True
        self._forget()
        self._wake()
        if self._task is not None:
            await asyncio.wait([self._task])

    def _forget(self) -> None:
        self._frames.clear()
        self._bytes = 0
        self._tell_of_room()

    def _tell_of_room(self) -> None:
        if self._room:
            waiting, self._room = self._room, []
            for one in waiting:
                if not one.done():
                    one.set_result(None)

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            waiter.set_result(None)

    async def _write(self) -> None:
        try:
            await self._write_on()
        except Exception as error:  # noqa: BLE001  whatever the web server says of a socket that has gone; it is heard of elsewhere
            log.debug("socket_has_gone", error=str(error))
            self.closed = True
            self._forget()

    async def _write_on(self) -> None:
        loop = asyncio.get_running_loop()
        frames = self._frames
        while True:
            sent = 0
            while frames:
                (message, size), _ = frames.popleft()
                self._bytes -= size
                if self._room and self.has_room:
                    self._tell_of_room()
                self._sending_since = time.monotonic()
                await self._send(message)
                sent += 1
            if sent:
                meters.frames.inc(sent)
            self._sending_since = None
            if self._closing is not None:
                await self._send(self._closing)
            if self.closed:
                return
            self._waiter = loop.create_future()
            await self._waiter
