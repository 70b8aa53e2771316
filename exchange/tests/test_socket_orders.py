"""Take orders over a socket: in the order in which they are sent, each once; and end them with the socket that asked for it.

The law: what was sent is in the journal in its order, answered or not; a socket that goes, however it goes, takes the account's orders
with it where that was asked, and nobody else's.
What is wrong with an order is told as over REST (test_socket_requests.py).
"""

import os
import signal
import socket as sockets
import struct
import threading
import time
from contextlib import closing, suppress

import psycopg2
import pytest
from websockets.exceptions import WebSocketException

from exchange.tests.platform import Platform, kill, parent_of, wait_for
from exchange.tests.sockets import ALICE, BOB, REQUESTS_WAITING_MAX, Client, Json, order, rest, worker_of, written

pytestmark = pytest.mark.usefixtures("_books_are_empty")


@pytest.fixture
def alice(platform):
    with Client(platform, ALICE) as client:
        yield client
    rest(platform, "DELETE", "/orders", ALICE)


@pytest.fixture
def bob(platform):
    with Client(platform, BOB) as client:
        yield client
    rest(platform, "DELETE", "/orders", BOB)


def bid(price: int, **more: str) -> Json:
    return order("Buy", "0.01", f"{price}.00", symbol="BTC/USD", **more)


def place(client: Client, body: Json) -> Json:
    answer = client.ask("place", order=body)
    assert answer["op"] == "placed", answer
    return answer["order"]


def shown(platform: Platform, email: str, order_id: int) -> Json:
    return rest(platform, "GET", f"/orders/{order_id}", email)


def open_orders(platform: Platform, account_id: int) -> int:
    ((count,),) = platform.query(
        "SELECT count(*) FROM orders WHERE account_id = %s AND status IN ('New', 'PendingTrigger', 'PartiallyFilled')",
        account_id,
    )
    return count


# -- placing and changing ------------------------------------------------------------------------------


def test_order_is_answered_as_rest_shows_it_and_its_repeat_is_the_same_order(platform, alice):
    body = bid(10, client_order_id="socket-1")
    placed = place(alice, body)
    assert placed["status"] == "New"
    again = rest(platform, "POST", "/orders", ALICE, body)
    assert again["id"] == placed["id"]
    assert place(alice, body)["id"] == placed["id"]
    assert list(placed) == list(again)
    wait_for(lambda: _same_but_time(placed, shown(platform, ALICE, placed["id"])), "it rests as it was answered")
    answer = alice.ask("place", order=bid(11, client_order_id="socket-1"))
    assert answer["code"] == "duplicate_client_order_id"


def _same_but_time(one: Json, other: Json) -> bool:
    return written({**one, "updated_at": None}) == written({**other, "updated_at": None})


def test_batch_is_answered_order_by_order(alice):
    bodies = [bid(10), {**bid(10), "price": "0.001"}, 7, {}, bid(12, client_order_id="b"), bid(12, client_order_id="b")]
    answer = alice.ask("place_batch", orders=bodies)
    assert answer["op"] == "batch_placed"
    codes = [one["error"]["code"] if "error" in one else one["order"]["status"] for one in answer["results"]]
    assert codes == ["New", "price_off_tick", "malformed", "missing_field", "New", "New"]
    assert answer["results"][4]["order"]["id"] == answer["results"][5]["order"]["id"]


def test_funds_that_do_not_reach_are_told_as_over_rest(platform, alice):
    body = order("Buy", "1000000", "50000.00", symbol="BTC/USD")
    answer, over_rest = alice.ask("place", order=body), rest(platform, "POST", "/orders", ALICE, body)
    assert answer["code"] == "insufficient_funds"
    for name in ("code", "detail", "errors"):
        assert answer[name] == over_rest[name]


def test_order_is_amended_and_canceled_and_nobody_elses_is(platform, alice, bob):
    placed = place(alice, bid(10))
    for op, more in (("amend", {"price": "11.00"}), ("cancel", {})):
        assert bob.ask(op, order_id=placed["id"], **more)["code"] == "not_found"
    answer = alice.ask("amend", order_id=placed["id"], price="11.00", quantity="0.02")
    assert answer["op"] == "amend_requested"
    wait_for(lambda: shown(platform, ALICE, placed["id"])["price"] == "11.00", "it is amended")
    answer = alice.ask("cancel", order_id=placed["id"])
    assert (answer["op"], answer["order"]["id"]) == ("cancel_requested", placed["id"])
    wait_for(lambda: shown(platform, ALICE, placed["id"])["status"] == "Canceled", "it is canceled")
    assert alice.ask("cancel", order_id=placed["id"])["code"] == "order_not_open"


