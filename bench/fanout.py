"""Measure how one book reaches very many subscribers of one process: how much, how late, and what it costs.

The law: a commit's lag is the time from when the matching worker has committed it, by what the worker itself says, until the first frame that
has it has come to a socket; it is taken of every commit and every socket, and one that never came is an error. The yardstick, a bare
Granian and Channels that sends frames of the same size as often to as many sockets, stands beside it in the same run.

The sockets are `listeners`', in a process of their own; the platform is `venue`'s.
"""

import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import redis

from bench.cpu import TICKS_PER_SECOND
from bench.figures import percentile, short, table
from bench.listeners import HANDSHAKE, masked
from bench.load import Connection
from bench.machine import PROJECT
from bench.traders import Traders, limit_order
from bench.venue import Venue, VenueError, running_venue, temporary_folder

SUBSCRIBERS = (1_000, 2_000)
UPDATES_PER_SECOND = 20
SECONDS = 10.0
QUICK_SUBSCRIBERS = (50,)
QUICK_SECONDS = 1.0
SYMBOL = "REST/USD"
SETTLE_SECONDS = 3.0
CATCH_UP_SECONDS = 0.5
TRADERS = 4
ECHO_FRAME_BYTES = 210
"""About what a delta of one level has."""

MANY_FILES = 'ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$@"'

STREAM = "stream"
HEAD = (
    "",
    "sockets",
    "updates/s",
    "frames/s",
    "p50 ms",
    "p99 ms",
    "most ms",
    "CPU of a core",
    "µs a frame",
    "kB a socket",
)


class Sample(NamedTuple):
    what: str
    sockets: int
    updates: float
    frames: float
    lags: Sequence[float]
    cpu: float
    memory: float
    missing: int

    def row(self) -> list[str]:
        lags = [f"{percentile(self.lags, percent) * 1000:.1f}" for percent in (50, 99, 100)] if self.lags else ["-"] * 3
        cost = f"{self.cpu / self.frames * 1e6:.1f}" if self.frames else "-"
        cells = [self.what, f"{self.sockets:,}", short(self.updates), short(self.frames)]
        return [*cells, *lags, f"{self.cpu:.2f}", cost, short(self.memory / 1024)]


def run(subscribers: Sequence[int] = SUBSCRIBERS, seconds: float = SECONDS) -> int:
    """Measure and print; returns how much went wrong."""
    samples = []
    with temporary_folder() as folder, running_venue(folder, traders=TRADERS) as venue:
        market = Market(venue)
        for sockets in subscribers:
            print(f"{sockets:,} sockets", file=sys.stderr)
            samples.append(measure_stream(venue, market, sockets, seconds))
            with echo_server() as echo:
                samples.append(measure_echo(echo, sockets, seconds))
        faults = venue.faults_in_logs()
    print(f"\nFan-out of one book in one process, {UPDATES_PER_SECOND} updates a second for {seconds:g} s.\n")
    print(table(HEAD, [sample.row() for sample in samples]))
    for fault in faults:
        print(f"*** in the logs: {fault}")
    missing = sum(sample.missing for sample in samples if sample.what == STREAM)
    print(
        f"\n*** {missing} COMMITS NEVER CAME ***" if missing else "\nEvery commit came to every socket of the stream."
    )
    for sample in samples:
        if sample.what != STREAM and sample.missing:
            print(
                f"The {sample.what} with {sample.sockets:,} sockets fell behind: {sample.missing} frames had not come by the end."
            )
    return missing + len(faults)


# -- the stream ----------------------------------------------------------------------------------------


class Market:
    """Makes one commit at a time: an order, or the end of one."""

    def __init__(self, venue: Venue) -> None:
        self._connection = Connection(venue.port)
        self._traders = Traders(venue.port, TRADERS)
        self._open: list[int] = []
        self._random = random.Random(1)

    def change(self) -> None:
        if len(self._open) >= 20:
            order_id = self._open.pop(self._random.randrange(len(self._open)))
            self._ask("DELETE", f"/orders/{order_id}")
        else:
            price = f"{49_000 + self._random.randint(0, 500)}.00"
            body = limit_order(SYMBOL, buys=True, price=price)
            self._open.append(self._ask("POST", "/orders", body)["id"])

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        self._connection.send(self._traders.request(0, method, path, body))
        while (answer := self._connection.read()) is None:
            pass
        return answer.json()


def measure_stream(venue: Venue, market: Market, sockets: int, seconds: float) -> Sample:
    pid = _worker_of("exchange.asgi:application", venue.frontend_port)
    subscribe = json.dumps({"op": "subscribe", "channels": [f"book:{SYMBOL.replace('/', '-')}"]})
    empty = _memory(pid)
    with listening(venue.frontend_port, sockets, subscribe) as listeners:
        time.sleep(SETTLE_SECONDS)
        memory = _memory(pid) - empty
        market_id = venue.markets[SYMBOL]
        first = int(venue.value("SELECT last_sequence FROM market_states WHERE market_id = %s", market_id))
        cpu, began = _cpu(pid), time.monotonic()
        _each(seconds, market.change)
        venue.drain()
        time.sleep(CATCH_UP_SECONDS)
        took = time.monotonic() - began - CATCH_UP_SECONDS
        cpu = _cpu(pid) - cpu
    commits = [commit for commit in _commits(venue.redis_url, market_id) if commit[1] > first]
    return _sample(STREAM, listeners, commits, took, cpu, memory)


