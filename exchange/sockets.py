"""Route sockets, and tell them in time that this server process is to end.

The law: on SIGTERM sockets are told, and get some seconds to go; only then does the web server stop, which would cut them at once.
What sockets may do is trading/streams/socket.py's.
"""

import asyncio
import os
import signal
from typing import Any

from django.conf import settings

from trading.streams.process import end_process
from trading.streams.socket import Socket

PATH = "/ws/v1"
_serve_socket = Socket.as_asgi()


async def route_socket(scope: Any, receive: Any, send: Any) -> None:
    """Serve a socket at its path, and turn it away at any other: closed before it was accepted, it gets a 403."""
    if scope["path"].rstrip("/") == PATH:
        await _serve_socket(scope, receive, send)
    else:
        await receive()
        await send({"type": "websocket.close"})


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """Begin and end with the web server's worker process."""
    await receive()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _begin_to_end)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


_ending: set[asyncio.Task[None]] = set()


def _begin_to_end() -> None:
    if not _ending:
        _ending.add(asyncio.ensure_future(_end()))


async def _end() -> None:
    try:
        await end_process(settings.WS_SHUTDOWN_SECONDS)
    finally:
        # The server's own handler of SIGTERM was replaced; the one of SIGINT, which does the same, was not.
        os.kill(os.getpid(), signal.SIGINT)
