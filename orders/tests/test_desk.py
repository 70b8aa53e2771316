"""What sockets ask for together is brought to the database together, in their order, and each is answered for itself."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.errors import DomainError
from accounts.models import Account
from accounts.tests.builders import make_trader
from accounts.tests.rivals import PATIENCE, another_connection, waiting_for_locks
from orders import desk as desk_module
from orders.desk import Desk, _Other
from orders.intake import Placed
from orders.models import Command, Order
from orders.requests import Amendment, read_amendment
from orders.tests.builders import make_market, make_request, place_order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.start()
    yield desk
    desk.stop(PATIENCE)


@pytest.fixture
def account() -> Account:
    make_market()
    return make_trader(funds={"USD": "1000"})


@contextmanager
def gathering(desk: Desk) -> Iterator[None]:
    """Let what is asked for in the block wait for its end, and then go together."""
    gate = threading.Event()
    held = desk._submit(_Other(0, gate.wait))
    while not held.running():
        time.sleep(0.001)
    try:
        yield
    finally:
        gate.set()


def answer(future: "Future[Any]") -> Any:
    """Wait for the answer; a refusal comes out as its code."""
    try:
        found = future.result(PATIENCE)
    except DomainError as error:
        return error.code
    return found.code if isinstance(found, DomainError) else found


def journal(account: Account) -> list[str]:
    """Tell an account's commands in the journal's order, orders by their prices."""
    commands = Command.objects.filter(account=account).order_by("id").values_list("kind", "order__price")
    return [kind if price is None else f"{kind} {price:.0f}" for kind, price in commands]


def body(**fields: Any) -> dict[str, Any]:
    return {"symbol": "BTC/USD", "side": "Buy", "order_type": "Limit", "quantity": "1", "price": "10", **fields}


def test_an_order_is_placed_and_its_future_has_it(desk, account):
    placed = answer(desk.submit_place(account.id, make_request(price="10")))

    assert isinstance(placed, Placed)
    assert Order.objects.get().id == placed.order.id


def test_a_refusal_is_the_outcome_of_a_place(desk, account):
    outcome = desk.submit_place(account.id, make_request(price="2000")).result(PATIENCE)

    assert isinstance(outcome, DomainError)
    assert outcome.code == "insufficient_funds"


def test_places_and_cancels_that_gathered_enter_the_journal_as_each_caller_asked(desk, account):
    other = make_trader(funds={"USD": "1000"})
    first, second = place_order(account, price="1"), place_order(account, price="2")
    theirs = place_order(other, price="3")

    with gathering(desk):
        asked = [
            desk.submit_place(account.id, make_request(price="4")),
            desk.submit_cancel(account.id, first.id),
            desk.submit_place(other.id, make_request(price="5")),
            desk.submit_place(account.id, make_request(price="6")),
            desk.submit_cancel(other.id, theirs.id),
            desk.submit_cancel(account.id, second.id),
            desk.submit_place(other.id, make_request(price="7")),
        ]
    answers = [answer(future) for future in asked]

    assert [order.id for order, _ in (answers[1], answers[4], answers[5])] == [first.id, theirs.id, second.id]
    assert journal(account) == ["new 1", "new 2", "new 4", "cancel 1", "new 6", "cancel 2"]
    assert journal(other) == ["new 3", "new 5", "cancel 3", "new 7"]


def test_all_that_gathered_is_one_commit(desk, account):
    order = place_order(account, price="1")
    with gathering(desk):
        asked = [desk.submit_place(account.id, make_request(price="4")) for _ in range(9)]
        asked.append(desk.submit_cancel(account.id, order.id))
    for future in asked:
        answer(future)

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM commands WHERE id > (SELECT min(id) FROM commands)")
        assert cursor.fetchone() == (1,)


def test_amendments_and_the_end_of_all_orders_keep_their_place_among_the_others(desk, account):
    order = place_order(account, price="1")

    with gathering(desk):
        asked = [
            desk.submit_place(account.id, make_request(price="2")),
            desk.submit_amend(account.id, order.id, read_amendment({"price": "9"})),
            desk.submit_place(account.id, make_request(price="3")),
            desk.submit_cancel_all(account.id),
            desk.submit_place(account.id, make_request(price="4")),
        ]
    answers = [answer(future) for future in asked]

    assert answers[1][0].id == order.id
    assert answers[3].open == 3
    assert journal(account) == ["new 1", "new 2", "amend 1", "new 3", "cancel_all", "new 4"]


def test_what_cannot_be_changed_raises_the_refusal_and_keeps_nobody_back(desk, account):
    ended = place_order(account, price="1")
    Order.objects.filter(id=ended.id).update(
        status="Canceled", reason="user_request", held_amount=0, remaining_quantity=0
    )
    theirs = place_order(make_trader(funds={"USD": "10"}), price="2")

    with gathering(desk):
        asked = [
            desk.submit_cancel(account.id, ended.id),
            desk.submit_cancel(account.id, theirs.id),
            desk.submit_cancel(account.id, 999_999),
            desk.submit_amend(account.id, theirs.id, Amendment(quantity=theirs.quantity)),
            desk.submit_place(account.id, make_request(price="10")),
        ]

    *refused, placed = [answer(future) for future in asked]
    assert refused == ["order_not_open", "not_found", "not_found", "not_found"]
    assert isinstance(placed, Placed)


def test_one_order_that_is_canceled_twice_gets_one_command_and_both_are_told(desk, account):
    order = place_order(account, price="1")

    with gathering(desk):
        asked = [desk.submit_cancel(account.id, order.id) for _ in range(2)]
    first, second = (answer(future) for future in asked)

    assert first[1] == second[1]
    assert journal(account) == ["new 1", "cancel 1"]


def test_a_repeat_by_client_order_id_gets_the_first_order_and_another_order_by_it_is_refused(desk, account):
    request = make_request(price="10", client_order_id="mine")
    with gathering(desk):
        asked = [desk.submit_place(account.id, request) for _ in range(2)]
        asked.append(desk.submit_place(account.id, make_request(price="11", client_order_id="mine")))
    first, second, differing = (answer(future) for future in asked)
    third = answer(desk.submit_place(account.id, request))

    assert {first.order.id, second.order.id, third.order.id} == {Order.objects.get().id}
    assert (first.repeated, second.repeated, third.repeated) == (False, True, True)
    assert differing == "duplicate_client_order_id"


def test_a_batch_is_answered_in_its_order_whatever_cannot_be_read_or_paid(desk, account):
    with gathering(desk):
        asked = desk.submit_batch(account.id, [body(price="1"), "?", body(price="5000"), body(size=1), body(price="2")])
        order = desk.submit_place(account.id, make_request(price="3"))

    told = [outcome.code if isinstance(outcome, DomainError) else "placed" for outcome in asked.result(PATIENCE)]
    assert told == ["placed", "malformed", "insufficient_funds", "unknown_field", "placed"]
    assert isinstance(answer(order), Placed)
    assert journal(account) == ["new 1", "new 2", "new 3"]


def test_a_batch_beside_cancels_keeps_its_place_though_some_of_it_cannot_be_read(desk, account):
    order = place_order(account, price="9")
    with gathering(desk):
        desk.submit_batch(account.id, [body(price="1"), "?", body(price="2")])
        desk.submit_cancel(account.id, order.id)
        last = desk.submit_batch(account.id, ["?", body(price="3")])

    assert [isinstance(outcome, Placed) for outcome in last.result(PATIENCE)] == [False, True]
    assert journal(account) == ["new 9", "new 1", "new 2", "cancel 9", "new 3"]


@pytest.mark.parametrize(("bodies", "code"), [([], "invalid_value"), ({}, "invalid_value"), ([{}] * 1001, "too_large")])
def test_a_batch_that_is_none_is_refused_at_once(desk, account, bodies, code):
    with pytest.raises(DomainError) as refused:
        desk.submit_batch(account.id, bodies)
    assert refused.value.code == code


def test_too_much_that_waits_is_refused_at_once(account):
    desk = Desk(waiting_max=3)
    desk.start()
    with gathering(desk):
        taken = [
            desk.submit_batch(account.id, [body(), body()]),
            desk.submit_place(account.id, make_request(price="1")),
        ]
        with pytest.raises(DomainError, match="busy") as refused:
            desk.submit_cancel(account.id, 1)
    assert [isinstance(answer(future), Placed | list) for future in taken] == [True, True]
    assert refused.value.code == "unavailable"
    assert answer(desk.submit_cancel(account.id, 1)) == "not_found"
    desk.stop(PATIENCE)


def test_no_more_goes_together_than_may(account):
    desk = Desk(together_max=4)
    desk.start()
    with gathering(desk):
        asked = [desk.submit_batch(account.id, [body()] * size) for size in (3, 2, 2, 9)]
    assert [len(answer(future)) for future in asked] == [3, 2, 2, 9]
    desk.stop(PATIENCE)

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM commands GROUP BY xmin::text ORDER BY 1")
        assert cursor.fetchall() == [(3,), (4,), (9,)]


def test_what_nobody_waits_for_any_more_is_not_brought(desk, account):
    with gathering(desk):
        given_up = desk.submit_place(account.id, make_request(price="1"))
        kept = desk.submit_place(account.id, make_request(price="2"))
        assert given_up.cancel()

    assert isinstance(answer(kept), Placed)
    with pytest.raises(CancelledError):
        given_up.result(0)
    assert journal(account) == ["new 2"]


@contextmanager
def unlucky(price: int) -> Iterator[None]:
    """Let the database refuse orders at a price, for no reason that anybody knows."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders ADD CONSTRAINT unlucky CHECK (price <> %s)", [price])
        try:
            yield
        finally:
            cursor.execute("ALTER TABLE orders DROP CONSTRAINT unlucky")