def test_cancel_all_ends_one_markets_orders_or_all(platform, alice):
    for body in (bid(10), bid(11), order("Buy", "0.1", "10.00", symbol="ETH/USD")):
        place(alice, body)
    answer = alice.ask("cancel_all", symbol="BTC-USD")
    assert (answer["op"], answer["requested"]) == ("cancel_all_requested", 2)
    wait_for(lambda: open_orders(platform, alice.account_id) == 1, "one market's orders have ended")
    assert alice.ask("cancel_all")["requested"] == 1
    wait_for(lambda: open_orders(platform, alice.account_id) == 0, "all orders have ended")


def test_requests_that_are_sent_without_waiting_enter_the_journal_in_their_order(platform, alice):
    answer = alice.ask("place_batch", orders=[bid(5)] * 14)
    resting = [one["order"]["id"] for one in answer["results"]]
    ((last,),) = platform.query("SELECT max(id) FROM commands")
    sent = []
    for n in range(140):
        if n % 10 == 9:
            sent.append((alice.send("cancel", order_id=resting.pop()), "cancel_requested"))
        elif n % 35 == 20:
            sent.append((alice.send("place_batch", orders=[bid(100 + n), bid(101 + n)]), "batch_placed"))
        else:
            sent.append((alice.send("place", order=bid(100 + n)), "placed"))
    ids: list[int] = []
    for request_id, op in sent:
        answer = alice.answer(request_id)
        assert answer["op"] == op, answer
        ids += [one["order"]["id"] for one in answer.get("results", [answer])]
    journal = platform.query(
        "SELECT order_id FROM commands WHERE id > %s AND account_id = %s AND kind IN ('new', 'cancel') ORDER BY id",
        last,
        alice.account_id,
    )
    assert [order_id for (order_id,) in journal] == ids


def test_requests_beyond_those_that_may_wait_are_refused_and_the_others_are_answered(platform, alice):
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        """Lock the balances that all of them wait for."""
        with closing(psycopg2.connect(platform.servers()["database_url"])) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT FROM balances WHERE account_id = %s FOR UPDATE", [alice.account_id])
            locked.set()
            release.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert locked.wait(30)
        ids = [alice.send("place", order=bid(10)) for _ in range(REQUESTS_WAITING_MAX + 10)]
        refused = [alice.answer(one) for one in ids[-10:]]
        assert [one["code"] for one in refused] == ["rate_limited"] * 10
        assert refused[0]["errors"][0]["limit"] == REQUESTS_WAITING_MAX
        assert alice.ask("ping")["op"] == "pong"
    finally:
        release.set()
        holder.join()
    assert {alice.answer(one)["op"] for one in ids[:-10]} == {"placed"}
    assert open_orders(platform, alice.account_id) == REQUESTS_WAITING_MAX


# -- cancel on disconnect ------------------------------------------------------------------------------


def leave_word(client: Client) -> None:
    answer = client.ask("cancel_on_disconnect", enabled=True)
    assert (answer["op"], answer["enabled"]) == ("cancel_on_disconnect", True)


def cut(client: Client) -> None:
    """End the connection without a word, as a crash of its computer's process would."""
    raw = client.socket.socket
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
    raw.shutdown(sockets.SHUT_RD)
    raw.close()


@pytest.mark.parametrize("end", [Client.close, cut], ids=["closed", "cut"])
def test_orders_end_with_the_socket_that_asked_for_it_and_nobody_elses_do(platform, bob, end):
    alice = Client(platform, ALICE)
    leave_word(alice)
    leave_word(alice)
    placed, others = place(alice, bid(10))["id"], place(bob, bid(10))["id"]
    end(alice)
    wait_for(lambda: shown(platform, ALICE, placed)["status"] == "Canceled", "the order has ended")
    assert shown(platform, ALICE, placed)["reason"] == "disconnect"
    assert shown(platform, BOB, others)["status"] == "New"


