"""Test that the leases of a process's sockets live as long as it does, however busy it is, and are never lost from sight."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection

from accounts.tests.builders import make_trader
from orders import leases
from orders.clock import do_what_is_due
from orders.models import DisconnectLease
from orders.tests.builders import make_market
from trading.streams import entry as entries
from trading.streams import renewal
from trading.streams.entry import OrderEntry

pytestmark = pytest.mark.django_db(transaction=True)

LEASE_SECONDS = 1.0


@pytest.fixture(autouse=True)
def _short_leases_and_no_connection_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", LEASE_SECONDS)
    monkeypatch.setattr(renewal, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(renewal, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(entries, "ask", ask)


async def ask(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Ask the database from a thread that leaves no connection behind."""

    def run() -> Any:
        try:
            return function(*arguments, **named)
        finally:
            connection.close()

    return await asyncio.to_thread(run)


def run(scenario: Callable[[OrderEntry], Awaitable[None]]) -> None:
    async def enter() -> None:
        entry = OrderEntry()
        try:
            await scenario(entry)
        finally:
            await entry.stop()

    asyncio.run(enter())


@contextmanager
def table_away() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE disconnect_leases RENAME TO elsewhere")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO disconnect_leases")
        connection.close()


def away() -> tuple[threading.Event, threading.Thread]:
    """Take the table away, from a thread, until the event is set."""
    gone, back = threading.Event(), threading.Event()

    def hold() -> None:
        with table_away():
            gone.set()
            back.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert gone.wait(30)
    return back, thread


async def come_back(held: tuple[threading.Event, threading.Thread]) -> None:
    held[0].set()
    await asyncio.to_thread(held[1].join)


def left() -> list[int]:
    """Return the leases that have not run out."""
    return [*DisconnectLease.objects.filter(expires_at__gt=datetime.now(UTC)).values_list("id", flat=True)]


def test_lease_lives_while_the_loop_stands_still():
    account_id = make_trader().id
    told: list[str] = []

    async def stand_still(entry: OrderEntry) -> None:
        lease = await entry.reserve_lease()
        await entry.take_lease(lease, account_id, lambda: told.append("lost"))
        time.sleep(3 * LEASE_SECONDS)
        assert await ask(left) == [lease]

    run(stand_still)
    assert told == []


def test_renewal_goes_on_after_any_failure():
    account_id = make_trader().id
    told: list[str] = []

    async def fail(entry: OrderEntry) -> None:
        lease = await entry.reserve_lease()
        await entry.take_lease(lease, account_id, lambda: told.append("lost"))
        held = await asyncio.to_thread(away)
        await asyncio.sleep(0.5)
        await come_back(held)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(renewal, "drop_closed", None)  # not a fault of the database
            await asyncio.sleep(0.5)
        await ask(lambda: DisconnectLease.objects.update(expires_at=datetime.now(UTC) - timedelta(days=1)))
        await until(left)

    run(fail)
    assert told == []


def test_lost_lease_is_told_once_in_the_loop():
    account_id = make_trader().id
    told: list[threading.Thread] = []

    async def lose(entry: OrderEntry) -> None:
        lease = await entry.reserve_lease()
        await entry.take_lease(lease, account_id, lambda: told.append(threading.current_thread()))
        await ask(leases.fire, lease)
        time.sleep(0.7)
        await asyncio.sleep(0.7)
        assert told == [threading.current_thread()]
        await entry.take_lease(lease, account_id, lambda: None)
        assert await ask(left) == [lease]

    run(lose)


def test_lease_that_could_not_be_released_lives_until_it_is():
    account_id = make_trader().id
    told: list[str] = []

    async def release(entry: OrderEntry) -> None:
        lease = await entry.reserve_lease()
        await entry.take_lease(lease, account_id, lambda: told.append("lost"))
        held = await asyncio.to_thread(away)
        with pytest.raises(DatabaseError):
            await entry.release_lease(lease)
        await come_back(held)
        await asyncio.sleep(2 * LEASE_SECONDS)
        assert await ask(left) == [lease]
        await entry.release_lease(lease)
        await asyncio.sleep(0.5)
        assert await ask(DisconnectLease.objects.count) == 0

    run(release)
    assert told == []


def test_lease_whose_taking_was_not_answered_lives_and_can_be_released_or_taken():
    account_id = make_trader().id
    told: list[str] = []

    async def take(entry: OrderEntry) -> None:
        lease = await entry.reserve_lease()
        held = await asyncio.to_thread(away)
        with pytest.raises(DatabaseError):
            await entry.take_lease(lease, account_id, lambda: told.append("lost"))
        await come_back(held)
        await asyncio.sleep(0.5)
        assert told == []
        await ask(lambda: leases.take(account_id, lease_id=lease))  # it was there after all
        await asyncio.sleep(2 * LEASE_SECONDS)
        assert await ask(left) == [lease]
        await entry.take_lease(lease, account_id, lambda: told.append("lost"))
        await entry.release_lease(lease)
        assert await ask(left) == []

    run(take)
    assert told == []


def test_lease_of_a_process_that_has_ended_is_left_to_the_clock(monkeypatch):
    make_market()
    account_id = make_trader().id
    monkeypatch.setattr(leases, "SWEEP_GAP_SECONDS", 60)
    do_what_is_due()

    async def take(entry: OrderEntry) -> None:
        await entry.take_lease(await entry.reserve_lease(), account_id, lambda: None)

    run(take)
    time.sleep(1.5 * LEASE_SECONDS)
    assert do_what_is_due()["fire_leases"] == 1


async def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not await ask(holds):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
