"""Reads of a long past go by index and read little more than they return; and a read that does not is found out."""

import pytest
from django.db import connection

from accounts.models import Account
from bench.furnish import furnish
from bench.history import Read, fault, reads, take
from bench.past import TRADERS, make_past
from bench.plans import Plan, explain
from trading.candle_repair import compare_week, weeks_of
from trading.models import Candle, Trade

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("trades", [8_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_every_read_goes_by_index_and_reads_little_more_than_it_returns(trades: int) -> None:
    markets = furnish(TRADERS)
    past = make_past(
        trades, markets, list(Account.objects.filter(kind="trader").order_by("id").values_list("id", flat=True))
    )

    taken = [take(read, runs=3) for read in reads(past)]

    assert [one.fault for one in taken if one.fault] == []
    assert {one.name: one.rows for one in taken if one.name in ("trades", "trades, deep", "candles 1m, deep", "fills, deep")} == {
        "trades": 100, "trades, deep": 100, "candles 1m, deep": 100, "fills, deep": 101,
    }  # fmt: skip
    assert all(one.rows for one in taken)
    assert Trade.objects.count() == trades
    assert set(Trade.objects.values_list("market_id", flat=True).distinct()) == set(markets.values())
    (week,) = list(weeks_of(past.markets["REST/USD"]))[5:6]
    assert compare_week(past.markets["REST/USD"], week).differences == []
    assert Candle.objects.filter(interval="1m").count() <= trades


def test_read_that_goes_through_a_table_or_reads_too_much_is_at_fault() -> None:
    def scan() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT sum(quantity) FROM trades WHERE price > %s", [5])

    plan = explain(scan)
    assert plan == Plan((), ("trades",), 0)
    assert fault(Read("scan", scan), 1, plan) == "scan: goes through trades from end to end"
    assert fault(Read("much", scan), 10, Plan(("some_index",), (), 61)) == "much: reads 61 rows for 10"
    assert fault(Read("little", scan), 10, Plan(("some_index",), ("markets",), 60)) is None
