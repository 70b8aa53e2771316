"""Test that the copies which REST reads are the database's books, at its last commit."""

import time
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django_redis import get_redis_connection

from accounts.tests.builders import make_trader
from accounts.tests.rivals import PATIENCE
from orders.rules import rules_of_market
from orders.tests.builders import make_market, place_order
from trading.feed import KEY
from trading.matching import Shard
from trading.selectors import read_book
from trading.streams import depth
from trading.streams.depth import Copies, read_depth
from trading.tests.venue import FUNDS, Venue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def copies(monkeypatch) -> Iterator[Copies]:
    kept = Copies()
    monkeypatch.setattr(depth, "_copies", kept)
    yield kept
    if kept._follower is not None:
        kept._follower.stop()


def read_from_copy(copies, market, sequence=None):
    """Read from the copy alone, once it has come as far as the database."""
    rules, deadline = rules_of_market(market.id), time.monotonic() + PATIENCE
    at = read_book(market.id, 1).sequence if sequence is None else sequence
    while (found := copies.read(rules, 1000, at)) is None:
        assert time.monotonic() < deadline
    return found


@pytest.mark.parametrize("seed", range(3))
def test_copy_is_the_databases_book_after_each_match_of_a_chance_flow(copies, seed):
    venue = Venue(seed)
    for _ in range(60):
        venue.step()
        venue.match()

        assert read_from_copy(copies, venue.market) == read_book(venue.market.id, 1000)


def test_read_right_after_a_commit_has_it_though_nothing_is_told(copies):
    market, trader = make_market(), make_trader(funds=FUNDS)
    place_order(trader, price="99")
    Shard(0).drain()
    read_from_copy(copies, market)
    worker = Shard(0)
    worker._publisher.publish = lambda settlement: None
    place_order(trader, price="98")
    worker.drain()

    found = read_depth(rules_of_market(market.id), 10)

    assert [f"{level.price:.0f}" for level in found.bids] == ["99", "98"]
    assert found.sequence == 2
    # The copy comes to itself: each second its sequence is compared with the database's.
    assert read_from_copy(copies, market) == found


def test_redis_that_was_emptied_costs_nothing_but_time(copies):
    market, trader = make_market(), make_trader(funds=FUNDS)
    for price in ("99", "98", "97"):
        place_order(trader, price=price)
        Shard(0).drain()
        get_redis_connection().delete(KEY)

        assert read_depth(rules_of_market(market.id), 10) == read_book(market.id, 10)
    assert read_from_copy(copies, market) == read_book(market.id, 10)


def test_rest_serves_from_the_copy(copies):
    market, trader = make_market(), make_trader(funds=FUNDS)
    place_order(trader, price="99")
    Shard(0).drain()
    read_from_copy(copies, market)

    with connection.execute_wrapper(_refuse_sums):
        answer = Client().get("/api/v1/markets/BTC-USD/book?depth=1").json()

    assert (answer["sequence"], [level[0] for level in answer["bids"]]) == (1, ["99.00"])


def _refuse_sums(execute, sql, params, many, context):
    assert "sum(" not in sql
    return execute(sql, params, many, context)