@pytest.mark.parametrize("end", [Client.close, cut], ids=["closed", "cut"])
def test_orders_that_were_sent_last_end_too(platform, end):
    alice = Client(platform, ALICE)
    leave_word(alice)
    for n in range(100):
        alice.send("place", order=bid(10 + n))
    end(alice)
    wait_for(lambda: _settled(platform, alice.account_id), "nothing is left")
    time.sleep(0.5)
    assert open_orders(platform, alice.account_id) == 0


def _settled(platform: Platform, account_id: int) -> bool:
    return not platform.query("SELECT FROM disconnect_leases WHERE account_id = %s", account_id) and not (
        platform.query("SELECT FROM commands WHERE sequence IS NULL LIMIT 1") or open_orders(platform, account_id)
    )


def test_orders_stay_where_it_was_not_asked_or_was_taken_back(platform):
    with Client(platform, ALICE) as alice:
        placed = place(alice, bid(10))["id"]
        leave_word(alice)
        assert alice.ask("cancel_on_disconnect", enabled=False)["enabled"] is False
        assert platform.query("SELECT FROM disconnect_leases WHERE account_id = %s", alice.account_id) == []
    with Client(platform, ALICE) as alice:
        assert alice.ask("cancel_on_disconnect", enabled=False)["enabled"] is False
    time.sleep(1.0)
    assert shown(platform, ALICE, placed)["status"] == "New"
    rest(platform, "DELETE", "/orders", ALICE)


def test_orders_end_when_the_server_process_is_killed(platform, bob):
    alice = Client(platform, ALICE)
    leave_word(alice)
    placed, others = place(alice, bid(10))["id"], place(bob, bid(10))["id"]
    began, before = time.monotonic(), worker_of(platform)
    kill([before])
    wait_for(lambda: shown(platform, ALICE, placed)["status"] == "Canceled", "the order has ended")
    assert time.monotonic() - began < 25  # a lease of ten seconds, a look each second, and a loaded machine
    assert shown(platform, ALICE, placed)["reason"] == "disconnect"
    assert shown(platform, BOB, others)["status"] == "New"
    alice.close()
    wait_until_up(platform, before)


def test_lease_of_a_socket_that_is_given_up_is_replaced_and_what_is_sent_then_stays(platform):
    with Client(platform, ALICE) as old, Client(platform, ALICE) as alice:
        lease = old.ask("cancel_on_disconnect", enabled=True)["lease"]
        placed = place(old, bid(10))["id"]
        answer = alice.ask("cancel_on_disconnect", enabled=True, replaces=lease)
        assert answer["enabled"]
        assert answer["lease"] != lease
        stays = place(alice, bid(11))["id"]
        wait_for(lambda: shown(platform, ALICE, placed)["status"] == "Canceled", "the order has ended")
        assert shown(platform, ALICE, placed)["reason"] == "disconnect"
        told = old.next(lambda frame: frame.get("op") == "cancel_on_disconnect")
        assert told["enabled"] is False
        assert "replaced" in told["detail"]
        old.close()
        time.sleep(1.0)
        assert shown(platform, ALICE, stays)["status"] == "New"
        assert alice.ask("cancel_on_disconnect", enabled=True)["lease"] == answer["lease"]
    wait_for(lambda: shown(platform, ALICE, stays)["status"] == "Canceled", "the new lease has its effect")


# -- the end of the server -----------------------------------------------------------------------------


def wait_until_up(platform: Platform, before: int) -> None:
    """Wait until sockets are served by another process than before."""
    wait_for(lambda: before not in platform.processes("asgi") and _answers(platform), "sockets are served again")


def _answers(platform: Platform) -> bool:
    with suppress(OSError, WebSocketException), Client(platform) as client:
        return client.ask("ping")["op"] == "pong"
    return False


def test_server_that_is_to_end_says_so_and_closes_its_sockets_and_their_orders(platform):
    with Client(platform, ALICE) as alice, Client(platform) as idle:
        leave_word(alice)
        placed = place(alice, bid(10))["id"]
        idle.subscribe("book:BTC-USD")
        before = worker_of(platform)
        os.kill(parent_of(before), signal.SIGTERM)
        for client in (alice, idle):
            assert client.next(lambda frame: frame.get("op") == "server_shutdown")["in_seconds"] == 1.0
        assert alice.ask("ping")["op"] == "pong"
        for client in (alice, idle):
            assert client.closed()[0] == 1001
    wait_until_up(platform, before)
    wait_for(lambda: shown(platform, ALICE, placed)["status"] == "Canceled", "the order has ended")
