"""Stream to an account what it has been told: its orders, fills and balances.

The law: what is delivered is what accounts/events.py has stored, in its order, each event once a subscription; the feed only says
that there is something new, and each second the database is asked whether the feed has left that out. Who resumes gets what
came after, as long as it is kept, or else a snapshot: what the account has open and owns, and where that stands. Nobody is dropped for
having been told much: who cannot take it at once gets it from the store as fast as the socket takes it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

import structlog
from django.db import Error as DatabaseDriverError

from accounts import events
from accounts.events import StoredEvent
from accounts.rendering import render_balance
from orders.api.rendering import render_order
from orders.rules import rules_of_market
from orders.selectors import AccountSnapshot, read_account_snapshot
from trading.streams.asking import ask, ask_much
from trading.streams.outbox import Frame, Outbox, frame, text_frame

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

CHANNELS = ("orders", "fills", "balances")
EVENTS_A_READ = 200
ACCOUNTS_A_READ = 50
ORDERS_A_FRAME_MAX = 1000
RETRY_SECONDS = 0.5
EVENTS_LOST = 4009
LOST = "events were missed that are kept no longer; connect again"


class Subscription:
    """One socket's share: the channels it wants, and the last account sequence that it has, or was passed over for it."""

    __slots__ = ("account_id", "after", "catching_up", "channels", "outbox")

    def __init__(self, account_id: int, outbox: Outbox) -> None:
        self.account_id = account_id
        self.outbox = outbox
        self.channels: set[str] = set()
        self.after = 0
        self.catching_up: asyncio.Task[None] | None = None

    def deliver(self, event: StoredEvent, frame: Frame) -> None:
        if event.sequence > self.after:
            self.after = event.sequence
            if event.channel in self.channels:
                self.outbox.push(frame)


class _AccountStream:
    """An account that is read on for some subscriptions; up to `cursor` it has been."""

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

    async def subscribe(self, subscription: Subscription, resume_from: int | None) -> None:
        """Send what came after a sequence, or a snapshot, and from then on what comes."""
        self.leave(subscription)
        if resume_from is None or not await _answered(partial(ask, _is_kept, subscription.account_id, resume_from)):
            await self._send_snapshot(subscription)
        else:
            subscription.after = resume_from
        await self._catch_up(subscription)

    def leave(self, subscription: Subscription) -> None:
        if subscription.catching_up is not None:
            subscription.catching_up.cancel()
            subscription.catching_up = None
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
        if not self._accounts:
            return
        cursors = {account_id: stream.cursor for account_id, stream in self._accounts.items()}
        last = await ask(events.last_sequences, list(cursors))
        for account_id, cursor in cursors.items():
            if last[account_id] < cursor:
                # The database is an older one than it was: what was told since is not so any more.
                self._lose(account_id)
        self.note(last)

    # -- those who take what comes -----------------------------------------------------------------

    def _read_on(self, account_ids: Iterable[int]) -> None:
        self._behind.update(account_ids)
        if self._behind and (self._reader is None or self._reader.done()):
            self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        while self._behind:
            some = [self._behind.pop() for _ in range(min(ACCOUNTS_A_READ, len(self._behind)))]
            cursors = {one: self._accounts[one].cursor for one in some if one in self._accounts}
            try:
                found = await ask(events.read_after, cursors, EVENTS_A_READ)
            except DatabaseDriverError as error:
                log.warning("account_events_not_read", error=str(error))
                self._behind.update(some)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            for account_id, told in found.items():
                self._deliver(account_id, cursors[account_id], told)

    def _deliver(self, account_id: int, after: int, told: list[StoredEvent]) -> None:
        stream = self._accounts.get(account_id)
        if stream is None or not told:
            return
        if stream.cursor != after:
            # Those it was read for have left meanwhile, and others have come, who begin elsewhere.
            self._behind.add(account_id)
            return
        if told[0].sequence != after + 1:
            self._lose(account_id)
            return
        stream.cursor = told[-1].sequence
        frames = [_frame(event) for event in told]
        for subscription in [*stream.subscriptions]:
            for event, written in zip(told, frames, strict=True):
                if not subscription.outbox.has_room:
                    stream.subscriptions.discard(subscription)
                    subscription.catching_up = asyncio.ensure_future(self._catch_up(subscription))
                    break
                subscription.deliver(event, written)
        if _may_be_more(told):
            self._behind.add(account_id)

    def _lose(self, account_id: int) -> None:
        """Drop all who follow an account of which something is missing; who connects again gets a snapshot."""
        for subscription in self._accounts.pop(account_id).subscriptions:
            subscription.outbox.close(EVENTS_LOST, LOST)

    # -- those who are behind ----------------------------------------------------------------------

    async def _catch_up(self, subscription: Subscription) -> None:
        """Deliver what a subscription lacks, as fast as its socket takes it, until it has all that the others have."""
        while not subscription.outbox.closed:
            await subscription.outbox.room()
            stream = self._accounts.get(subscription.account_id)
            if stream is None:
                stream = self._accounts[subscription.account_id] = _AccountStream(subscription.after)
                self._read_on({subscription.account_id})
            if subscription.after >= stream.cursor:
                stream.subscriptions.add(subscription)
                return
            await self._deliver_stored(subscription)

    async def _deliver_stored(self, subscription: Subscription) -> None:
        cursor = {subscription.account_id: subscription.after}
        found = await _answered(partial(ask, events.read_after, cursor, EVENTS_A_READ))
        told = found[subscription.account_id]
        if not told or told[0].sequence != subscription.after + 1:
            subscription.outbox.close(EVENTS_LOST, LOST)
        for event in told:
            await subscription.outbox.room()
            subscription.deliver(event, _frame(event))

    async def _send_snapshot(self, subscription: Subscription) -> None:
        sequence, frames = await _answered(partial(ask_much, _snapshot_frames, subscription.account_id))
        subscription.after = sequence
        for written in frames:
            await subscription.outbox.room()
            subscription.outbox.push(written)


async def _answered(asking: Callable[[], Awaitable[Result]]) -> Result:
    """Ask until the database answers: who has subscribed is not left without what comes, nor told so a second time."""
    while True:
        try:
            return await asking()
        except DatabaseDriverError as error:
            log.warning("account_events_not_read", error=str(error))
            await asyncio.sleep(RETRY_SECONDS)


def _may_be_more(told: list[StoredEvent]) -> bool:
    return len(told) == EVENTS_A_READ or sum(len(event.payload) for event in told) >= events.READ_BYTES_MAX


def _is_kept(account_id: int, after: int) -> bool:
    """Tell whether all that an account was told after a sequence is still there."""
    first = events.first_kept([account_id])[account_id]
    last = events.last_sequences([account_id])[account_id]
    return first - 1 <= after <= last


def _frame(event: StoredEvent) -> Frame:
    head = f'{{"channel":"{event.channel}","account_sequence":{event.sequence},"{event.channel}":'
    return text_frame(f"{head}{event.payload}}}".encode())


def _snapshot_frames(account_id: int) -> tuple[int, list[Frame]]:
    """Read and write a snapshot; returns its sequence beside."""
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
