"""Keep what one socket has subscribed to.

The law: a subscription to several channels is taken as a whole or refused as a whole. A private one may take long, since it goes as fast as
the socket takes what it is sent; nothing else that the socket asks waits for that.
What is streamed is the hub's.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings

from accounts.bodies import BodyReader, integer_reader
from accounts.callers import Trader
from accounts.models import Scope
from trading.streams import limits, meters
from trading.streams.answering import Answers
from trading.streams.asking import ask
from trading.streams.channels import CANDLES, TICKER, Channel, PrivateChannel, PublicChannel, read_channels
from trading.streams.hub import Hub
from trading.streams.private import EVENTS_LOST, Subscription

log = structlog.get_logger(__name__)

Caller = Callable[[Scope], Trader]

_read_sequence = integer_reader(0, 2**63 - 1)


class Subscriptions:
    """One socket's channels."""

    def __init__(self, hub: Hub, answers: Answers) -> None:
        self._hub = hub
        self._answers = answers
        self._outbox = answers.outbox
        self._channels: dict[str, PublicChannel] = {}
        self._own: Subscription | None = None
        self._subscribing: asyncio.Task[None] | None = None
        self._waiting = 0

    def end(self) -> None:
        """Leave all channels."""
        self._leave([*self._channels.values()])
        self._leave_own()

    async def subscribe(self, reader: BodyReader, request_id: Any, caller: Caller) -> None:
        """Subscribe to channels; `caller` tells whose the private ones are, or refuses."""
        channels = await self._read_channels(reader)
        resume_from = reader.optional("resume_from", _read_sequence)
        reader.finish()
        own = [channel.name for channel in channels if isinstance(channel, PrivateChannel)]
        public = [channel for channel in channels if isinstance(channel, PublicChannel)]
        account_id = caller(Scope.READ).account_id if own else 0
        if own and self._waiting >= limits.PRIVATE_SUBSCRIPTIONS_WAITING_MAX:
            raise limits.too_many_private_subscriptions()
        owned = set() if self._own is None else self._own.channels
        count = len(self._channels.keys() | owned | {channel.name for channel in channels})
        if count > settings.WS_SUBSCRIPTIONS_MAX:
            raise limits.too_many_channels(count)
        self._answers.answer("subscribed", request_id, channels=[channel.name for channel in channels])
        for channel in public:
            if channel.name not in self._channels:
                meters.subscriptions.inc()
            self._channels[channel.name] = channel
            if channel.kind == TICKER:
                self._hub.quotes.subscribe(channel.rules.market_id, self._outbox)
            elif channel.kind in CANDLES:
                self._hub.quotes.subscribe((channel.rules.market_id, CANDLES[channel.kind]), self._outbox)
            else:
                self._hub.subscribe(channel.rules, channel.kind, self._outbox)
        if own:
            if self._own is None:
                self._own = Subscription(account_id, self._outbox)
            meters.subscriptions.inc(len({*own} - self._own.channels))
            self._own.channels.update(own)
            # Much may have to be sent, as fast as the socket takes it; what it asks for meanwhile does not wait.
            following = self._follow_own(self._own, resume_from, after=self._subscribing)
            self._subscribing = asyncio.ensure_future(following)

    async def _follow_own(
        self, subscription: Subscription, resume_from: int | None, *, after: "asyncio.Task[None] | None"
    ) -> None:
        self._waiting += 1
        try:
            if after is not None:
                await asyncio.wait([after])
            await self._hub.private.subscribe(subscription, resume_from)
        except Exception:
            log.exception("socket_failed")
            self._outbox.close(EVENTS_LOST, "something went wrong; connect again")
        finally:
            self._waiting -= 1

    async def unsubscribe(self, reader: BodyReader, request_id: Any) -> None:
        channels = await self._read_channels(reader)
        reader.finish()
        self._leave([channel for channel in channels if isinstance(channel, PublicChannel)])
        if self._own is not None:
            left = self._own.channels & {channel.name for channel in channels}
            meters.subscriptions.dec(len(left))
            self._own.channels -= left
            if not self._own.channels:
                self._leave_own()
        self._answers.answer("unsubscribed", request_id, channels=[channel.name for channel in channels])

    async def _read_channels(self, reader: BodyReader) -> list[Channel]:
        names = reader.take("channels")
        if isinstance(names, list) and len(names) > settings.WS_SUBSCRIPTIONS_MAX:
            raise limits.too_many_channels(len(names))
        return await ask(read_channels, "channels", names)

    def _leave(self, channels: list[PublicChannel]) -> None:
        for channel in channels:
            if self._channels.pop(channel.name, None) is None:
                continue
            meters.subscriptions.dec()
            if channel.kind == TICKER:
                self._hub.quotes.unsubscribe(channel.rules.market_id, self._outbox)
            elif channel.kind in CANDLES:
                self._hub.quotes.unsubscribe((channel.rules.market_id, CANDLES[channel.kind]), self._outbox)
            else:
                self._hub.unsubscribe(channel.rules, channel.kind, self._outbox)

    def _leave_own(self) -> None:
        if self._subscribing is not None:
            self._subscribing.cancel()
            self._subscribing = None
        if self._own is not None:
            meters.subscriptions.dec(len(self._own.channels))
            self._hub.private.leave(self._own)
            self._own = None
