"""Talk to a running exchange as its users do: over sockets, and over REST beside them.

The law: nothing that a socket was sent is passed over; what a test does not wait for now is kept for when it does.
The exchange that all tests of sockets share is conftest.py's; books are kept by observer.py.
"""

import http.client
import json
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from itertools import count
from typing import Any, Self

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from exchange.tests.platform import Platform, parent_of

PASSWORD = "exchange-demo"
ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "admin@example.com"
PATIENCE = 30.0
"""A loaded machine is slow, not wrong."""

# The limits of the exchange that is shared: small, so that they are soon reached.
MESSAGES_PER_SECOND = 100
SUBSCRIPTIONS_MAX = 20
CONNECTIONS_MAX = 40
REQUESTS_WAITING_MAX = 160
SHUTDOWN_SECONDS = 1.0
STALL_SECONDS_MAX = 2.0
TAKING_SECONDS_MAX = 10.0
FRAME_BYTES_MAX = 1024 * 1024
FRAME_BYTES_BEFORE_AUTH = 16 * 1024

Json = dict[str, Any]


def url_of(platform: Platform) -> str:
    return f"ws://127.0.0.1:{platform.ports['FRONTEND_PORT']}/ws/v1"


class Client:
    """One socket. It reads whatever comes at once, so that it is never a slow reader."""

    def __init__(self, platform: Platform, email: str | None = None) -> None:
        self._open = ExitStack()
        self.socket = self._open.enter_context(
            connect(
                url_of(platform), max_size=None, max_queue=None, compression=None, ping_interval=None, close_timeout=1
            )
        )
        self._ids = count(1)
        self._kept: list[Json] = []
        self.account_id = 0
        if email is not None:
            self.account_id = self.ask("auth", token=token_of(platform, email))["account_id"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._open.close()

    def send(self, op: str, **content: Any) -> int:
        """Send a request; returns its id."""
        request_id = next(self._ids)
        self.socket.send(json.dumps({"op": op, "id": request_id, **content}))
        return request_id

    def ask(self, op: str, **content: Any) -> Json:
        return self.answer(self.send(op, **content))

    def answer(self, request_id: Any) -> Json:
        """Wait for the answer with this id."""
        return self.next(lambda frame: "op" in frame and frame.get("id") == request_id)

    def say(self, raw: str | bytes) -> Json:
        """Send a frame as it is; returns the next answer of any kind."""
        self.socket.send(raw)
        return self.next(lambda frame: "op" in frame)

    def subscribe(self, *channels: str, **content: Any) -> None:
        answer = self.ask("subscribe", channels=list(channels), **content)
        assert answer["op"] == "subscribed", answer

    def next(self, wanted: str | Callable[[Json], object] = lambda _: True, patience: float = PATIENCE) -> Json:
        """Wait for the next frame of a channel, or that fits; what comes before it is kept."""
        fits = wanted if callable(wanted) else lambda frame: frame.get("channel") == wanted
        for n, frame in enumerate(self._kept):
            if fits(frame):
                return self._kept.pop(n)
        deadline = time.monotonic() + patience
        while True:
            frame = json.loads(self.socket.recv(max(0.0, deadline - time.monotonic())))
            if fits(frame):
                return frame
            self._kept.append(frame)

    def gather(self, channel: str, seconds: float) -> list[Json]:
        """Return what comes of a channel, until nothing has for so long."""
        gathered = []
        while True:
            try:
                gathered.append(self.next(channel, seconds))
            except TimeoutError:
                return gathered

    def closed(self) -> tuple[int, str]:
        """Wait until it is closed from the other side; returns why."""
        with pytest.raises(ConnectionClosed) as closed:
            self.next(lambda _: False)
        assert closed.value.rcvd is not None, "cut without a word"
        return closed.value.rcvd.code, closed.value.rcvd.reason


_tokens: dict[tuple[str, str], str] = {}


def token_of(platform: Platform, email: str) -> str:
    """Sign in, once for each platform."""
    key = platform.ports["API_PORT"], email
    if key not in _tokens:
        _tokens[key] = rest(platform, "POST", "/auth/token", body={"email": email, "password": PASSWORD})["access"]
    return _tokens[key]


def rest(platform: Platform, method: str, path: str, email: str | None = None, body: Any = None) -> Any:
    """Ask the API; returns what it answers, whatever the status."""
    headers = {"Content-Type": "application/json"}
    if email is not None:
        headers["Authorization"] = f"Bearer {token_of(platform, email)}"
    with closing(http.client.HTTPConnection("127.0.0.1", int(platform.ports["API_PORT"]), timeout=PATIENCE)) as server:
        server.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
        text = server.getresponse().read()
        return json.loads(text) if text else None


def order(side: str, quantity: str, price: str, *, symbol: str, **more: Any) -> Json:
    return {
        "symbol": symbol,
        "side": side,
        "order_type": "Limit",
        "quantity": quantity,
        "price": price,
        **more,
    }


def written(value: Any) -> str:
    """Write JSON with its names in the order in which they came: two of the same text are the same byte for byte."""
    return json.dumps(value)


def worker_of(platform: Platform) -> int:
    """Find the process that serves sockets: the web server's one child."""
    servers = platform.processes("asgi")
    (pid,) = [pid for pid in servers if parent_of(pid) in servers]
    return pid
