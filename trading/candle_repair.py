"""Work candles out from trades: to compare them with those that are kept, and to put right those that differ.

The law: a market is gone through week by week, since a week begins with all intervals. To compare is one statement a week, so
trades and candles are of one moment, and nobody waits. To put right, a week that may still grow is worked out up to some trade
first; only for those that came since, and for writing, its market's fence is held.
A minute's open and close are its first and last trade by id; longer candles are made up of minutes.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from trading.intervals import INTERVALS_SQL, ORIGIN_SQL

WEEK = timedelta(days=7)
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_SETTLES_WITHIN = "1 hour"  # A trade is there for others some time after it was made.
_FIGURES = ("open", "high", "low", "close", "volume", "quote_volume", "trades")


def _figures(table: str) -> str:
    return ", ".join(f"{table}.{name}" for name in _FIGURES)


_LAST = "SELECT max(id), %s > now() - %s::interval FROM trades WHERE market_id = %s"
_MINUTES = f"""
    SELECT date_bin('1 minute', executed_at, {ORIGIN_SQL}) AS open_time, min(id) AS first_id, max(id) AS last_id,
        max(price) AS high, min(price) AS low, sum(quantity) AS volume, sum(quote_amount) AS quote_volume, count(*) AS trades
    FROM trades WHERE market_id = %(market_id)s AND executed_at >= %(low)s AND executed_at < %(high)s {{ids}}
    GROUP BY 1
"""  # noqa: S608  of our own constants
# By the key of trades, one look for each: a join might read them all.
_MADE = f"""
    SELECT interval::text, open_time, (SELECT price FROM trades WHERE id = first_id) AS open, high, low,
        (SELECT price FROM trades WHERE id = last_id) AS close, volume, quote_volume, trades
    FROM (
        SELECT i.name AS interval, date_bin(i.step, m.open_time, {ORIGIN_SQL}) AS open_time, min(first_id) AS first_id,
            max(last_id) AS last_id, max(high) AS high, min(low) AS low, sum(volume) AS volume,
            sum(quote_volume) AS quote_volume, sum(trades)::bigint AS trades
        FROM candle_minutes m CROSS JOIN ({INTERVALS_SQL}) AS i (name, step) GROUP BY 1, 2
    ) rolled
"""  # noqa: S608  of our own constants
_KEPT = f"""
    SELECT c.interval, c.open_time, {_figures("c")} FROM ({INTERVALS_SQL}) AS i (name, step) JOIN candles c
    ON c.market_id = %(market_id)s AND c.interval = i.name AND c.open_time >= %(low)s AND c.open_time < %(high)s
"""  # noqa: S608  of our own constants
_COMPARE = f"""
    WITH candle_minutes AS MATERIALIZED ({_MINUTES.format(ids="")}), made AS MATERIALIZED ({_MADE}),
        kept AS MATERIALIZED ({_KEPT})
    SELECT (SELECT sum(trades)::bigint FROM candle_minutes), (SELECT count(*) FROM made), interval, open_time,
        {_figures("kept")}, {_figures("made")}
    FROM (SELECT) AS once
        LEFT JOIN (kept FULL JOIN made USING (interval, open_time)) ON ({_figures("kept")}) IS DISTINCT FROM ({_figures("made")})
    ORDER BY open_time, interval
"""  # noqa: S608  of our own constants
_WRITE = f"""
    WITH made AS MATERIALIZED ({_MADE}), kept AS MATERIALIZED ({_KEPT}),
    gone AS (
        DELETE FROM candles c USING (SELECT interval, open_time FROM kept EXCEPT SELECT interval, open_time FROM made) AS extra
        WHERE c.market_id = %(market_id)s AND c.interval = extra.interval AND c.open_time = extra.open_time
        RETURNING c.open_time
    ),
    written AS (
        INSERT INTO candles AS c (market_id, interval, open_time, {", ".join(_FIGURES)})
        SELECT %(market_id)s, differs.* FROM (TABLE made EXCEPT TABLE kept) AS differs ORDER BY open_time, interval
        ON CONFLICT (market_id, interval, open_time) DO UPDATE
        SET ({", ".join(_FIGURES)}) = ROW ({_figures("excluded")})
        RETURNING c.xmax = 0 AS is_new
    )
    SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new), (SELECT count(*) FROM gone) FROM written
