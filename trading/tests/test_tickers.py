"""Test that tickers, which add candles up, say to the microsecond what a scan of all trades says.

The oracle is that scan. The time is put into both statements in place of now(), so that every edge can be tried.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from orders.tests.builders import make_market
from trading import selectors
from trading.selectors import Ticker, read_tickers, read_tickers_of
from trading.tests.builders import insert_trades, make_candles

pytestmark = pytest.mark.django_db

ORACLE = """
    SELECT m.id, s.last_price, s.best_bid, s.best_ask, s.last_sequence, first.price, day.high, day.low,
        COALESCE(day.volume, 0), COALESCE(day.quote_volume, 0)
    FROM markets m
    JOIN market_states s ON s.market_id = m.id
    LEFT JOIN LATERAL (
        SELECT t.price FROM trades t
        WHERE t.market_id = m.id AND t.executed_at > now() - interval '24 hours'
        ORDER BY t.executed_at, t.id LIMIT 1
    ) first ON TRUE
    LEFT JOIN LATERAL (
        SELECT max(t.price) AS high, min(t.price) AS low, sum(t.quantity) AS volume, sum(t.quote_amount) AS quote_volume
        FROM trades t WHERE t.market_id = m.id AND t.executed_at > now() - interval '24 hours'
    ) day ON TRUE
    ORDER BY m.symbol
"""
NOW = datetime(2024, 5, 17, 12, tzinfo=UTC)
MICROSECOND, SECOND, MINUTE, HOUR = (timedelta(**{unit: 1}) for unit in ("microseconds", "seconds", "minutes", "hours"))
EDGES = [n * unit for unit in (MICROSECOND, SECOND, 30 * SECOND, MINUTE, HOUR) for n in (-1, 0, 1)]
moments = st.lists(st.sampled_from(EDGES), max_size=3).map(lambda parts: sum(parts, timedelta()))
ages = st.builds(
    lambda hours, moment: hours * HOUR + moment, st.sampled_from([0, 1, 12, 22, 23, 24, 25, 48]), moments
).filter(lambda age: age >= timedelta())
trades = st.lists(st.tuples(ages, st.integers(1, 10**6), st.integers(1, 10**6)), max_size=12)


def at(statement: str, now: datetime) -> str:
    return statement.replace("now()", f"timestamptz '{now.isoformat()}'")


def rows(statement: str) -> list[Ticker]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [Ticker._make(row) for row in cursor.fetchall()]


@pytest.fixture
def markets() -> list[int]:
    return [make_market(symbol).id for symbol in ("BTC/USD", "ETH/USD")]


@given(moment=moments, of_markets=st.tuples(trades, trades))
def test_ticker_is_what_a_scan_of_all_trades_says(moment, of_markets):
    now = NOW + moment
    with transaction.atomic():
        markets = [make_market(symbol).id for symbol in ("BTC/USD", "ETH/USD")]
        for market_id, deals in zip(markets, of_markets, strict=True):
            insert_trades(
                market_id,
                [
                    (now - age, f"{price / Decimal(100)}", f"{quantity / Decimal(10**5):f}")
                    for age, price, quantity in deals
                ],
            )
            make_candles(market_id)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(selectors, "_TICKERS", at(selectors._TICKERS, now))
            found = read_tickers()
        assert found == rows(at(ORACLE, now))
        transaction.set_rollback(True)


@pytest.mark.parametrize("moment", EDGES)
def test_trade_falls_out_of_the_day_at_its_microsecond(moment, monkeypatch):
    now = NOW + moment
    monkeypatch.setattr(selectors, "_TICKERS", at(selectors._TICKERS, now))
    for symbol, edge, within in (
        ("A/USD", -MICROSECOND, False),
        ("B/USD", 0 * SECOND, False),
        ("C/USD", MICROSECOND, True),
    ):
        market_id = make_market(symbol).id
        insert_trades(market_id, [(now - 24 * HOUR + edge, "100", "1"), (now - HOUR, "90", "2")])
        make_candles(market_id)
        (ticker,) = read_tickers(market_id)
        assert (ticker.volume, ticker.high, ticker.open) == ((3, 100, 100) if within else (2, 90, 90))
    assert read_tickers() == rows(at(ORACLE, now))


def test_tickers_are_read_of_all_of_some_or_of_one_market(markets, django_assert_num_queries):
    btc, eth = markets
    ada = make_market("ADA/USD").id
    assert [ticker.market_id for ticker in read_tickers()] == [ada, btc, eth]
    assert [ticker.market_id for ticker in read_tickers(btc)] == [btc]
    with django_assert_num_queries(1):
        assert [ticker.market_id for ticker in read_tickers_of([eth, ada])] == [ada, eth]
    assert read_tickers_of([]) == []
