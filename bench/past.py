"""Make a long past: trades of some months, with what a trader's lists are read from, straight into the tables.

The law: it has what makes reads hard: prices walk, nights are quiet, one market hardly trades, another began late, and one account
has been a party to half of all trades since it came. It is of a seed. It goes past the triggers, so it is for a database that is thrown away.
Journal, balances and books know nothing of it; candles are worked out by the exchange's own trading/candle_repair.py.
"""

import time
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

DAYS = 120
CHUNK = 500_000
TRADES_A_BLOCK = 1_000
MARKETS = ("REST/USD", "BATCH/USD", "CROSS/USD", "TRIP/USD")
LATE, QUIET = MARKETS[2:]
TRADERS = 16
BASE_PRICE = 100
FIRST_TRANSFER = 10**9
"""Beyond the deposits that furnished the accounts; of trade n, the ids are twice n from there."""

_SEED = "SELECT setseed(0.25)"
# Shares of the markets: 55, 30, 14.9 and 0.1 %; the third begins, and slot 1 comes, when a third of all is over: what they would
# have had is the first market's and slot 2's. Slots 1 to 8 make, 9 to 16 take.
_TRADES = """
    INSERT INTO trades (id, market_id, sequence, ordinal, price, quantity, quote_amount, side, maker_order_id, taker_order_id,
        maker_account_id, taker_account_id, maker_fee, taker_fee, executed_at)
    SELECT n, market_id, n, 0, price, quantity, price * quantity, side, block + maker, block + taker,
        (%(accounts)s::bigint[])[maker], (%(accounts)s::bigint[])[taker], 0, 0, %(now)s - age * interval '1 day'
    FROM (
        SELECT n, side, maker, taker, quantity, n / %(block)s * 16 AS block,
            (%(markets)s::bigint[])[CASE WHEN share < 0.55 THEN 1 WHEN share < 0.85 THEN 2 WHEN share >= 0.999 THEN 4
                WHEN n * 3 > %(total)s THEN 3 ELSE 1 END]
                AS market_id,
            GREATEST(round((%(base)s * exp(%(walked)s + sum(step) OVER (ORDER BY n)))::numeric, 2), 0.01) AS price,
            floor(days) + (days - floor(days)) * 20 / 24 AS age
        FROM (
            SELECT n, random() AS share, random_normal(0, 0.3 / sqrt(%(total)s)) AS step,
                round((0.001 + 2 * random() ^ 4)::numeric, 3) AS quantity,
                CASE WHEN random() < 0.5 THEN 'Buy' ELSE 'Sell' END AS side,
                CASE WHEN random() < 0.5 THEN CASE WHEN n * 3 > %(total)s THEN 1 ELSE 2 END ELSE 2 + floor(random() * 7)::int END
                    AS maker,
                9 + floor(random() * 8)::int AS taker,
                (%(total)s - n)::float8 / %(total)s * %(days)s AS days
            FROM generate_series(%(low)s, %(high)s) AS n
        ) AS drawn
    ) AS dealt
    ORDER BY n
"""
_WALKED = "SELECT ln(price / %s) FROM trades ORDER BY id DESC LIMIT 1"
_TRANSFERS = """
    INSERT INTO transfers (id, asset_id, debit_account_id, credit_account_id, amount, kind, trade_id, created_at)
    SELECT {first} + 2 * t.id + leg.n, leg.asset_id, leg.debit, leg.credit, leg.amount, 'trade', t.id, t.executed_at
    FROM trades t JOIN markets m ON m.id = t.market_id CROSS JOIN LATERAL (
        VALUES (0, m.base_id, t.maker_account_id, t.taker_account_id, t.quantity),
            (1, m.quote_id, t.taker_account_id, t.maker_account_id, t.quote_amount)
    ) AS leg (n, asset_id, debit, credit, amount)
    WHERE t.id BETWEEN %(low)s AND %(high)s ORDER BY t.id, leg.n
""".replace("{first}", str(FIRST_TRANSFER))
_ORDERS = """
    INSERT INTO orders (id, account_id, market_id, side, order_type, time_in_force, post_only, self_trade_prevention,
        market_maker_protection, price, quantity, filled_quantity, filled_quote, prevented_quantity, remaining_quantity,
        held_amount, maker_fee, taker_fee, status, ended_sequence)
    SELECT block * 16 + slot, (%(accounts)s::bigint[])[slot], (%(markets)s::bigint[])[1], 'Buy', 'Limit', 'GTC', FALSE,
        'CancelNewest', FALSE, 100, 1, 1, 100, 0, 0, 0, 0, 0, 'Filled', 1
    FROM generate_series(0, %(total)s / %(block)s) AS block CROSS JOIN generate_series(1, 16) AS slot
"""
TABLES = ("trades", "candles", "transfers", "orders")


