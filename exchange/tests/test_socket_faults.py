"""What goes wrong around a socket: readers that do not read, a feed that keeps silent.

The law: who does not keep up is dropped and told why; what waits for them is bounded, and nobody else notices. What the feed has
left out is told within seconds, though nothing follows.
Processes that are killed are test_streams.py's and test_socket_orders.py's.
"""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from exchange.tests.observer import Book
from exchange.tests.platform import Platform, wait_for
from exchange.tests.scraping import value
from exchange.tests.sockets import (
    ALICE,
    BOB,
    PATIENCE,
    Client,
    Json,
    order,
    rest,
    token_of,
    url_of,
    worker_of,
)

READERS = 20
LEVELS = 4000


@pytest.fixture(scope="module", autouse=True)
def _deep_book(platform):
    for first in range(1, LEVELS, 1000):
        bodies = [order("Buy", f"0.{n:05}", f"{1_000 + n}.25", symbol="BTC/USD") for n in range(first, first + 1000)]
        assert "results" in rest(platform, "POST", "/orders/batch?wait=5000", ALICE, {"orders": bodies})
    yield
    rest(platform, "DELETE", "/orders", ALICE)
    rest(platform, "DELETE", "/orders", BOB)


@contextmanager
def deaf_reader(platform: Platform) -> Iterator[ClientConnection]:
    """Connect, and read nothing but what is asked for; the system keeps as little as it can."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", int(platform.ports["FRONTEND_PORT"])))
    with connect(
        url_of(platform), sock=raw, max_size=None, max_queue=1, compression=None, ping_interval=None, close_timeout=0.1
    ) as reader:
        yield reader


def ask_for_much(platform: Platform, *readers: ClientConnection) -> None:
    """Ask for some 10 MB of refusals each, far more than the system keeps."""
    token = token_of(platform, BOB)
    for reader in readers:
        reader.send(json.dumps({"op": "auth", "token": token}))
        reader.recv(PATIENCE)
        for _ in range(16):
            reader.send(json.dumps({"op": "place_batch", "orders": [{}] * 1000}))


def dropped(platform: Platform) -> float:
    """Count the slow readers that were dropped."""
    return value(platform, "frontend", "websocket_closes_total", code="4008") or 0


def memory_of(pid: int) -> int:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) // 1024


def connections_of(platform: Platform) -> int:
    """Count the connections that the server still holds, as the system sees them."""
    port = f":{int(platform.ports['FRONTEND_PORT']):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(local.endswith(port) and state in ("01", "04", "08") for _, local, _, state, *_ in rows)


def churn(platform: Platform, rounds: int) -> None:
    """Fill and empty one side of the book."""
    with Client(platform, BOB) as bob:
        for n in range(rounds):
            bodies = [
                order("Sell", f"0.{n + 1:05}", f"{50_000 + m}.00", symbol="BTC/USD", time_in_force="GTC")
                for m in range(250)
            ]
            answer = bob.ask("place_batch", orders=bodies)
            assert answer["op"] == "batch_placed", answer
            bob.ask("cancel_all", symbol="BTC/USD")


def follow_to_the_end(platform: Platform, client: Client) -> Book:
    shown = rest(platform, "GET", "/markets/BTC-USD/book?depth=1000")
    book = Book()
    while book.sequence < shown["sequence"]:
        book.take(client.next("book:BTC-USD"))
    assert book.sequence == shown["sequence"]
    for side in ("bids", "asks"):
        assert [f"{price:f}" for price, _ in book.levels(side)][:1000] == [price for price, _ in shown[side]]
    return book


def test_reader_that_takes_nothing_is_dropped_with_a_reason_and_nobody_else_notices(platform):
    pid = worker_of(platform)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(platform)) for _ in range(READERS)]
        for client in clients:
            client.subscribe("book:BTC-USD")
        churn(platform, 2)
        before, was_dropped = memory_of(pid), dropped(platform)
        deaf = stack.enter_context(deaf_reader(platform))
        ask_for_much(platform, deaf)
        wait_for(lambda: dropped(platform) > was_dropped, "it is dropped")
        churn(platform, 20)
        platform.wait_until_taken()
        for client in clients:
            book = follow_to_the_end(platform, client)
            assert book.snapshots == 1
        assert memory_of(pid) - before < 60
        assert worker_of(platform) == pid


def test_reader_that_reads_again_in_time_learns_why_it_was_dropped(platform):
    was_dropped = dropped(platform)
    with deaf_reader(platform) as deaf:
        ask_for_much(platform, deaf)
        wait_for(lambda: dropped(platform) > was_dropped, "it is dropped")
        with pytest.raises(ConnectionClosed) as closed:
            _read_on(deaf)
    assert closed.value.rcvd.code == 4008
    assert "slow reader" in closed.value.rcvd.reason


def _read_on(reader: ClientConnection) -> None:
    while True:
        reader.recv(30)


def test_connection_of_a_reader_that_never_reads_again_is_given_up(platform):
    wait_for(lambda: connections_of(platform) == 0, "nobody is left of another test")
    with ExitStack() as stack:
        ask_for_much(platform, *(stack.enter_context(deaf_reader(platform)) for _ in range(2)))
        assert connections_of(platform) == 2
        wait_for(lambda: connections_of(platform) == 0, "the connections are gone")


def test_many_who_are_cut_leave_nothing_behind(platform):
    pid = worker_of(platform)
    before, said = memory_of(pid), len(platform.log("frontend"))
    for _ in range(10):
        with ExitStack() as stack:
            for _ in range(10):
                client = stack.enter_context(Client(platform))
                client.send("subscribe", channels=["book:BTC-USD", "trades:BTC-USD", "candles.1m:BTC-USD"])
                client.socket.socket.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: connections_of(platform) == 0, "the connections are gone")
    assert memory_of(pid) - before < 40
    assert "Traceback" not in platform.log("frontend")[said:]


def test_what_the_feed_left_out_is_told_though_nothing_follows(platform):
    redis = platform.redis()
    with Client(platform) as client, Client(platform, ALICE) as alice:
        client.subscribe("book:BTC-USD")
        client.next("book:BTC-USD")
        alice.subscribe("orders")
        first = alice.next(lambda frame: frame.get("type") == "snapshot")["account_sequence"]
        # Nothing can be added to what is no stream.
        redis.delete("feed")
        redis.set("feed", "x")
        try:
            rest(platform, "POST", "/orders?wait=5000", ALICE, order("Buy", "1", "9000.00", symbol="BTC/USD"))
            assert alice.next("orders")["account_sequence"] == first + 1
            while (snapshot := client.next("book:BTC-USD"))["type"] != "snapshot":
                pass
        finally:
            redis.delete("feed")
        assert (snapshot["type"], ["9000.00", "1.00000"] in snapshot["bids"]) == ("snapshot", True)
        time.sleep(1.5)  # whoever could not write is silent for a second
        rest(platform, "POST", "/orders?wait=5000", ALICE, order("Buy", "1", "9001.00", symbol="BTC/USD"))
        assert client.next("book:BTC-USD")["bids"][0] == ["9001.00", "1.00000"]


def test_entry_that_is_no_news_harms_nobody(platform):
    redis = platform.redis()
    with Client(platform) as client:
        client.subscribe("book:BTC-USD")
        client.next("book:BTC-USD")
        for fields in ({"news": b"\x00"}, {"x": b"y"}, {"news": b"\x93\x01\x02\x03"}):
            redis.xadd("feed", fields)
        for n in range(3):
            rest(platform, "POST", "/orders?wait=5000", ALICE, order("Buy", "1", f"910{n}.00", symbol="BTC/USD"))
            frame: Json = client.next("book:BTC-USD")
            assert (frame["type"], frame["bids"]) == ("delta", [[f"910{n}.00", "1.00000"]])
