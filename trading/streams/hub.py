"""Bring together what one process streams, and to whom.

The law: all of it runs in one event loop; what blocks is in threads. What has changed is sent at once while there is little to do, and
together with what follows while there is much: after a flush that took long, the next one waits as long again, so that a process that is
overloaded sends fewer and larger deltas instead of falling behind.
"""

import asyncio
import threading
from collections.abc import Iterable
from contextlib import suppress

import structlog
from django.db import Error as DatabaseDriverError

from orders.rules import MarketRules
from trading.feed import MarketNews
from trading.streams.follower import AccountsNews, Follower, MarketReset, Update
from trading.streams.markets import MarketStream
from trading.streams.outbox import Outbox
from trading.streams.private import PrivateStreams
from trading.streams.quotes import Quotes

log = structlog.get_logger(__name__)

FLUSH_SECONDS_MIN = 0.01
LOOK_SECONDS = 1.0


class Hub:
    """What is streamed in this process. It starts with its first use inside a running loop."""

    def __init__(self) -> None:
        self.quotes = Quotes()
        self.private = PrivateStreams()
        self._loop = asyncio.get_running_loop()
        self._ending = False
        self._markets: dict[int, MarketStream] = {}
        self._dirty: dict[MarketStream, None] = {}
        self._flush_handle: asyncio.Handle | None = None
        self._flush_not_before = 0.0
        self._flushed_again: set[MarketStream] = set()
        self._follower = Follower(self._hear)
        self._follower.start()
        self._tasks = [asyncio.ensure_future(self.quotes.run()), asyncio.ensure_future(self._look())]

    async def stop(self) -> None:
        self._ending = True
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._loop.run_in_executor(None, self._follower.stop)

    def subscribe(self, rules: MarketRules, kind: str, outbox: Outbox) -> None:
        """Add a subscriber of a market's book, trades or call; a market is followed from its first use on."""
        stream = self._markets.get(rules.market_id)
        if stream is None:
            stream = self._markets[rules.market_id] = MarketStream(rules)
            self._follower.watch(rules.market_id)
        stream.subscribe(kind, outbox)
        self._flush_soon(stream)

    def unsubscribe(self, rules: MarketRules, kind: str, outbox: Outbox) -> None:
        self._markets[rules.market_id].unsubscribe(kind, outbox)

    def _hear(self, updates: list[Update]) -> None:
        """Hand over what the follower, in its thread, has read, and wait until it is taken, so that nothing piles up."""
        taken = threading.Event()
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._take, updates, taken)
            while not taken.wait(LOOK_SECONDS) and not self._ending:
                pass

    def _take(self, updates: Iterable[Update], taken: threading.Event) -> None:
        taken.set()
        for update in updates:
            if isinstance(update, AccountsNews):
                self.private.note(update.sequences)
            else:
                self._take_market(update)

    def _take_market(self, update: MarketReset | MarketNews) -> None:
        stream = self._markets[update.market_id]
        try:
            traded = stream.reset(update) if isinstance(update, MarketReset) else stream.apply(update)
        except Exception:
            log.exception("market_not_taken", market=stream.rules.symbol)
            stream.doubt()
            self._follower.doubt(update.market_id)
            return
        self._flush_soon(stream)
        self.quotes.note(update.market_id, traded=traded)

    def _flush_soon(self, stream: MarketStream) -> None:
        self._dirty[stream] = None
        if self._flush_handle is None:
            wait = max(0.0, self._flush_not_before - self._loop.time())
            self._flush_handle = self._loop.call_later(wait, self._flush)

    def _flush(self) -> None:
        self._flush_handle = None
        began = self._loop.time()
        dirty, self._dirty = self._dirty, {}
        for stream in dirty:
            again_at = stream.flush(began)
            if again_at is not None and stream not in self._flushed_again:
                self._flushed_again.add(stream)
                self._loop.call_at(again_at, self._flush_again, stream)
        # The sockets' writers have been woken by now, and run before this does.
        self._loop.call_soon(self._flushed, began)

    def _flush_again(self, stream: MarketStream) -> None:
        """Flush a market where somebody waits for a snapshot, whose time has come."""
        self._flushed_again.discard(stream)
        self._flush_soon(stream)

    def _flushed(self, began: float) -> None:
        now = self._loop.time()
        self._flush_not_before = now + max(FLUSH_SECONDS_MIN, now - began)

    async def _look(self) -> None:
        """Once a second, ask the database what the feed may have left out."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.private.look()
            except DatabaseDriverError as error:
                log.warning("accounts_not_looked_at", error=str(error))
            except Exception:
                log.exception("accounts_not_looked_at")