class Past(NamedTuple):
    """What there is: markets by symbol, and who is a party to half of all trades; one of its orders, and how many it has."""

    trades: int
    markets: dict[str, int]
    busy_account: int
    busy_order: int
    trades_of_order: int
    began: datetime
    now: datetime
    seconds: dict[str, float]


def make_past(trades: int, markets: dict[str, int], accounts: list[int]) -> Past:
    """Fill empty tables with so many trades of furnished markets between these accounts, and their candles."""
    seconds: dict[str, float] = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        (now,) = cursor.fetchone()
    start = time.perf_counter()
    _insert(
        trades, {"markets": [markets[symbol] for symbol in MARKETS], "accounts": accounts, "now": now, "days": DAYS}
    )
    seconds["trades, transfers and orders"] = time.perf_counter() - start
    start = time.perf_counter()
    seconds["the longest week of them"] = _make_candles(list(markets.values()))
    seconds["candles by rebuild"] = time.perf_counter() - start
    start = time.perf_counter()
    _compare_candles(list(markets.values()))
    seconds["candles compared"] = time.perf_counter() - start
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(TABLES)}")
        cursor.execute("SELECT maker_order_id FROM trades WHERE maker_account_id = %s LIMIT 1", [accounts[0]])
        (order_id,) = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM trades WHERE maker_order_id = %s", [order_id])
        (of_order,) = cursor.fetchone()
    return Past(trades, markets, accounts[0], order_id, of_order, now - timedelta(days=DAYS), now, seconds)


def _insert(trades: int, parameters: dict[str, Any]) -> None:
    parameters = {**parameters, "total": trades, "block": TRADES_A_BLOCK, "base": BASE_PRICE, "walked": 0.0}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(_SEED)
        cursor.execute(_ORDERS, parameters)
        for low in range(1, trades + 1, CHUNK):
            parameters |= {"low": low, "high": min(low + CHUNK - 1, trades)}
            cursor.execute(_TRADES, parameters)
            cursor.execute(_TRANSFERS, parameters)
            cursor.execute(_WALKED, [BASE_PRICE])
            parameters["walked"] = float(cursor.fetchone()[0])
        cursor.execute("SET LOCAL session_replication_role = origin")


def _make_candles(market_ids: list[int]) -> float:
    """Make them by the exchange's own rebuild; returns the seconds that the longest week took."""
    from trading.candle_repair import repair_week, weeks_of

    longest = 0.0
    for market_id in market_ids:
        for week in weeks_of(market_id):
            start = time.perf_counter()
            repair_week(market_id, week)
            longest = max(longest, time.perf_counter() - start)
    return longest


def _compare_candles(market_ids: list[int]) -> None:
    from trading.candle_repair import compare_week, weeks_of

    for market_id in market_ids:
        for week in weeks_of(market_id):
            assert not compare_week(market_id, week).differences


def forget_past() -> None:
    """Empty the tables that a past was made in."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY CASCADE")
