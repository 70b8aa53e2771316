"""Test that each subscriber of an account's events gets all that came after where it stands, whoever else comes and goes."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from accounts import events
from accounts.models import Channel
from accounts.tests.builders import make_trader
from trading.streams import private
from trading.streams.outbox import ROOM_BYTES, SLOW_READER, Outbox
from trading.streams.private import PrivateStreams, Subscription


class Asking:
    """Asks the database from a thread that leaves no connection behind; what was read of events can be held back."""

    def __init__(self) -> None:
        self.reads = 0
        self.holds_back = False

    async def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        def run() -> Any:
            try:
                return function(*arguments)
            finally:
                connection.close()

        result = await asyncio.to_thread(run)
        if function is events.read_after:
            self.reads += 1
            await until(lambda: not self.holds_back)
        return result


@pytest.mark.django_db(transaction=True)
def test_who_resumes_while_events_are_read_for_somebody_who_has_left_misses_none(monkeypatch):
    account_id = make_trader().id
    asking = Asking()
    patch_asking(monkeypatch, asking)

    async def leave_and_resume() -> None:
        streams, leaving, resuming = PrivateStreams(), subscription(account_id), subscription(account_id)
        last = await asking.ask(tell, account_id, 3)
        await streams.subscribe(leaving, last)
        await until(lambda: asking.reads == 1)
        last = await asking.ask(tell, account_id, 1)
        asking.holds_back = True
        streams.note({account_id: last})
        await until(lambda: asking.reads == 2)
        streams.leave(leaving)
        await streams.subscribe(resuming, last - 3)
        asking.holds_back = False
        await until(lambda: resuming.after == last)
        assert sent(resuming) == [last - 2, last - 1, last]
        assert sent(leaving) == []

    asyncio.run(leave_and_resume())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("resumes", [False, True])
def test_reader_that_keeps_up_gets_all_however_much_it_is(monkeypatch, resumes):
    """An end of 16,000 orders is one commit; nobody may be dropped for having been told so much."""
    account_id = make_trader().id
    asking = Asking()
    patch_asking(monkeypatch, asking)

    async def follow() -> None:
        streams, sockets = PrivateStreams(), [Socket(account_id), Socket(account_id)]
        last = await asking.ask(tell, account_id, 1)
        if not resumes:
            for socket in sockets:
                await streams.subscribe(socket.subscription, last)
        last = await asking.ask(tell_much, account_id)
        if resumes:
            for socket in sockets:
                await streams.subscribe(socket.subscription, 1)
        streams.note({account_id: last})
        last = await asking.ask(tell, account_id, 1)
        streams.note({account_id: last})
        for socket in sockets:
            await until(lambda socket=socket: len(socket.came) == last - 1 or socket.subscription.outbox.closed)
            assert socket.came == [*range(2, last + 1)]
            assert socket.most < 3 * ROOM_BYTES

    asyncio.run(follow())


@pytest.mark.django_db(transaction=True)
def test_whoever_is_dropped_while_it_catches_up_waits_for_nothing(monkeypatch):
    account_id = make_trader().id
    asking = Asking()
    patch_asking(monkeypatch, asking)

    async def stall() -> None:
        streams, socket = PrivateStreams(), Socket(account_id)
        await asking.ask(tell_much, account_id)
        socket.may.clear()
        await streams.subscribe(socket.subscription, 0)
        await until(lambda: socket.subscription.catching_up is not None)
        catching_up = socket.subscription.catching_up
        await moments()
        assert not catching_up.done()
        socket.subscription.outbox.close(SLOW_READER, "slow")
        await asyncio.wait_for(catching_up, 20)

    asyncio.run(stall())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("resume_from", [None, 1])
def test_database_that_is_away_while_somebody_subscribes_is_asked_again(monkeypatch, resume_from):
    account_id = make_trader().id
    asking = Asking()
    failures = [OperationalError("away")] * 3
    monkeypatch.setattr(private, "RETRY_SECONDS", 0.01)

    async def ask(function: Callable[..., Any], *arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return await asking.ask(function, *arguments)

    for name in ("ask", "ask_much"):
        monkeypatch.setattr(private, name, ask)

    async def subscribe() -> None:
        streams, socket = PrivateStreams(), Socket(account_id)
        last = await asking.ask(tell, account_id, 3)
        await streams.subscribe(socket.subscription, resume_from)
        assert failures == []
        await until(lambda: socket.came[-1:] == [last])
        assert socket.came == ([last] if resume_from is None else [2, 3])

    asyncio.run(subscribe())


@pytest.mark.django_db(transaction=True)
def test_database_that_is_an_older_one_drops_those_who_know_more(monkeypatch):
    account_id = make_trader().id
    asking = Asking()
    patch_asking(monkeypatch, asking)

    async def go_back() -> None:
        streams, known, later = PrivateStreams(), Socket(account_id), Socket(account_id)
        last = await asking.ask(tell, account_id, 5)
        await streams.subscribe(known.subscription, last)
        streams._accounts[account_id].cursor = 100  # what was told before the database was put back
        await streams.look()
        assert known.subscription.outbox.closed
        await streams.subscribe(later.subscription, None)
        last = await asking.ask(tell, account_id, 1)
        streams.note({account_id: last})
        await until(lambda: later.came == [5, 6])

    asyncio.run(go_back())


class Socket:
    """A socket that takes what is sent, where it may, and notes the account sequences."""

    def __init__(self, account_id: int) -> None:
        self.came: list[int] = []
        self.may = asyncio.Event()
        self.may.set()
        self.most = 0
        self.subscription = Subscription(account_id, Outbox(self._send, lambda: None))
        self.subscription.channels.add("orders")
        self.subscription.outbox.start()

    async def _send(self, message: dict[str, Any]) -> None:
        await self.may.wait()
        self.most = max(self.most, self.subscription.outbox._bytes)
        if "text" in message:
            self.came.append(json.loads(message["text"])["account_sequence"])


def tell_much(account_id: int) -> int:
    orders = [{"much": "x" * 590}] * 500
    with transaction.atomic():
        return events.append([events.note(account_id, Channel.ORDERS, orders) for _ in range(40)])[account_id]


def patch_asking(monkeypatch, asking: Asking) -> None:
    for name in ("ask", "ask_much"):
        monkeypatch.setattr(private, name, asking.ask)


def subscription(account_id: int) -> Subscription:
    async def send(_message: dict[str, Any]) -> None: ...

    one = Subscription(account_id, Outbox(send, lambda: None))
    one.channels.add("orders")
    return one


def tell(account_id: int, count: int) -> int:
    """Tell an account so many events; returns the last one's sequence."""
    with transaction.atomic():
        return events.append([events.note(account_id, Channel.ORDERS, [n]) for n in range(count)])[account_id]


def sent(subscription: Subscription) -> list[int]:
    """Return the sequences of what waits to be sent: nothing takes it from an outbox that has not been started."""
    return [json.loads(frame.message["text"])["account_sequence"] for frame, _ in subscription.outbox._frames]


async def moments() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not happened():
            await asyncio.sleep(0.001)
