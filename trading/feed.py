"""Tell those who follow the venue what a commit has changed: one entry a commit, in a Redis stream.

The law: what is told is committed already, so a reader never shows what a rollback has undone. Nothing waits for the feed and
nothing depends on it: an entry that was not written, because the worker died or Redis was away, leaves a gap in its markets'
chain of sequences, which readers see, and fill from the database. The stream is bounded; who is too far behind has a gap too.
Reading is trading/streams/follower.py.
"""

import time
from collections import defaultdict
from decimal import Decimal
from typing import Any

import msgspec
import structlog

from accounts.outages import REDIS_ERRORS
from accounts.times import to_microseconds
from orders.quick_redis import quick_redis
from trading.books import MarketBook
from trading.selectors import AuctionState
from trading.settlement import Settlement

log = structlog.get_logger(__name__)

KEY = "feed"
FIELD = b"news"
LENGTH_MAX = 2000
SILENT_SECONDS_AFTER_ERROR = 1.0

Level = tuple[int, int]
"""A price in ticks, and the lots shown there by now: 0 where the level has gone."""


class TradeNews(msgspec.Struct, array_like=True, frozen=True):
    """A trade: ticks, lots, and microseconds since 1970."""

    id: int
    price: int
    quantity: int
    side: str
    executed_at: int
    sequence: int


class CallNews(msgspec.Struct, array_like=True, frozen=True):
    """A market's phase, and what its call would give now; decimals as text."""

    phase: str
    indicative_price: str | None
    indicative_quantity: str | None
    indicative_surplus: str | None
    ends_at: int | None


class MarketNews(msgspec.Struct, array_like=True, frozen=True):
    """What the commands after `previous`, up to `sequence`, have changed in a market."""

    market_id: int
    previous: int
    sequence: int
    bids: list[Level]
    asks: list[Level]
    trades: list[TradeNews]
    call: CallNews


class News(msgspec.Struct, array_like=True, frozen=True):
    """What a commit has changed. `accounts` has the last account sequence of each that it told something; `at` when it was told."""

    markets: list[MarketNews]
    accounts: dict[int, int]
    at: int


class Publisher:
    """Writes the feed of one worker. After an error it keeps silent for a second."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    def publish(self, settlement: Settlement) -> None:
        """Tell of what has just been committed. Never raises: the commit stands, whatever becomes of the news."""
        try:
            self._publish(settlement)
        except REDIS_ERRORS as error:
            self._silent_until = time.monotonic() + SILENT_SECONDS_AFTER_ERROR
            log.warning("feed_not_written", error=str(error))
        except Exception:
            log.exception("feed_failed")

    def _publish(self, settlement: Settlement) -> None:
        if not settlement.batches:
            return
        # The changes are taken off the books in any case, for the next entry is not to have them.
        entry = msgspec.msgpack.encode(news_of(settlement))
        if time.monotonic() >= self._silent_until:
            quick_redis().xadd(KEY, {FIELD: entry}, maxlen=LENGTH_MAX, approximate=True)


def news_of(settlement: Settlement) -> News:
    """Gather what a settlement, once written, has changed; takes the changes off its books."""
    executed_at = 0 if settlement.settled_at is None else to_microseconds(settlement.settled_at)
    trades: dict[int, list[TradeNews]] = defaultdict(list)
    for trade_id, row in zip(settlement.trade_ids, settlement.trades, strict=True):
        trades[row.rules.market_id].append(
            TradeNews(trade_id, row.price, row.quantity, str(row.taker_side), executed_at, row.sequence)
        )
    first_of = {batch.market_id: batch.first_sequence for batch in settlement.batches}
    markets = [
        _news_of_market(book, first_of[book.rules.market_id], trades[book.rules.market_id], settlement)
        for book in settlement.books
    ]
    return News(markets, settlement.told, time.time_ns() // 1000)


def _news_of_market(
    book: MarketBook, first_sequence: int, trades: list[TradeNews], settlement: Settlement
) -> MarketNews:
    engine = book.engine
    return MarketNews(
        book.rules.market_id,
        first_sequence - 1,
        book.last_sequence,
        engine.bids.take_changes(),
        engine.asks.take_changes(),
        trades,
        call_news(_call_of(settlement.states[book.rules.market_id])),
    )


def call_news(call: AuctionState) -> CallNews:
    """Tell a market's call as it stands."""
    return CallNews(
        call.phase,
        _text(call.indicative_price),
        _text(call.indicative_quantity),
        _text(call.indicative_surplus),
        None if call.call_ends_at is None else to_microseconds(call.call_ends_at),
    )


def _text(number: Decimal | None) -> str | None:
    return None if number is None else f"{number:f}"


def _call_of(state: tuple[Any, ...]) -> AuctionState:
    phase, _, _, _, _, _, ends_at, _, price, quantity, surplus = state
    return AuctionState(phase, price, quantity, surplus, ends_at)
