"""Test that candles are compared and rebuilt beside matching, and that nothing is lost or counted twice by it."""

import threading
from itertools import count

import pytest

from accounts.tests.builders import make_trader
from accounts.tests.rivals import Rival, start_waiting
from orders import intake
from orders.tests.builders import make_market, make_request
from trading.candle_repair import compare_week, repair_week, weeks_of
from trading.candles import read_candles, read_candles_since
from trading.intervals import CandleInterval
from trading.matching import Shard
from trading.models import Candle, Trade
from trading.selectors import read_tickers
from trading.settlement import Settlement
from trading.tests.builders import match

pytestmark = pytest.mark.django_db(transaction=True)


def compare(market_id: int) -> tuple[int, list]:
    found = [compare_week(market_id, week) for week in weeks_of(market_id)]
    return sum(one.trades for one in found), [difference for one in found for difference in one.differences]


def test_candles_are_compared_and_rebuilt_beside_matching():
    market = make_market()
    accounts = [make_trader(funds={"BTC": "1000", "USD": "100000"}) for _ in range(2)]
    over = threading.Event()

    def trade() -> None:
        for number in count():
            if over.is_set():
                return
            for side, account in zip(("Sell", "Buy"), accounts, strict=True):
                intake.place(account.id, [make_request(side=side, price=str(100 + number % 5), quantity="0.01")] * 3)

    shard = Shard(0)
    rivals = [Rival(trade), Rival(lambda: shard.run(seconds=60, should_stop=over.is_set))]
    try:
        rounds, seen = 0, 0
        while rounds < 12:
            if not (weeks := list(weeks_of(market.id))):
                continue
            rounds += 1
            # What is removed meanwhile is all that may differ, until it is put right.
            Candle.objects.filter(interval__in=["1h", "1w"][: rounds % 3]).delete()
            for week in weeks:
                repair_week(market.id, week)
            trades, differences = compare(market.id)
            assert differences == []
            assert trades >= seen
            seen = trades
    finally:
        over.set()
        for rival in rivals:
            rival.result()
    match()

    assert compare(market.id) == (Trade.objects.count(), [])
    (week,) = read_candles(market.id, CandleInterval.WEEK)[-1:]
    assert week.trades == Trade.objects.count() > 20
    assert week.volume == read_tickers(market.id)[0].volume
    assert read_candles_since([(market.id, CandleInterval.WEEK, None)]).candles[market.id, CandleInterval.WEEK] == [
        week
    ]


def test_rebuild_waits_for_a_commit_that_is_under_way_and_has_its_trades(monkeypatch):
    market = make_market()
    seller, buyer = make_trader(funds={"BTC": "10"}), make_trader(funds={"USD": "1000"})
    for account, side in ((seller, "Sell"), (buyer, "Buy")):
        intake.place(account.id, [make_request(side=side)])
    match()
    (week,) = weeks_of(market.id)
    for account, side in ((seller, "Sell"), (buyer, "Buy")):
        intake.place(account.id, [make_request(side=side, price="101")])

    write, rebuilds = Settlement.write, []

    def write_beside_a_rebuild(settlement: Settlement) -> None:
        rebuilds.append(start_waiting(lambda: repair_week(market.id, week)))
        write(settlement)

    monkeypatch.setattr(Settlement, "write", write_beside_a_rebuild)
    match()
    (rebuild,) = rebuilds

    assert rebuild.result() == (0, 0, 0)
    assert compare(market.id) == (2, [])