def _commits(redis_url: str, market_id: int) -> list[tuple[float, int]]:
    """Read from the feed when which sequence of a market was committed."""
    found = []
    entries: Any = redis.Redis.from_url(redis_url).xrange("feed")
    for _, fields in entries:
        markets, _, at = msgspec.msgpack.decode(fields[b"news"])
        found += [(at / 1e6, sequence) for number, _, sequence, *_ in markets if number == market_id]
    return found


# -- the yardstick -------------------------------------------------------------------------------------


@contextmanager
def echo_server() -> Iterator[int]:
    """Run the bare fan-out; yields its port."""
    with _free_port() as port:
        pass
    command = "-m granian --interface asginl bench.echo:application --workers 1 --workers-kill-timeout 1 --backlog 4096"
    process = subprocess.Popen(
        [sys.executable, *command.split(), "--port", str(port), "--no-log"], cwd=PROJECT, stderr=subprocess.DEVNULL
    )
    try:
        _wait_until_open(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def measure_echo(port: int, sockets: int, seconds: float) -> Sample:
    pid = _worker_of("bench.echo:application", port)
    empty = _memory(pid)
    sent: list[tuple[float, int]] = []
    with listening(port, sockets, "") as listeners, Sender(port) as sender:
        time.sleep(SETTLE_SECONDS)
        memory = _memory(pid) - empty

        def send() -> None:
            text = f'{{"sequence":{len(sent) + 1},'
            sent.append((time.time(), len(sent) + 1))
            sender.send((text + '"x":"').ljust(ECHO_FRAME_BYTES - 2, "x") + '"}')

        cpu, began = _cpu(pid), time.monotonic()
        _each(seconds, send)
        time.sleep(CATCH_UP_SECONDS)
        took = time.monotonic() - began - CATCH_UP_SECONDS
        cpu = _cpu(pid) - cpu
    return _sample("bare echo", listeners, sent, took, cpu, memory)


class Sender:
    """A socket that sends, and drops what comes."""

    def __init__(self, port: int) -> None:
        self._socket = Connection(port).socket
        self._socket.sendall(HANDSHAKE)
        if b" 101 " not in self._socket.recv(4096):
            raise VenueError("The bare fan-out takes no socket.")
        self._socket.settimeout(0)

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, text: str) -> None:
        with suppress(BlockingIOError):
            self._socket.recv(1 << 20)
        self._socket.sendall(masked(text.encode()))


# -- what both have ------------------------------------------------------------------------------------


Came = tuple["array[float]", "array[int]"]


@dataclass
class Listeners:
    """What came to each socket, once it is over: when, and of which sequence."""

    came: list[Came]


@contextmanager
def listening(port: int, sockets: int, first: str) -> Iterator[Listeners]:
    """Connect so many sockets for the time of the block; after it, it is known what came."""
    listeners = Listeners([])
    with tempfile.NamedTemporaryFile() as file:
        process = subprocess.Popen(
            ["sh", "-c", MANY_FILES, "sh", sys.executable, "-m", "bench.listeners", str(port), str(sockets), first],
            cwd=PROJECT,
            env={**os.environ, "LISTENERS_FILE": file.name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise VenueError(f"{sockets} sockets could not be connected.")
            yield listeners
        finally:
            process.communicate()
        listeners.came = list(_read(Path(file.name).read_bytes()))


def _read(raw: bytes) -> Iterator[Came]:
    at = 0
    while at < len(raw):
        (count,) = struct.unpack_from(">I", raw, at)
        times, sequences = array("d"), array("q")
        times.frombytes(raw[at + 4 : at + 4 + 8 * count])
        sequences.frombytes(raw[at + 4 + 8 * count : at + 4 + 16 * count])
        yield times, sequences
        at += 4 + 16 * count


def _sample(
    what: str, listeners: Listeners, commits: Sequence[tuple[float, int]], took: float, cpu: float, memory: float
) -> Sample:
    """Take each commit's lag at each socket: until the first frame that has it, for a frame may have several."""
    lags, missing, frames = [], 0, 0
    for times, sequences in listeners.came:
        frames += sum(1 for sequence in sequences if sequence >= commits[0][1])
        for committed, sequence in commits:
            at = bisect_left(sequences, sequence)
            if at == len(sequences):
                missing += 1
            else:
                lags.append(times[at] - committed)
    sockets = len(listeners.came)
    return Sample(what, sockets, len(commits) / took, frames / took, lags, cpu / took, memory / sockets, missing)


def _each(seconds: float, act: Any) -> None:
    """Act so often a second, for so long; where it takes longer than its share, as often as it goes."""
    due = time.monotonic()
    end = due + seconds
    while due < end:
        time.sleep(max(0.0, due - time.monotonic()))
        act()
        due = max(due + 1 / UPDATES_PER_SECOND, time.monotonic() - 1 / UPDATES_PER_SECOND)


def _worker_of(word: str, port: int) -> int:
    """Find the web server's worker process: the child of the one that was given this application and port."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = process.joinpath("cmdline").read_bytes().split(b"\0")
            if word.encode() in command and str(port).encode() in command:
                children = process.joinpath(f"task/{process.name}/children").read_text().split()
                for child in map(int, children):
                    if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes() or len(children) == 1:
                        return child
        except OSError:
            continue
    raise VenueError(f"{word} does not run.")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def _memory(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * float(os.sysconf("SC_PAGE_SIZE"))


@contextmanager
def _free_port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield int(probe.getsockname()[1])


def _wait_until_open(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            Connection(port).socket.close()
        except OSError:
            if time.monotonic() > deadline:
                raise VenueError("The bare fan-out does not come up.") from None
            time.sleep(0.1)
        else:
            return
