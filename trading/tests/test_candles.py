"""Test candles: that they are written with their trades, read without gaps, and worked out from trades alike.

Tickers, which add them up, are test_tickers.py's; the HTTP API is test_api_candles.py's.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from random import Random

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.builders import make_trader
from orders.tests.builders import make_market, place_order
from trading import candle_repair, settlement
from trading.candle_repair import Repaired, compare_week, repair_week, weeks_of
from trading.candles import CANDLES_MAX, read_candles, read_candles_since
from trading.intervals import ORIGIN, STEPS, CandleInterval
from trading.models import Candle, Trade
from trading.tests.builders import database_now, insert_trades, make_candles, match

pytestmark = pytest.mark.django_db

MINUTE, HOUR, WEEK = CandleInterval.MINUTE, CandleInterval.HOUR, CandleInterval.WEEK
MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


def told(candle) -> str:
    """Tell a candle as in "100 120 90 110: 3 for 330 by 3"."""
    figures = (candle.open, candle.high, candle.low, candle.close, candle.volume, candle.quote_volume)
    *prices, volume, quote = (f"{figure.normalize():f}" for figure in figures)
    return f"{' '.join(prices)}: {volume} for {quote} by {candle.trades}"


def trade(symbol: str, *deals: tuple[str, str]) -> None:
    """Let orders meet at these prices, for these quantities, in one commit."""
    funds = dict.fromkeys(symbol.split("/"), "1000000")
    maker, taker = make_trader(funds=funds), make_trader(funds=funds)
    for price, quantity in deals:
        place_order(maker, symbol=symbol, side="Sell", price=price, quantity=quantity)
        place_order(taker, symbol=symbol, price=price, quantity=quantity)


@pytest.fixture
def last_of_week(monkeypatch) -> datetime:
    """Let trades be made in the last microsecond of a week long ago, whenever their transaction began."""
    time, next_trades = MONDAY + timedelta(days=7, microseconds=-1), settlement._next_trades
    monkeypatch.setattr(settlement, "_next_trades", lambda count: (next_trades(count)[0], time))
    return time


def test_commit_adds_its_trades_to_the_candles_of_each_interval(last_of_week):
    market = make_market()
    trade("BTC/USD", ("100", "1"), ("120", "0.5"), ("90", "2"))
    match()
    trade("BTC/USD", ("95", "1"), ("110", "1"))
    match()

    assert set(Candle.objects.values_list("market_id", "interval", "open_time")) == {
        (market.id, str(interval), last_of_week - (last_of_week - ORIGIN) % step) for interval, step in STEPS.items()
    }
    assert {told(candle) for candle in Candle.objects.all()} == {"100 120 90 110: 5.5 for 545 by 5"}


def test_candles_are_of_the_time_of_their_trades_and_not_of_their_transaction(last_of_week):
    make_market()
    trade("BTC/USD", ("100", "1"), ("101", "1"))
    match()
    assert set(Trade.objects.values_list("executed_at", flat=True)) == {last_of_week}
    assert {MONDAY, MONDAY + timedelta(days=7, minutes=-1)} < set(Candle.objects.values_list("open_time", flat=True))
    assert kept_candles() == obvious_candles(Trade.objects.all())


def test_commit_of_several_markets_writes_all_candles_by_one_statement():
    for symbol in ("BTC/USD", "ETH/USD"):
        make_market(symbol)
        trade(symbol, ("100", "1"), ("101", "1"))
    with CaptureQueriesContext(connection) as queries:
        match()

    assert sum("INTO candles" in query["sql"] for query in queries) == 1
    assert Candle.objects.count() == 2 * len(CandleInterval)
    assert {told(candle) for candle in Candle.objects.all()} == {"100 101 100 101: 2 for 201 by 2"}


def test_commit_without_trades_writes_no_candles():
    make_market()
    place_order(make_trader(funds={"USD": "1000"}))
    match()
    assert not Candle.objects.exists()


def test_weeks_begin_on_monday_and_all_intervals_at_round_times():
    assert ORIGIN.weekday() == 0
    market = make_market()
    insert_trades(market.id, [(datetime(2024, 1, 7, 23, 59, 59, 999999, tzinfo=UTC), "100", "1")])
    make_candles(market.id)
    begins = dict(Candle.objects.values_list("interval", "open_time"))
    assert {interval: f"{time:%a %d %H:%M}" for interval, time in begins.items()} == {
        "1m": "Sun 07 23:59", "5m": "Sun 07 23:55", "15m": "Sun 07 23:45", "30m": "Sun 07 23:30", "1h": "Sun 07 23:00",
        "4h": "Sun 07 20:00", "1d": "Sun 07 00:00", "1w": "Mon 01 00:00",
    }  # fmt: skip


# Read


def scene() -> int:
    """Trades at 12:00, 12:03 and 12:04 of a Monday long ago."""
    market = make_market()
    noon = MONDAY + timedelta(hours=12)
    insert_trades(
        market.id,
        [
            (noon, "100", "1"),
            (noon + timedelta(seconds=59), "110", "1"),
            (noon + timedelta(minutes=3), "90", "2"),
            (noon + timedelta(minutes=4, seconds=1), "95", "1"),
        ],
    )
    make_candles(market.id)
    return market.id


def at(minute: int, second: int = 0) -> datetime:
    return MONDAY + timedelta(hours=12, minutes=minute, seconds=second)


KEPT = {0: "100 110 100 110: 2 for 210 by 2", 3: "90 90 90 90: 2 for 180 by 1", 4: "95 95 95 95: 1 for 95 by 1"}
FLAT = {1: "110 110 110 110: 0 for 0 by 0", 2: "110 110 110 110: 0 for 0 by 0"}


def minutes_of(candles) -> dict[int, str]:
    assert candles == sorted(candles)
    return {(candle.open_time - at(0)) // timedelta(minutes=1): told(candle) for candle in candles}


@pytest.mark.parametrize(
    ("start", "end", "limit", "minutes"),
    [
        (at(0), at(4), 100, range(5)),
        (at(-60), at(4), 100, range(5)),  # nothing is before the first trade
        (None, at(4), 100, range(5)),
        (None, at(4, 59), 2, range(3, 5)),
        (at(0), None, 2, range(2)),
        (at(-60), None, 2, range(2)),
        (at(1), at(2), 100, range(1, 3)),  # flat ones alone
        (at(1), at(1), 100, range(1, 2)),
        (at(0, 1), at(2, 59), 100, range(1, 3)),  # by their open times
        (at(1, 1), at(1, 59), 100, ()),
        (at(-9), at(-1), 100, ()),
        (None, at(-1), 100, ()),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), None, 100, ()),
        (datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), 100, ()),
        (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), 4, range(4)),
    ],
)
def test_candles_are_read_without_gaps(start, end, limit, minutes, django_assert_num_queries):
    market_id = scene()
    with django_assert_num_queries(1):
        candles = read_candles(market_id, MINUTE, start=start, end=end, limit=limit)
    assert minutes_of(candles) == {minute: (KEPT | FLAT)[minute] for minute in minutes}


def test_without_an_end_the_running_candle_is_the_last():
    market_id = scene()
    candles = read_candles(market_id, MINUTE, limit=3)
    now = database_now()
    assert [candle.open_time for candle in candles] == [
        now.replace(second=0, microsecond=0) - timedelta(minutes=ago) for ago in (2, 1, 0)
    ]
    assert {told(candle) for candle in candles} == {"95 95 95 95: 0 for 0 by 0"}
    assert candles == read_candles(market_id, MINUTE, limit=3, end=now + timedelta(days=1))


def test_market_that_has_not_traded_has_no_candles():
    market = make_market()
    assert read_candles(market.id, HOUR) == []
    assert read_candles_since([(market.id, HOUR, MONDAY)]).candles == {(market.id, HOUR): []}


def test_candles_since_a_time_are_of_all_pairs_in_one_statement(django_assert_num_queries):
    now = database_now()
    this_minute = now.replace(second=0, microsecond=0)
    btc, eth, old = (make_market(symbol).id for symbol in ("BTC/USD", "ETH/USD", "OLD/USD"))
    insert_trades(btc, [(this_minute - timedelta(minutes=2), "100", "1"), (now, "101", "2")])
    insert_trades(eth, [(this_minute - timedelta(minutes=1), "7", "1")])
    insert_trades(old, [(MONDAY, "5", "1")])
    for market_id in (btc, eth, old):
        make_candles(market_id)

    asked = [
        (btc, MINUTE, this_minute - timedelta(minutes=1)),
        (btc, WEEK, None),
        (eth, MINUTE, None),
        (eth, HOUR, this_minute - timedelta(days=1)),
        (old, MINUTE, MONDAY),
    ]
    with django_assert_num_queries(1):
        found = read_candles_since(asked)

    assert found.now == now
    assert list(found.candles) == [(market_id, interval) for market_id, interval, _ in asked]
    assert [told(candle) for candle in found.candles[btc, MINUTE]] == [
        "100 100 100 100: 0 for 0 by 0",
        "101 101 101 101: 2 for 202 by 1",
    ]
    assert len(found.candles[btc, WEEK]) == 1
    assert [(told(candle), candle.open_time) for candle in found.candles[eth, MINUTE]] == [
        ("7 7 7 7: 0 for 0 by 0", this_minute)
    ]
    assert [candle.trades for candle in found.candles[eth, HOUR]] in ([1], [1, 0])
    assert len(found.candles[old, MINUTE]) == CANDLES_MAX
    assert found.candles[old, MINUTE][-1].open_time == this_minute
    for market_id, interval in found.candles:
        assert (
            found.candles[market_id, interval]
            == read_candles(market_id, interval)[-len(found.candles[market_id, interval]) :]
        )


def test_candles_since_are_told_the_time_though_nothing_is_asked():
    assert read_candles_since([]) == (database_now(), {})


# Worked out from trades


def obvious_candles(trades) -> dict[tuple[str, datetime], str]:
    """Work candles out by going through all trades by id."""
    buckets: dict[tuple[str, datetime], list] = defaultdict(list)
    for row in sorted(trades, key=lambda row: row.id):
        for interval, step in STEPS.items():
            buckets[str(interval), row.executed_at - (row.executed_at - ORIGIN) % step].append(row)
    found = {}
    for key, rows in buckets.items():
        prices = [row.price for row in rows]
        candle = Candle(
            open=prices[0], high=max(prices), low=min(prices), close=prices[-1], volume=sum(row.quantity for row in rows),
            quote_volume=sum(row.quote_amount for row in rows), trades=len(rows),
        )  # fmt: skip
        found[key] = told(candle)
    return found


def kept_candles() -> dict[tuple[str, datetime], str]:
    return {(candle.interval, candle.open_time): told(candle) for candle in Candle.objects.all()}


@pytest.mark.parametrize("seed", range(5))
def test_repair_makes_the_candles_that_going_through_all_trades_makes(seed):
    chance = Random(seed)
    market, other = make_market(), make_market("ETH/USD")
    bounds = [MONDAY, MONDAY + timedelta(days=7), MONDAY + timedelta(days=1), database_now()]
    trades = []
    for _ in range(150):
        time = chance.choice(bounds) - timedelta(microseconds=chance.choice((0, 1, 10**6, 10**8, 10**10, 10**11)))
        trades.append(
            (time, str(chance.randint(1, 10**6) / Decimal(100)), str(chance.randint(1, 1000) / Decimal(1000)))
        )
    insert_trades(market.id, trades)  # not in the order of their times, and the ids are
    insert_trades(other.id, trades[:1])

    for week in weeks_of(market.id):
        compared = compare_week(market.id, week)
        assert len(compared.differences) == compared.candles
        repaired = repair_week(market.id, week)
        assert repaired == Repaired(compared.candles, 0, 0)
        assert compare_week(market.id, week) == compared._replace(differences=[])
        assert repair_week(market.id, week) == Repaired(0, 0, 0)

    assert kept_candles() == obvious_candles(Trade.objects.filter(market=market))


def test_candles_kept_by_commits_are_those_made_of_their_trades():
    for symbol in ("BTC/USD", "ETH/BTC"):
        make_market(symbol)
        trade(symbol, ("100.01", "0.00001"), ("99.99", "3"), ("100", "0.12345"))
        match()
        trade(symbol, ("101", "2"))
        match()
    for market_id in set(Trade.objects.values_list("market_id", flat=True)):
        for week in weeks_of(market_id):
            assert compare_week(market_id, week).differences == []


def test_repair_puts_right_what_differs_and_nothing_else():
    market_id = scene()
    right = kept_candles()
    Candle.objects.filter(interval="1m", open_time=at(3)).update(close=91, high=92)
    Candle.objects.filter(interval="1h").delete()
    extra = Candle.objects.create(
        market_id=market_id, interval="5m", open_time=at(30), open=1, high=1, low=1, close=1, volume=1, quote_volume=1,
        trades=1,
    )  # fmt: skip

    (week,) = weeks_of(market_id)
    found = compare_week(market_id, week).differences
    assert {(one.interval, one.open_time, one.kept is None, one.made is None) for one in found} == {
        ("1m", at(3), False, False),
        ("1h", at(0), True, False),
        ("5m", extra.open_time, False, True),
    }
    assert repair_week(market_id, week) == Repaired(added=1, changed=1, removed=1)
    assert kept_candles() == right


def test_trades_that_come_while_a_week_is_worked_out_are_in_it(monkeypatch):
    market = make_market()
    trade("BTC/USD", ("100", "1"), ("101", "1"), ("99", "1"))
    match()
    right = kept_candles()
    Candle.objects.all().delete()
    # As if the later trades had come behind the first look, which ends with this one.
    first = Trade.objects.earliest("id").id
    monkeypatch.setattr(candle_repair, "_LAST", f"SELECT {first}, %s > now() - %s::interval WHERE %s > 0")
    (week,) = weeks_of(market.id)
    assert repair_week(market.id, week) == Repaired(len(right), 0, 0)
    assert kept_candles() == right


def test_command_says_what_it_changed():
    scene()
    Candle.objects.filter(interval="1m", open_time=at(3)).update(close=91, high=92)
    assert run("rebuild_candles") == "BTC/USD: 0 candles added, 1 changed, 0 removed\n"
    assert run("rebuild_candles", "btc-usd") == "BTC/USD: 0 candles added, 0 changed, 0 removed\n"


def test_command_that_checks_names_what_differs_and_fails():
    scene()
    count = Candle.objects.count()
    assert run("rebuild_candles", "--check") == f"BTC/USD: {count} candles compared\n"
    Candle.objects.filter(interval="1m", open_time=at(3)).update(close=91, high=92)
    with pytest.raises(CommandError) as failure:
        run("rebuild_candles", "--check")
    assert failure.value.returncode == 1
    assert str(failure.value).splitlines() == [
        "BTC/USD 1m candle of 2024-01-01T12:03:00.000000Z is (90, 92, 90, 91, 2, 180, 1), and its trades make"
        " (90, 90, 90, 90, 2, 180, 1)",
        "1 differences",
    ]
    with pytest.raises(CommandError, match="XXX/USD"):
        run("rebuild_candles", "XXX/USD")


def run(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()
