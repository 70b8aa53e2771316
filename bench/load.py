"""Knock at the API's door: keep-alive connections on raw sockets, requests made beforehand, answers counted and timed.

The law: the load costs as little as it can and runs in a process of its own; each connection sends its next request as soon as
it has the answer to the last. Every answer is looked at: one that is not 2xx, and each refusal inside a batch, is an error
with a name. It ends in time, whatever the server does.

What is sent, and what the figures mean, is `service`'s.
"""

import json
import multiprocessing
import selectors
import socket
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any, NamedTuple

HOST = "127.0.0.1"
STALL_SECONDS_MAX = 30
READ_BYTES = 1 << 18
REFUSED_IN_BATCH = b'{"error":'


class LoadError(RuntimeError):
    """The server hung up, or does not answer."""


class Answer(NamedTuple):
    status: int
    body: bytes

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Read the body of a good answer. Raises LoadError for another."""
        if not self.is_good:
            raise LoadError(f"{self.status}: {self.body[:500].decode(errors='replace')}")
        return json.loads(self.body) if self.body else None


def request_bytes(method: str, path: str, *, token: str = "", body: object = None) -> bytes:
    """Write a request down."""
    content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    lines = [f"{method} /api/v1{path} HTTP/1.1", f"Host: {HOST}"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if content:
        lines.append("Content-Type: application/json")
    lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode() + content


class Connection:
    """A keep-alive connection with one request on its way at most."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=STALL_SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, request: bytes) -> None:
        self.socket.sendall(request)

    def read(self) -> Answer | None:
        """Read what has come; returns the answer once it is complete."""
        more = self.socket.recv(READ_BYTES)
        if not more:
            raise LoadError("The server hung up.")
        received = self._received
        received += more
        end_of_head = received.find(b"\r\n\r\n")
        if end_of_head < 0:
            return None
        begin = end_of_head + 4
        length = _content_length(bytes(received[:end_of_head]))
        if len(received) < begin + length:
            return None
        answer = Answer(int(received[9:12]), bytes(received[begin : begin + length]))
        received.clear()
        return answer

    def answer(self) -> Answer:
        """Wait for the answer."""
        while (answer := self.read()) is None:
            pass
        return answer

    def ask(self, method: str, path: str, *, token: str = "", body: object = None) -> Any:
        """Send a request and return the answer's JSON. Raises LoadError where it is not 2xx."""
        self.send(request_bytes(method, path, token=token, body=body))
        return self.answer().json()


def _content_length(head: bytes) -> int:
    name = b"\r\ncontent-length:"
    begin = head.lower().find(name)
    if begin < 0:
        raise LoadError("An answer without Content-Length.")
    return int(head[begin + len(name) :].split(b"\r\n", 1)[0])


@dataclass(frozen=True)
class Plan:
    """What to send: one list of requests for each connection, round and round until the time is up.

    With `whole_rounds` a connection that has begun a round sends it to the end.
    """

    port: int
    requests: Sequence[Sequence[bytes]]
    seconds: float
    whole_rounds: bool = False


@dataclass
class Outcome:
    """What came back. `seconds` is from the first request to the last answer, `latencies` are milliseconds.

    `began` is the clock of time.perf_counter, which all processes of a machine share.
    """

    answers: int = 0
    began: float = 0.0
    seconds: float = 0.0
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds if self.seconds else 0.0


def run_load(plan: Plan) -> Outcome:
    """Carry out a plan in a process of its own."""
    # A fork needs no second import of anything; this process has one thread.
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(plan, there), daemon=True)
    process.start()
    there.close()
    try:
        result: Outcome | str = here.recv()
    except EOFError:
        raise LoadError("The load's process ended early; what it printed above says why.") from None
    finally:
        process.kill()
        process.join()
    if isinstance(result, str):
        raise LoadError(result)
    return result


def _work(plan: Plan, pipe: "Pipe[Any, Any]") -> None:
    try:
        result: Outcome | str = _drive(plan)
    except (LoadError, OSError) as error:
        result = f"{type(error).__name__}: {error}"
    pipe.send(result)


class _Client:
    """A connection and where it is in its requests."""

    __slots__ = ("connection", "position", "requests", "sent_at")

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self.connection = Connection(port)
        self.requests = requests
        self.position = 0
        self.sent_at = 0.0

    def send_next(self) -> None:
        request = self.requests[self.position]
        self.position = (self.position + 1) % len(self.requests)
        self.sent_at = time.perf_counter()
        self.connection.send(request)


def _drive(plan: Plan) -> Outcome:
    clients = [_Client(plan.port, requests) for requests in plan.requests]
    outcome = Outcome()
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.connection.socket, selectors.EVENT_READ, client)
        begin = now = time.perf_counter()
        for client in clients:
            client.send_next()
        busy = len(clients)
        while busy:
            ready = selector.select(STALL_SECONDS_MAX)
            if not ready:
                raise LoadError(f"{busy} requests have had no answer for {STALL_SECONDS_MAX} seconds.")
            for key, _ in ready:
                client = key.data
                answer = client.connection.read()
                if answer is None:
                    continue
                now = time.perf_counter()
                outcome.latencies.append((now - client.sent_at) * 1000)
                _note_errors(answer, outcome.errors)
                if now - begin < plan.seconds or (plan.whole_rounds and client.position):
                    client.send_next()
                else:
                    busy -= 1
    outcome.answers = len(outcome.latencies)
    outcome.began, outcome.seconds = begin, now - begin
    return outcome


def _note_errors(answer: Answer, errors: Counter[str]) -> None:
    if not answer.is_good:
        errors[f"{answer.status} {answer.body[:300].decode(errors='replace')}"] += 1
    elif refused := answer.body.count(REFUSED_IN_BATCH):
        errors["refused within a batch"] += refused
