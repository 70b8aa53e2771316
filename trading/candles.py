"""Keep and read candles: what a market traded in each minute, hour, day.

The law: a candle is written in the commit of its trades, so it is never older or newer than they are; one row only where
something traded. What is read is without gaps: where nothing traded the price stood still. Reads cost what they return,
however much there is.
Candles are derived: trading/candle_repair.py works them out from the trades, to compare or to make them anew, and that is why
they may be changed and deleted, unlike all else that settlement writes.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection

from accounts.numbers import from_units
from orders.rules import MarketRules
from trading.intervals import INTERVALS_SQL, ORIGIN_SQL, STEPS, CandleInterval
from trading.reckoning import TradeRow

CANDLES_MAX = 1000
"""More are not read at a time."""

# -- written -------------------------------------------------------------------------------------------

# All trades of a commit are of one time, so a market has one share of each interval in it. Commits of a market
# follow each other under its fence, by ascending ids of trades: the last of them closes.
_WRITE = f"""
    INSERT INTO candles AS c (market_id, interval, open_time, open, high, low, close, volume, quote_volume, trades)
    SELECT u.market_id, i.name, date_bin(i.step, %s, {ORIGIN_SQL}), u.open, u.high, u.low, u.close, u.volume, u.quote_volume,
        u.trades
    FROM unnest(%s::bigint[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[],
            %s::bigint[]) AS u (market_id, open, high, low, close, volume, quote_volume, trades)
        CROSS JOIN ({INTERVALS_SQL}) AS i (name, step)
    ON CONFLICT (market_id, interval, open_time) DO UPDATE SET
        high = GREATEST(c.high, excluded.high), low = LEAST(c.low, excluded.low), close = excluded.close,
        volume = c.volume + excluded.volume, quote_volume = c.quote_volume + excluded.quote_volume,
        trades = c.trades + excluded.trades
"""  # noqa: S608  of our own constants


class _Traded:
    """What one market traded in one commit, in ticks and lots."""

    __slots__ = ("close", "count", "high", "lots", "low", "open", "rules", "tick_lots")

    def __init__(self, rules: MarketRules, price: int) -> None:
        self.rules = rules
        self.open = self.high = self.low = self.close = price
        self.lots = self.tick_lots = self.count = 0

    def add(self, price: int, lots: int) -> None:
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.lots += lots
        self.tick_lots += price * lots
        self.count += 1

    def columns(self) -> tuple[object, ...]:
        rules = self.rules
        return (
            rules.market_id,
            rules.price(self.open),
            rules.price(self.high),
            rules.price(self.low),
            rules.price(self.close),
            rules.quantity(self.lots),
            from_units(self.tick_lots * rules.tick_lot_units, rules.quote_scale),
            self.count,
        )


def write_candles(trades: Sequence[TradeRow], executed_at: datetime) -> None:
    """Add a commit's trades to their candles: one statement for all markets and intervals.

    Expects the transaction that writes the trades, with the markets' fences held, and the trades in the order of their ids.
    """
    traded: dict[int, _Traded] = {}
    for trade in trades:
        market_id = trade.rules.market_id
        if market_id not in traded:
            traded[market_id] = _Traded(trade.rules, trade.price)
        traded[market_id].add(trade.price, trade.quantity)
    rows = [one.columns() for one in traded.values()]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [executed_at, *(list(column) for column in zip(*rows, strict=True))])


# -- read ----------------------------------------------------------------------------------------------


class Candle(NamedTuple):
    """What was traded from `open_time` on for one interval; flat at the price before where nothing was."""

    open_time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int


class LatestCandles(NamedTuple):
    """Candles up to the database's now: the one that `now` lies in is still open, those before it are closed."""

    now: datetime
    candles: dict[tuple[int, CandleInterval], list[Candle]]


class _Asked(NamedTuple):
    """Candles from `start` to `end`, by their open times: of those the first so many, or the last, where `newest`."""

    market_id: int
    interval: CandleInterval
    seconds: int
    start: datetime | None
    end: datetime | None
    limit: int
    newest: bool


# For each that is asked: the candles between its bounds, and the last one before them, which says where flat ones stand.
# GREATEST and LEAST pass over nulls. The bounds hold as many intervals as may be returned.
_READ = f"""
    SELECT clock.now, found.n, found.low, found.high, found.open_time, found.open, found.top, found.bottom, found.close,
        found.volume, found.quote_volume, found.trades
    FROM (SELECT now()) AS clock (now) LEFT JOIN (
        SELECT asked.n, span.low, span.high, c.open_time, c.open, c.high AS top, c.low AS bottom, c.close, c.volume,
            c.quote_volume, c.trades
        FROM unnest(%s::bigint[], %s::text[], %s::float8[], %s::timestamptz[], %s::timestamptz[], %s::int[], %s::bool[])
            WITH ORDINALITY AS asked (market_id, name, seconds, start_at, end_at, most, newest, n)
        CROSS JOIN LATERAL (SELECT make_interval(secs => asked.seconds)) AS unit (step)
        CROSS JOIN LATERAL (
            SELECT open_time FROM candles WHERE market_id = asked.market_id AND interval = asked.name
            ORDER BY open_time LIMIT 1
        ) AS oldest
        CROSS JOIN LATERAL (SELECT date_bin(unit.step, LEAST(now(), asked.end_at), {ORIGIN_SQL})) AS latest (open_time)
        CROSS JOIN LATERAL (
            SELECT GREATEST(
                oldest.open_time,
                date_bin(unit.step, asked.start_at + unit.step - interval '1 microsecond', {ORIGIN_SQL}),
                CASE WHEN asked.newest THEN latest.open_time - (asked.most - 1) * unit.step END
            )
        ) AS first (open_time)
        CROSS JOIN LATERAL (
            SELECT first.open_time, LEAST(latest.open_time, first.open_time + (asked.most - 1) * unit.step)
        ) AS span (low, high)
        CROSS JOIN LATERAL (
            (
                SELECT * FROM candles WHERE market_id = asked.market_id AND interval = asked.name AND open_time < span.low
                ORDER BY open_time DESC LIMIT 1
            )
            UNION ALL
            SELECT * FROM candles
            WHERE market_id = asked.market_id AND interval = asked.name AND open_time BETWEEN span.low AND span.high
        ) AS c
        WHERE span.low <= span.high
    ) AS found ON TRUE
"""  # noqa: S608  of our own constants


def read_candles(
    market_id: int,
    interval: CandleInterval,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = CANDLES_MAX,
) -> list[Candle]:
    """Read candles without gaps, oldest first, whose open times are from `start` to `end`, both included. One statement.

    With a start the first so many from there on, without one the last, the running one included. None is before the market's
    first trade.
    """
    asked = _Asked(market_id, interval, _seconds(interval), start, end, limit, newest=start is None)
    return _read([asked])[1][0]


def read_candles_since(pairs: Sequence[tuple[int, CandleInterval, datetime | None]]) -> LatestCandles:
    """Read the candles of markets and intervals from an open time on, or the running one alone, up to now. One statement.

    Without gaps and oldest first, as read_candles, the last CANDLES_MAX of each; empty where a market has not traded yet.
    """
    asked = [
        _Asked(market_id, interval, _seconds(interval), since, None, 1 if since is None else CANDLES_MAX, newest=True)
        for market_id, interval, since in pairs
    ]
    now, found = _read(asked)
    return LatestCandles(
        now, {(one.market_id, one.interval): candles for one, candles in zip(asked, found, strict=True)}
    )


def _seconds(interval: CandleInterval) -> int:
    return STEPS[interval] // timedelta(seconds=1)


def _read(asked: Sequence[_Asked]) -> tuple[datetime, list[list[Candle]]]:
    """Read what is asked, in that order, and the database's now."""
    columns: list[list[Any]] = [list(column) for column in zip(*asked, strict=True)] or [[] for _ in _Asked._fields]
    spans: dict[int, tuple[datetime, datetime]] = {}
    kept: list[list[Candle]] = [[] for _ in asked]
    with connection.cursor() as cursor:
        cursor.execute(_READ, columns)
        rows = cursor.fetchall()
    for _, n, low, high, *candle in rows:
        if n is not None:
            spans[n - 1] = low, high
            kept[n - 1].append(Candle._make(candle))
    return rows[0][0], [
        list(_without_gaps(sorted(candles), *spans[n], STEPS[asked[n].interval])) if candles else []
        for n, candles in enumerate(kept)
    ]


def _without_gaps(kept: Sequence[Candle], low: datetime, high: datetime, step: timedelta) -> Iterator[Candle]:
    """Go through every interval from low to high. The first candle that was kept is at low or before it."""
    by_time = {candle.open_time: candle for candle in kept}
    close = kept[0].close
    time = low
    while time <= high:
        candle = by_time.get(time) or Candle(time, close, close, close, close, Decimal(0), Decimal(0), 0)
        yield candle
        close = candle.close
        time += step