def test_a_request_that_the_database_cannot_carry_out_spoils_nothing_for_the_others(desk, account):
    order = place_order(account, price="1")
    with unlucky(13):
        with gathering(desk):
            asked = [
                desk.submit_place(account.id, make_request(price="2")),
                desk.submit_place(account.id, make_request(price="13")),
                desk.submit_cancel(account.id, order.id),
                desk.submit_place(account.id, make_request(price="3")),
            ]
        first, spoiled, canceled, last = (answer(future) for future in asked)

    assert (type(first), spoiled, canceled[0].id, type(last)) == (Placed, "unavailable", order.id, Placed)
    assert journal(account) == ["new 1", "new 2", "cancel 1", "new 3"]


def test_an_error_of_our_own_is_told_and_the_desk_goes_on(desk, account, monkeypatch):
    monkeypatch.setattr(desk_module.changes, "cancel_all", lambda *_: 1 // 0)

    assert answer(desk.submit_cancel_all(account.id)) == "internal_error"
    assert isinstance(answer(desk.submit_place(account.id, make_request(price="1"))), Placed)


def test_a_connection_killed_at_work_leaves_the_outcome_unknown_and_the_next_is_fresh(desk, account):
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM balances WHERE account_id = %s FOR UPDATE", [account.id])
        with gathering(desk):
            asked = [desk.submit_place(account.id, make_request(price="1")) for _ in range(3)]
        while not waiting_for_locks():
            time.sleep(0.001)
        behind = desk.submit_place(account.id, make_request(price="2"))
        kill()
        assert [answer(future) for future in asked] == ["unavailable"] * 3
    assert isinstance(answer(behind), Placed)
    assert journal(account) == ["new 2"]


def test_a_connection_killed_while_nothing_was_asked_costs_nobody_an_error(desk, account):
    assert isinstance(answer(desk.submit_place(account.id, make_request(price="1"))), Placed)
    kill()

    assert isinstance(answer(desk.submit_place(account.id, make_request(price="2"))), Placed)


def kill() -> None:
    """End the server's side of the connection that places orders, and see it gone."""
    with closing(another_connection()) as own, own.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend' AND query LIKE 'EXECUTE place_orders%%'"
            " AND pid NOT IN (pg_backend_pid(), %s)",
            [connection.connection.info.backend_pid],
        )
        assert cursor.fetchone() == (1,)


def test_a_desk_that_closes_answers_all_that_it_took_and_takes_no_more(account):
    desk = Desk()
    with pytest.raises(DomainError, match="closing"):
        desk.submit_place(account.id, make_request(price="1"))
    desk.start()
    with gathering(desk):
        asked = [desk.submit_place(account.id, make_request(price="1")) for _ in range(3)]
        closing_desk = threading.Thread(target=desk.stop)
        closing_desk.start()
    closing_desk.join(PATIENCE)

    assert [type(future.result(0)) for future in asked] == [Placed] * 3
    with pytest.raises(DomainError, match="closing"):
        desk.submit_cancel_all(account.id)


def test_cancels_of_many_are_two_statements(account):
    orders = [place_order(account, price="1") for _ in range(5)]
    with CaptureQueriesContext(connection) as queries:
        answers = desk_module.changes.cancel_many([(account.id, order.id) for order in orders])
    assert len(queries) == 2
    assert [order.id for order, _ in answers] == [order.id for order in orders]
