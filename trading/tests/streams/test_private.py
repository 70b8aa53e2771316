"""Test that each subscriber of an account's events gets all that came after where it stands, whoever else comes and goes."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from accounts import events
from accounts.models import Channel
from accounts.tests.builders import make_trader
from trading.streams import private
from trading.streams.outbox import Outbox
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
    monkeypatch.setattr(private, "ask", asking.ask)

    async def leave_and_resume() -> None:
        streams, leaving, resuming = PrivateStreams(), subscription(account_id), subscription(account_id)
        last = await asking.ask(tell, account_id, 3)
        await streams.subscribe(leaving, ["orders"], last)
        await until(lambda: asking.reads == 1)
        last = await asking.ask(tell, account_id, 1)
        asking.holds_back = True
        streams.note({account_id: last})
        await until(lambda: asking.reads == 2)
        streams.leave(leaving)
        await streams.subscribe(resuming, ["orders"], last - 3)
        asking.holds_back = False
        await until(lambda: resuming.after == last)
        assert sent(resuming) == [last - 2, last - 1, last]
        assert sent(leaving) == []

    asyncio.run(leave_and_resume())


def subscription(account_id: int) -> Subscription:
    async def send(_message: dict[str, Any]) -> None: ...

    return Subscription(account_id, Outbox(send, lambda: None))


def tell(account_id: int, count: int) -> int:
    """Tell an account so many events; returns the last one's sequence."""
    with transaction.atomic():
        return events.append([events.note(account_id, Channel.ORDERS, [n]) for n in range(count)])[account_id]


def sent(subscription: Subscription) -> list[int]:
    """Return the sequences of what waits to be sent: nothing takes it from an outbox that has not been started."""
    return [json.loads(frame.message["text"])["account_sequence"] for frame in subscription.outbox._frames]


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not happened():
            await asyncio.sleep(0.001)
