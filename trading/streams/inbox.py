"""Hear one socket, until it goes or is dropped.

The law: whoever drops a socket stops listening to it first, for the web server sends no close while something waits for a message
(it holds the connection meanwhile), and a client that keeps silent would never learn why nothing comes any more.
What is sent is outbox.py's.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]


class Inbox:
    """What one socket says, message by message."""

    __slots__ = ("_hearing", "_receive", "_stopped")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._hearing: asyncio.Future[dict[str, Any]] | None = None
        self._stopped = asyncio.Event()

    async def hear(self) -> dict[str, Any] | None:
        """Wait for a message; None once the socket has gone, or nobody is to listen to it any more."""
        if self._stopped.is_set():
            return None
        self._hearing = asyncio.ensure_future(self._receive())
        try:
            message = await self._hearing
        except asyncio.CancelledError:
            if self._stopped.is_set():
                return None
            raise
        return None if message["type"] == "websocket.disconnect" else message

    def stop(self) -> None:
        """Listen no more, from now on."""
        self._stopped.set()
        if self._hearing is not None:
            self._hearing.cancel()
