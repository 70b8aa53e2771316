"""Test that a market maker's protection counts exactly what its window has in it, also when a worker starts anew or is told of it late."""

from decimal import Decimal

import pytest
from django.db import connection

from accounts.tests.builders import make_trader
from orders.models import MarketMakerProtection
from orders.protection import remove_protection, reset_protection, set_protection
from orders.rules import rules_of_symbol
from orders.tests.builders import make_market, place_order
from trading.matching import Shard
from trading.tests.builders import match, told
from trading.tests.tampering import differences

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rules(db: None):
    make_market()
    return rules_of_symbol("BTC/USD")


@pytest.fixture
def maker(rules):
    account = make_trader(funds={"BTC": "100"})
    set_protection(account.id, rules, 60_000, Decimal(5))
    return account


@pytest.fixture
def taker(rules):
    return make_trader(funds={"USD": "100000"})


def quote(maker, quantity="4"):
    return place_order(maker, side="Sell", quantity=quantity, market_maker_protection=True)


def take(taker, quantity="4"):
    return place_order(taker, quantity=quantity)


@pytest.mark.parametrize("anew", [False, True])
def test_fills_before_a_worker_started_count_too(maker, taker, anew):
    shard = Shard(0)
    quote(maker)
    take(taker)
    shard.drain()
    rests = quote(maker)
    take(taker, "2")

    (Shard(0) if anew else shard).drain()

    assert told(rests) == "Canceled 2 of 4 for 200: market_maker_protection"
    assert MarketMakerProtection.objects.get().tripped_sequence is not None
    assert differences() == []


def test_fills_count_by_when_they_were_asked_for_however_late_they_are_matched(maker, taker):
    quote(maker)
    take(taker)
    match()
    # As after a long stop: what was executed an hour ago was asked for a moment before what is pending.
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE trades SET executed_at = executed_at - interval '1 hour'")
        cursor.execute("UPDATE commands SET accepted_at = accepted_at - interval '1 hour'")
        cursor.execute("SET session_replication_role = origin")
    rests = quote(maker)
    take(taker, "2")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE commands SET accepted_at = accepted_at - interval '1 hour' WHERE sequence IS NULL")
        cursor.execute("SET session_replication_role = origin")

    match()

    assert told(rests) == "Canceled 2 of 4 for 200: market_maker_protection"


@pytest.mark.parametrize("anew", [False, True])
def test_window_begins_anew_with_a_reset(maker, taker, rules, anew):
    shard = Shard(0)
    quote(maker)
    take(taker)
    shard.drain()
    quote(maker)
    take(taker, "2")
    shard.drain()
    reset_protection(maker.id, rules)
    shard.drain()
    rests = quote(maker)
    take(taker, "3")

    (Shard(0) if anew else shard).drain()

    assert told(rests) == "PartiallyFilled 3 of 4 for 300"
    assert differences() == []


def test_worker_that_runs_takes_notice_of_new_limits_and_of_their_end(maker, taker, rules):
    shard = Shard(0)
    quote(maker)
    shard.drain()
    set_protection(maker.id, rules, 60_000, Decimal(1))
    take(taker, "2")
    shard.drain()
    assert MarketMakerProtection.objects.get().tripped_sequence is not None

    reset_protection(maker.id, rules)
    shard.drain()
    remove_protection(maker.id, rules)
    rests = quote(maker)
    take(taker)
    shard.drain()

    assert told(rests) == "Filled 4 of 4 for 400"
    assert differences() == []


def test_flagged_orders_of_an_account_without_protection_are_orders_like_others(taker):
    maker = make_trader(funds={"BTC": "100"})
    rests = quote(maker, "40")
    take(taker, "30")
    match()

    assert told(rests) == "PartiallyFilled 30 of 40 for 3000"
