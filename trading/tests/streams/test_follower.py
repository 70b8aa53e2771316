"""Spoil the feed in every way, and whoever follows it still ends where the database is, with nothing left out in between.

The law: entries that are missing, doubled, in the wrong order or no news at all cost a reset at most.
"""

import time
from collections.abc import Callable, Iterator

import msgspec
import pytest
from django.db import connection
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from accounts.tests.builders import make_trader
from accounts.tests.rivals import PATIENCE
from orders.rules import rules_of_market
from orders.tests.builders import make_market, place_order
from trading.feed import FIELD, KEY, MarketNews, news_of
from trading.matching import Shard
from trading.models import Trade
from trading.selectors import read_book
from trading.streams import follower as following
from trading.streams.follower import Follower, MarketReset, Update
from trading.streams.replica import BookReplica
from trading.tests.venue import FUNDS

pytestmark = pytest.mark.django_db(transaction=True)


class Reader:
    """Keeps one book of what it is told, and sees that nothing is left out."""

    def __init__(self) -> None:
        self.book = BookReplica()
        self.book.sequence = -1
        self.resets = 0
        self.trades: list[int] = []

    def take(self, updates: list[Update]) -> None:
        for update in updates:
            if isinstance(update, MarketReset):
                assert update.sequence >= self.book.sequence
                self.resets += 1
                self.book.load(update.sequence, update.bids, update.asks)
                self.trades += [trade.id for trade in update.missed]
            elif isinstance(update, MarketNews):
                assert update.previous == self.book.sequence
                self.book.apply(update.sequence, update.bids, update.asks)
                self.trades += [trade.id for trade in update.trades]


class Followed:
    """A market with a worker, a trader on each side, and somebody who follows it."""

    def __init__(self) -> None:
        self.market = make_market()
        self.buyer, self.seller = make_trader(funds=FUNDS), make_trader(funds=FUNDS)
        self.worker = Shard(0)
        self.redis = get_redis_connection()
        self.reader = Reader()
        self.follower = Follower(self.reader.take)
        self.follower.watch(self.market.id)
        self.follower.start()
        self.step("90")
        self.until_level()
        self.reader.resets = 0

    def step(self, price: str) -> None:
        """Rest a bid, and trade a part of it."""
        place_order(self.buyer, price=price)
        place_order(self.seller, side="Sell", price=price, quantity="0.5")
        self.worker.drain()

    def until_level(self) -> None:
        """Wait until what is followed is the database's; then it must be the same."""
        expected = read_book(self.market.id, None)
        wait_for(lambda: self.reader.book.sequence == expected.sequence)
        rules = rules_of_market(self.market.id)
        assert self.reader.book.bids.best() == [
            (rules.ticks(level.price), rules.lots(level.quantity)) for level in expected.bids
        ]
        assert self.reader.trades == [*Trade.objects.order_by("id").values_list("id", flat=True)]

    def entries(self) -> list[bytes]:
        """Take what has been written off the feed."""
        entries = [fields[FIELD] for _, fields in self.redis.xrange(KEY)]
        self.redis.delete(KEY)
        return entries

    def silently(self, *prices: str) -> list[bytes]:
        """Do steps of which the follower hears nothing; returns their entries."""
        heard, self.worker._publisher.publish = self.worker._publisher.publish, lambda settlement: None
        entries = []
        for price in prices:
            self.worker._publisher.publish = lambda settlement: entries.append(
                msgspec.msgpack.encode(news_of(settlement))
            )
            self.step(price)
        self.worker._publisher.publish = heard
        return entries

    def tell(self, *entries: bytes) -> None:
        for entry in entries:
            self.redis.xadd(KEY, {FIELD: entry})


def wait_for(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def followed(monkeypatch) -> Iterator[Followed]:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(following, "RETRY_SECONDS", 0.05)
    get_redis_connection().delete(KEY)
    found = Followed()
    yield found
    found.follower.stop()
    get_redis_connection().delete(KEY)


def test_feed_that_tells_all_needs_no_reset(followed):
    for price in range(80, 90):
        followed.step(str(price))
    followed.until_level()
    assert followed.reader.resets == 0


@pytest.mark.parametrize(
    "told",
    [(1, 2), (0, 2), (0, 1), (), (0, 0, 1, 1, 2, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1, 2)],
    ids=["first missing", "one missing", "last missing", "all missing", "doubled", "reversed", "swapped", "late"],
)
def test_entries_left_out_doubled_or_disordered_end_at_the_database(followed, told):
    entries = followed.silently("81", "82", "83")
    followed.tell(*(entries[n] for n in told))
    followed.until_level()
    followed.step("84")
    followed.until_level()


def test_doubled_entries_need_no_reset(followed):
    entries = followed.silently("81", "82")
    followed.tell(*entries, *entries)
    followed.until_level()
    assert followed.reader.resets == 0


def test_feed_that_is_emptied_is_followed_on(followed):
    for price in ("81", "82"):
        followed.redis.delete(KEY)
        followed.step(price)
    followed.until_level()


def test_feed_whose_clock_was_set_back_is_followed_on(followed):
    followed.redis.xadd(KEY, {FIELD: followed.silently("81")[0]}, id="99999999999999-1")
    followed.until_level()
    followed.redis.delete(KEY)
    for price in ("82", "83", "84"):
        followed.step(price)
        followed.until_level()


@pytest.mark.parametrize("fields", [{FIELD: b""}, {FIELD: b"\xc1"}, {FIELD: b"\x93\x01\x02\x03"}, {b"other": b"x"}])
def test_entry_that_is_no_news_stops_nobody_and_hides_nothing(followed, fields):
    entries = followed.silently("81", "82", "83")
    pipeline = followed.redis.pipeline()  # all at once, so that they are read together
    for entry in entries[:2]:
        pipeline.xadd(KEY, {FIELD: entry})
    pipeline.xadd(KEY, fields)
    pipeline.xadd(KEY, {FIELD: entries[2]})
    pipeline.execute()
    followed.until_level()
    assert followed.reader.resets == 0
    followed.step("84")
    followed.until_level()


def test_redis_that_is_away_delays_and_no_more(followed, monkeypatch):
    def away():
        raise RedisError("away")

    monkeypatch.setattr(following, "get_redis_connection", away)
    followed.step("81")
    followed.until_level()
    monkeypatch.undo()
    followed.step("82")
    followed.until_level()


def test_database_that_ends_the_followers_session_is_asked_again(followed):
    for price in ("81", "82"):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        followed.tell(*followed.silently(price)[1:])
        followed.until_level()


def test_end_does_not_wait_for_a_feed_that_is_silent(followed):
    began = time.monotonic()
    followed.follower.stop()
    assert time.monotonic() - began < 5