"""  # noqa: S608  of our own constants
_NEXT_WEEK = f"""
    SELECT date_bin('7 days', min(time), {ORIGIN_SQL}) FROM (
        (
            SELECT executed_at AS time FROM trades WHERE market_id = %(market_id)s AND executed_at >= %(low)s
            ORDER BY executed_at LIMIT 1
        ) UNION ALL (
            SELECT c.open_time FROM ({INTERVALS_SQL}) AS i (name, step) CROSS JOIN LATERAL (
                SELECT open_time FROM candles WHERE market_id = %(market_id)s AND interval = i.name AND open_time >= %(low)s
                ORDER BY open_time LIMIT 1
            ) c
        )
    ) next
"""  # noqa: S608  of our own constants


class CandleDifference(NamedTuple):
    """A candle that is not as its trades make it; both are figures as in the table, None where there is no such candle."""

    interval: str
    open_time: datetime
    kept: tuple[Any, ...] | None
    made: tuple[Any, ...] | None


class Compared(NamedTuple):
    """A week's comparison: how many trades and candles there should be, and which are not so."""

    trades: int
    candles: int
    differences: list[CandleDifference]


class Repaired(NamedTuple):
    """How many candles were put right."""

    added: int
    changed: int
    removed: int


def weeks_of(market_id: int) -> Iterator[datetime]:
    """Name the weeks, by their beginnings, that have trades or candles of a market, by one look into the indexes for each."""
    low = _BEGINNING
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_NEXT_WEEK, {"market_id": market_id, "low": low})
            (week,) = cursor.fetchone()
        if week is None:
            return
        yield week
        low = week + WEEK


def compare_week(market_id: int, week: datetime) -> Compared:
    """Compare a week's candles with its trades. One statement, which only reads."""
    with connection.cursor() as cursor:
        cursor.execute(_COMPARE, {"market_id": market_id, "low": week, "high": week + WEEK})
        rows = cursor.fetchall()
    differences = []
    for _, _, interval, open_time, *both in rows:
        if interval is not None:
            kept, made = tuple(both[: len(_FIGURES)]), tuple(both[len(_FIGURES) :])
            differences.append(
                CandleDifference(interval, open_time, kept if kept[0] else None, made if made[0] else None)
            )
    return Compared(rows[0][0] or 0, rows[0][1], differences)


def repair_week(market_id: int, week: datetime) -> Repaired:
    """Make a week's candles those of its trades, in one transaction."""
    span: dict[str, Any] = {"market_id": market_id, "low": week, "high": week + WEEK}
    with transaction.atomic(), connection.cursor() as cursor:
        # Ids of a market's trades ascend from commit to commit, so what comes later has higher ones.
        cursor.execute(_LAST, [week + WEEK, _SETTLES_WITHIN, market_id])
        last_id, may_grow = cursor.fetchone()
        span["last_id"] = last_id or 0
        cursor.execute(f"CREATE TEMPORARY TABLE candle_minutes AS {_MINUTES.format(ids='AND id <= %(last_id)s')}", span)
        if may_grow:
            cursor.execute("SELECT FROM market_states WHERE market_id = %s FOR NO KEY UPDATE", [market_id])
            cursor.execute(f"INSERT INTO candle_minutes {_MINUTES.format(ids='AND id > %(last_id)s')}", span)
        cursor.execute(_WRITE, span)
        repaired = Repaired._make(cursor.fetchone())
        cursor.execute("DROP TABLE candle_minutes")
        return repaired
