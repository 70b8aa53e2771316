"""Route sockets, and tell them in time that this server process is to end.

The law: on SIGTERM sockets are told, and get some seconds to go; only then does the web server stop, which would cut them at once.
Who takes nothing of what was sent is cut by the system in the end, for the web server waits for ever until it can say goodbye.
What sockets may do is trading/streams/socket.py's.
"""

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

from django.conf import settings

from trading.streams.process import end_process
from trading.streams.socket import Socket

PATH = "/ws/v1"
LOOK_SECONDS = 0.1
_serve_socket = Socket.as_asgi()


async def route_socket(scope: Any, receive: Any, send: Any) -> None:
    """Serve a socket at its path, and turn it away at any other: closed before it was accepted, it gets a 403."""
    if scope["path"].rstrip("/") == PATH:
        await _serve_socket(scope, receive, send)
    else:
        await receive()
        await send({"type": "websocket.close"})


async def lifespan(_scope: Any, receive: Any, send: Any) -> None:
    """Begin and end with the web server's worker process."""
    await receive()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _begin_to_end)
    await send({"type": "lifespan.startup.complete"})
    limiting = asyncio.ensure_future(_limit_taking())
    await receive()
    limiting.cancel()
    await send({"type": "lifespan.shutdown.complete"})


async def _limit_taking() -> None:
    """Let the system cut who takes nothing for long. Connections have that from the socket that listens, once it does."""
    while not any(_limit(int(file.name)) for file in [*Path("/proc/self/fd").iterdir()]):
        await asyncio.sleep(LOOK_SECONDS)


def _limit(number: int) -> bool:
    """Set the limit where this file is a socket that listens: one is the web server's own, which it shows to nobody."""
    try:
        one = socket.socket(fileno=number)
    except OSError:
        return False
    try:
        if one.family == socket.AF_UNIX or not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return False
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(settings.WS_TAKING_SECONDS_MAX * 1000))
        return True
    finally:
        one.detach()  # it stays the web server's; a copy of it would make it wait, which it must not


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
