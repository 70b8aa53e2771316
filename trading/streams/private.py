"""Stream to an account what it has been told: its orders, fills and balances.

The law: what is delivered is what accounts/events.py has stored, in its order, each event once a subscription; the feed only says
that there is something new, and each second the database is asked whether the feed has left that out. Who resumes gets what
came after, as long as it is kept, or else a snapshot: what the account has open and owns, and where that stands.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

import structlog
from django.db import Error as DatabaseDriverError

from accounts import events
from accounts.events import StoredEvent
from accounts.rendering import render_balance
from orders.api.rendering import render_order
from orders.rules import rules_of_market
from orders.selectors import AccountSnapshot, read_account_snapshot
from trading.streams.asking import ask
from trading.streams.outbox import Frame, Outbox, frame, text_frame

log = structlog.get_logger(__name__)

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

CHANNELS = ("orders", "fills", "balances")
EVENTS_A_READ = 200
ORDERS_A_FRAME_MAX = 1000
RETRY_SECONDS = 0.5
EVENTS_LOST = 4009


class Subscription:
    """One socket's share: the channels it wants, and the last account sequence that it has, or was passed over for it."""

    __slots__ = ("account_id", "after", "channels", "outbox")

    def __init__(self, account_id: int, outbox: Outbox) -> None:
        self.account_id = account_id
        self.outbox = outbox
        self.channels: set[str] = set()
        self.after = 0

    def deliver(self, event: StoredEvent, frame: Frame) -> None:
        if event.sequence > self.after:
            self.after = event.sequence
            if event.channel in self.channels:
                self.outbox.push(frame)


class _AccountStream:
    __slots__ = ("cursor", "subscriptions")

    def __init__(self, cursor: int) -> None:
        self.cursor = cursor
        self.subscriptions: set[Subscription] = set()


class PrivateStreams:
    """The accounts of which something is wanted in this process."""

    def __init__(self) -> None:
        self._accounts: dict[int, _AccountStream] = {}
        self._behind: set[int] = set()
        self._reader: asyncio.Task[None] | None = None

    async def subscribe(self, subscription: Subscription, channels: Iterable[str], resume_from: int | None) -> None:
        """Send what came after a sequence, or a snapshot, and from then on what comes."""
        self.leave(subscription)
        subscription.channels.update(channels)
        account_id = subscription.account_id
        if resume_from is None or not await _ask(_is_kept, account_id, resume_from):
            await self._send_snapshot(subscription)
        else:
            subscription.after = resume_from
        while (stream := self._accounts.get(account_id)) is not None and subscription.after < stream.cursor:
            found = (await _ask(events.read_after, {account_id: subscription.after}, EVENTS_A_READ))[account_id]
            if not found or found[0].sequence != subscription.after + 1:
                await self._send_snapshot(subscription)
            for event in found:
                subscription.deliver(event, _frame(event))
            await subscription.outbox.drained()
        if subscription.outbox.closed:
            return
        if stream is None:
            stream = self._accounts[account_id] = _AccountStream(subscription.after)
            self._read_on({account_id})
        stream.subscriptions.add(subscription)

    def leave(self, subscription: Subscription) -> None:
        stream = self._accounts.get(subscription.account_id)
        if stream is not None:
            stream.subscriptions.discard(subscription)
            if not stream.subscriptions:
                del self._accounts[subscription.account_id]

    def note(self, sequences: Mapping[int, int]) -> None:
        """Hear up to which sequence accounts have been told something."""
        self._read_on(
            account_id
            for account_id, sequence in sequences.items()
            if (stream := self._accounts.get(account_id)) is not None and stream.cursor < sequence
        )

    async def look(self) -> None:
        """Ask the database what the feed may have left out."""
        if self._accounts:
            self.note(await ask(events.last_sequences, list(self._accounts)))

    def _read_on(self, account_ids: Iterable[int]) -> None:
        self._behind.update(account_ids)
        if self._behind and (self._reader is None or self._reader.done()):
            self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        while self._behind:
            behind, self._behind = self._behind, set()
            cursors = {one: self._accounts[one].cursor for one in behind if one in self._accounts}
            try:
                found = await ask(events.read_after, cursors, EVENTS_A_READ)
            except DatabaseDriverError as error:
                log.warning("account_events_not_read", error=str(error))
                self._behind |= behind
                await asyncio.sleep(RETRY_SECONDS)
                continue
            for account_id, told in found.items():
                self._deliver(account_id, cursors[account_id], told)

    def _deliver(self, account_id: int, after: int, told: list[StoredEvent]) -> None:
        stream = self._accounts.get(account_id)
        if stream is None or not told:
            return
        if stream.cursor != after:
            # It is another than it was when this was asked for.
            self._behind.add(account_id)
            return
        if told[0].sequence != after + 1:
            # The database was away for longer than events are kept; whoever connects again gets a snapshot.
            for subscription in stream.subscriptions:
                subscription.outbox.close(EVENTS_LOST, "events were missed that are kept no longer; connect again")
        stream.cursor = told[-1].sequence
        for event in told:
            written = _frame(event)
            for subscription in stream.subscriptions:
                subscription.deliver(event, written)
        if len(told) == EVENTS_A_READ:
            self._behind.add(account_id)

    async def _send_snapshot(self, subscription: Subscription) -> None:
        subscription.after, parts = await _ask(_read_snapshot, subscription.account_id)
        for part in parts:
            subscription.outbox.push(part)
            await subscription.outbox.drained()


async def _ask(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Ask the database until it answers: a subscription is not to end because it was away."""
    while True:
        try:
            return await ask(function, *args, **kwargs)
        except DatabaseDriverError as error:
            log.warning("account_not_read", error=str(error))
            await asyncio.sleep(RETRY_SECONDS)


def _is_kept(account_id: int, after: int) -> bool:
    """Tell whether all that an account was told after a sequence is still there."""
    first = events.first_kept([account_id])[account_id]
    last = events.last_sequences([account_id])[account_id]
    return first - 1 <= after <= last


def _frame(event: StoredEvent) -> Frame:
    head = f'{{"channel":"{event.channel}","account_sequence":{event.sequence},"{event.channel}":'
    return text_frame(f"{head}{event.payload}}}".encode())


def _read_snapshot(account_id: int) -> tuple[int, list[Frame]]:
    """Read a snapshot, and write it; returns its sequence too. It may be long, and of markets that are not known here yet."""
    snapshot = read_account_snapshot(account_id)
    return snapshot.account_sequence, [frame(content) for content in _write_snapshot(snapshot)]


def _write_snapshot(snapshot: AccountSnapshot) -> Iterable[dict[str, Any]]:
    """Write a snapshot, in parts where there are very many orders: all but the last say that there is more."""
    orders = [render_order(order, rules_of_market(order.market_id)) for order in snapshot.orders]
    balances = [render_balance(balance) for balance in snapshot.balances]
    parts = [orders[n : n + ORDERS_A_FRAME_MAX] for n in range(0, len(orders), ORDERS_A_FRAME_MAX)] or [[]]
    for n, part in enumerate(parts, start=1):
        content = {"type": "snapshot", "account_sequence": snapshot.account_sequence, "orders": part}
        if n < len(parts):
            yield {**content, "balances": [], "more": True}
        else:
            yield {**content, "balances": balances}
