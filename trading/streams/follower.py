"""Follow the feed, in a thread: for each market that is watched, an unbroken chain of what has changed.

The law: whoever listens gets, for each watched market, first all of it (a MarketReset) and then each change in the order of its
sequences, none twice and none left out. Where the chain breaks, whatever the cause (a worker that died before it told, Redis away or
emptied, a reader too far behind), there comes another reset, read from the database, with the trades that were missed. That the
feed keeps silent is no proof that nothing happened: each second the followed sequences are compared with the database.
What is done with it is depth.py's and the hub's.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec
import structlog
from django.db import Error as DatabaseDriverError
from django.db import connection
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from accounts.times import to_microseconds
from orders.models import MarketState
from orders.rules import rules_of_market
from trading import selectors
from trading.feed import FIELD, KEY, CallNews, Level, MarketNews, News, TradeNews, call_news
from trading.models import Trade
from trading.streams import meters

log = structlog.get_logger(__name__)

READ_ENTRIES_MAX = 100
READ_BLOCK_MS = 50
LOOK_SECONDS = 1.0
RETRY_SECONDS = 0.5
MISSED_TRADES_MAX = 1000


class MarketReset(NamedTuple):
    """A market as the database has it, and the trades since what was known before, the newest thousand at most."""

    market_id: int
    sequence: int
    bids: list[Level]
    asks: list[Level]
    call: CallNews
    missed: list[TradeNews]


class AccountsNews(NamedTuple):
    """The last account sequence of each account that was told something."""

    sequences: dict[int, int]


Update = MarketReset | MarketNews | AccountsNews
Deliver = Callable[[list[Update]], None]


class Follower(threading.Thread):
    """Reads the feed until it is told to stop, and delivers from its own thread."""

    def __init__(self, deliver: Deliver) -> None:
        super().__init__(name="feed-follower", daemon=True)
        self._deliver = deliver
        self._wanted: set[int] = set()
        self._known: dict[int, int] = {}
        self._behind: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        self._known_then: dict[int, int] = {}
        self._doubted: set[int] = set()
        self.is_reading = False
        self._position: bytes | str | None = None
        self._looked_at = 0.0
        self._stopping = threading.Event()

    def watch(self, market_id: int) -> None:
        """Follow a market from now on; its reset comes soon."""
        self._wanted.add(market_id)

    def doubt(self, market_id: int) -> None:
        """Give up a market's chain: what was delivered of it could not be taken. Another reset comes."""
        self._doubted.add(market_id)

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._guarded(self._read_database)
                self._guarded(self._read_feed)
        finally:
            connection.close()

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except RedisError as error:
            self.is_reading = False
            log.warning("feed_not_read", error=str(error))
            self._stopping.wait(RETRY_SECONDS)
        except DatabaseDriverError as error:
            log.warning("market_not_read", error=str(error))
            connection.close()
            self._stopping.wait(RETRY_SECONDS)
        except Exception:
            log.exception("follower_failed")
            # Of what was to be delivered, nobody knows how much was.
            self._doubted.update(self._known)
            connection.close()
            self._stopping.wait(RETRY_SECONDS)

    def _read_feed(self) -> None:
        if self._position is None:
            self._position = _last_entry()
        streams = get_redis_connection().xread({KEY: self._position}, count=READ_ENTRIES_MAX, block=READ_BLOCK_MS)
        self.is_reading = True
        for _, entries in streams or ():
            updates: list[Update] = []
            told_at: list[int] = []
            for entry_id, fields in entries:
                self._position = entry_id
                news = _read_entry(fields)
                if news is None:
                    continue
                updates += (market for market in news.markets if self._continues(market))
                if news.accounts:
                    updates.append(AccountsNews(news.accounts))
                told_at.append(news.at)
            self._deliver(updates)
            now = time.time_ns() // 1000
            for at in told_at:
                meters.delay.observe(max(0, now - at) / 1e6)

    def _continues(self, market: MarketNews) -> bool:
        """Tell whether a market's news are the next; where some are missing, it is left to be read anew."""
        known = self._known.get(market.market_id)
        if known is None or market.sequence <= known:
            return False
        if market.previous != known:
            self._behind[market.market_id] = self._known.pop(market.market_id)
            return False
        self._known[market.market_id] = market.sequence
        return True

    def _read_database(self) -> None:
        """Read the markets of which nothing is known, or no more; and once a second, see whether the feed leaves something out."""
        while self._doubted:
            market_id = self._doubted.pop()
            if market_id in self._known:
                self._behind[market_id] = self._known.pop(market_id)
        for market_id in [*self._wanted]:
            if market_id not in self._known:
                after = self._behind.get(market_id)
                if after is not None:
                    log.warning("feed_gap", market=rules_of_market(market_id).symbol, after=after)
                reset = read_market(market_id, trades_after=after)
                self._known[market_id] = reset.sequence
                self._behind.pop(market_id, None)
                self._deliver([reset])
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._look(self._known)

    def _look(self, known: Iterable[int]) -> None:
        """Give up the chain of each market that stands where it stood a second ago, though the database had gone on by then.

        So too where the database has less than was known a second ago: it is an older one, which was put in the place of the other.
        """
        states = MarketState.objects.filter(market_id__in=list(known)).values_list("market_id", "last_sequence")
        for market_id, sequence in states:
            seen, self._seen[market_id] = self._seen.get(market_id, 0), sequence
            then, self._known_then[market_id] = self._known_then.get(market_id, 0), self._known[market_id]
            if self._known[market_id] < seen or sequence < then:
                self._doubted.add(market_id)
                # Redis may have been emptied, and its clock set back.
                self._position = None


def _read_entry(fields: Mapping[bytes, bytes]) -> News | None:
    """Read an entry. One that cannot be read is as one that is missing: its markets have a gap."""
    try:
        return msgspec.msgpack.decode(fields[FIELD], type=News)
    except (KeyError, msgspec.MsgspecError) as error:
        log.warning("feed_entry_not_read", error=repr(error))
        return None


def _last_entry() -> bytes | str:
    newest = get_redis_connection().xrevrange(KEY, count=1)
    return newest[0][0] if newest else "0-0"


def read_market(market_id: int, *, trades_after: int | None = None) -> MarketReset:
    """Read a market from the database, and the trades after a sequence where one is given."""
    rules = rules_of_market(market_id)
    book = selectors.read_book(market_id, None)
    call = selectors.read_auction(market_id)
    missed: list[TradeNews] = []
    if trades_after is not None:
        trades = Trade.objects.filter(market_id=market_id, sequence__gt=trades_after, sequence__lte=book.sequence)
        missed = [
            TradeNews(
                trade.id,
                rules.ticks(trade.price),
                rules.lots(trade.quantity),
                trade.side,
                to_microseconds(trade.executed_at),
                trade.sequence,
            )
            for trade in reversed(trades.order_by("-sequence", "-ordinal")[:MISSED_TRADES_MAX])
        ]
    return MarketReset(
        market_id,
        book.sequence,
        [(rules.ticks(level.price), rules.lots(level.quantity)) for level in book.bids],
        [(rules.ticks(level.price), rules.lots(level.quantity)) for level in book.asks],
        call_news(call),
        missed,
    )
