"""Read what happened: books, trades, tickers, fills, the life of an order and the journal.

The law: what belongs together is read by one statement, so that it is of one moment; whatever pages walks an index
from the newest down. Public reads name no account; private ones are of one account.
Writing is trading/settlement.py's; candles are read where they are kept (trading/candles.py).
"""

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from django.db import connection
from django.db.models import Q, QuerySet

from orders.models import MarketState, Order
from trading.intervals import ORIGIN_SQL
from trading.journal import PendingCommand, json_or_text
from trading.models import Prevention, Trade


class Level(NamedTuple):
    price: Decimal
    quantity: Decimal


class BookSnapshot(NamedTuple):
    """A market's price levels, best first, as they stood after the command of this sequence."""

    sequence: int
    bids: list[Level]
    asks: list[Level]


_BOOK = """
    WITH levels AS MATERIALIZED (
        SELECT side, price, sum(visible_quantity) AS quantity FROM orders
        WHERE market_id = %(market_id)s AND status IN ('New', 'PendingTrigger', 'PartiallyFilled')
            AND visible_quantity IS NOT NULL
        GROUP BY side, price
    )
    SELECT 'sequence', last_sequence::numeric, NULL FROM market_states WHERE market_id = %(market_id)s
    UNION ALL
    (SELECT side, price, quantity FROM levels WHERE side = 'Buy' ORDER BY price DESC LIMIT %(depth)s)
    UNION ALL
    (SELECT side, price, quantity FROM levels WHERE side = 'Sell' ORDER BY price LIMIT %(depth)s)
"""


def read_book(market_id: int, depth: int | None) -> BookSnapshot:
    """Read the best levels of a market, or all. One statement, hence one snapshot."""
    sequence = 0
    bids: list[Level] = []
    asks: list[Level] = []
    with connection.cursor() as cursor:
        cursor.execute(_BOOK, {"market_id": market_id, "depth": depth})
        for name, price, quantity in cursor.fetchall():
            if name == "sequence":
                sequence = int(price)
            else:
                (bids if name == "Buy" else asks).append(Level(price, quantity))
    # UNION ALL keeps its parts together, but promises no order within them.
    return BookSnapshot(sequence, sorted(bids, reverse=True), sorted(asks))


class AuctionState(NamedTuple):
    """A market's call as it stands: what it would give if it ended now, and when it is to end; None where there is none."""

    phase: str
    indicative_price: Decimal | None
    indicative_quantity: Decimal | None
    indicative_surplus: Decimal | None
    call_ends_at: datetime | None


def read_auction(market_id: int) -> AuctionState:
    """Read a market's call. One query."""
    return AuctionState._make(MarketState.objects.values_list(*AuctionState._fields).get(market_id=market_id))


# Both bounds name market and id, and so does the order: only the index of the two serves it. By market = … ORDER BY id PostgreSQL
# may walk the key instead, past all trades of other markets, where a market's own come to an end.
_TRADES = """
    SELECT * FROM trades WHERE (market_id, id) < (%(market_id)s, %(before)s) AND (market_id, id) > (%(market_id)s, 0)
    ORDER BY market_id DESC, id DESC LIMIT %(limit)s
"""
_BEYOND = 2**63 - 1


def trades_of_market(market_id: int, *, before: int | None, limit: int) -> list[Trade]:
    """Read a market's newest trades below an id. One query."""
    return list(Trade.objects.raw(_TRADES, {"market_id": market_id, "before": before or _BEYOND, "limit": limit}))


class Ticker(NamedTuple):
    """A market's last 24 hours; without a trade in them open, high and low are None."""

    market_id: int
    last: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    sequence: int
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    volume: Decimal
    quote_volume: Decimal


_TICKERS = (Path(__file__).parent / "sql" / "tickers.sql").read_text().replace("{origin}", ORIGIN_SQL)


def read_tickers(market_id: int | None = None) -> list[Ticker]:
    """Read the tickers of all markets by symbol, or of one. One statement."""
    return _read_tickers(None if market_id is None else [market_id])


def read_tickers_of(market_ids: Sequence[int]) -> list[Ticker]:
    """Read the tickers of these markets, by symbol. One statement."""
    return _read_tickers(list(market_ids))


def _read_tickers(market_ids: list[int] | None) -> list[Ticker]:
    with connection.cursor() as cursor:
        cursor.execute(_TICKERS, {"market_ids": market_ids})
        return [Ticker._make(row) for row in cursor.fetchall()]


class Fill(NamedTuple):
    """One trader's side of a trade."""

    id: int
    market_id: int
    order_id: int
    client_order_id: str | None
    side: str
    liquidity: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    executed_at: datetime


# Each half walks an index of its own from the newest down, and stops at the limit: trades_maker or trades_taker, with a market
# trades_maker_market or trades_taker_market; of one order all trades are read. Bounds and order are as in _TRADES, for its reason.
_FILLS = """
    SELECT fill.id, fill.market_id, fill.order_id, o.client_order_id, o.side, fill.liquidity, fill.price, fill.quantity,
        fill.fee, fill.executed_at
    FROM (
        (
            SELECT id, market_id, maker_order_id AS order_id, 'Maker' AS liquidity, price, quantity, maker_fee AS fee,
                executed_at
            FROM {maker}
        ) UNION ALL (
            SELECT id, market_id, taker_order_id, 'Taker', price, quantity, taker_fee, executed_at
            FROM {taker}
        )
        ORDER BY id DESC LIMIT %(limit)s
    ) fill JOIN orders o ON o.id = fill.order_id
    ORDER BY fill.id DESC
"""
_OF_ACCOUNT = """
    trades WHERE ({side}_account_id, id) < (%(account_id)s, %(before)s) AND ({side}_account_id, id) > (%(account_id)s, 0)
    ORDER BY {side}_account_id DESC, id DESC LIMIT %(limit)s
"""
_OF_ACCOUNT_IN_MARKET = """
    trades WHERE ({side}_account_id, market_id, id) < (%(account_id)s, %(market_id)s, %(before)s)
    AND ({side}_account_id, market_id, id) > (%(account_id)s, %(market_id)s, 0)
    ORDER BY {side}_account_id DESC, market_id DESC, id DESC LIMIT %(limit)s
"""
_OF_ORDER = """
    (SELECT * FROM trades WHERE {side}_order_id = %(order_id)s OFFSET 0) of_order
    WHERE {side}_account_id = %(account_id)s AND id < %(before)s AND (%(market_id)s::bigint IS NULL OR market_id = %(market_id)s)
    ORDER BY id DESC LIMIT %(limit)s
"""


def fills_of(
    account_id: int, *, market_id: int | None = None, order_id: int | None = None, before: int | None = None, limit: int
) -> list[Fill]:
    """Read the account's newest fills below a trade's id. One query."""
    if order_id is not None:
        half = _OF_ORDER
    else:
        half = _OF_ACCOUNT if market_id is None else _OF_ACCOUNT_IN_MARKET
    parameters = {
        "account_id": account_id, "market_id": market_id, "order_id": order_id, "before": before or _BEYOND, "limit": limit,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_FILLS.format(maker=half.format(side="maker"), taker=half.format(side="taker")), parameters)
        return [Fill._make(row) for row in cursor.fetchall()]


def preventions_of(account_id: int, *, before: int | None, limit: int) -> QuerySet[Prevention]:
    """Select the newest self-trades below an id that were prevented with an order of the account. One query."""
    preventions = Prevention.objects.filter(Q(maker_account_id=account_id) | Q(taker_account_id=account_id))
    if before is not None:
        preventions = preventions.filter(id__lt=before)
    return preventions.order_by("-id")[:limit]


class HistoryEntry(NamedTuple):
    """One step in an order's life: a command about it, or an event that the engine made of a command.

    `detail` is the event as the journal has it (trading/engine/events.py), empty for a command.
    """

    type: str
    kind: str
    sequence: int | None
    time: datetime
    detail: Sequence[Any]


# As a taker, an order appears in the events of its own command; as a maker, in those of others, which its trades and
# preventions name; and in those of the command that ended it, which may have ended many.
_HISTORY = """
    SELECT c.kind, c.order_id, c.sequence, c.accepted_at, c.processed_at, c.events
    FROM commands c
    WHERE c.order_id = %(order_id)s
    UNION ALL
    SELECT c.kind, c.order_id, c.sequence, c.accepted_at, c.processed_at, c.events
    FROM (
        SELECT sequence FROM trades WHERE maker_order_id = %(order_id)s
        UNION
        SELECT sequence FROM trades WHERE taker_order_id = %(order_id)s
        UNION
        SELECT sequence FROM preventions WHERE maker_order_id = %(order_id)s OR taker_order_id = %(order_id)s
        UNION
        SELECT ended_sequence FROM orders WHERE id = %(order_id)s AND ended_sequence IS NOT NULL
    ) met
    JOIN commands c ON c.market_id = %(market_id)s AND c.sequence = met.sequence
    WHERE c.order_id IS DISTINCT FROM %(order_id)s
    ORDER BY sequence NULLS LAST, accepted_at
"""


def read_history(order: Order) -> list[HistoryEntry]:
    """Read an order's life, oldest first; what is pending comes last. One query."""
    entries = []
    with connection.cursor() as cursor:
        cursor.execute(_HISTORY, {"order_id": order.id, "market_id": order.market_id})
        for kind, order_id, sequence, accepted_at, processed_at, events in cursor.fetchall():
            if order_id == order.id:
                entries.append(HistoryEntry("command", kind, sequence, accepted_at, ()))
            entries += [
                HistoryEntry("event", event[0], sequence, processed_at, event)
                for event in _as_list(events)
                if order.id in _orders_in(event)
            ]
    return entries


_OF_MARKETS = ("phase", "interrupt", "call", "extend", "uncross", "rules", "protect")


def _as_list(events: Any) -> list[list[Any]]:
    if events is None:
        return []
    return events if isinstance(events, list) else msgspec.json.decode(events)


def _orders_in(event: Sequence[Any]) -> Sequence[int]:
    """Tell which orders an event is about."""
    match event[0]:
        case "trade" | "prevent":
            return event[1:3]
        case tag if tag in _OF_MARKETS:
            return ()
    return event[1:2]


class JournalBatch(NamedTuple):
    """A batch with its commands, each with its sequence and its events as JSON arrays, or as text if that is no JSON."""

    first_sequence: int
    last_sequence: int
    engine_version: int
    trades: int
    hash: bytes
    commands: list[tuple[PendingCommand, int, Any]]


_BATCHES = """
    SELECT first_sequence, last_sequence, engine_version, trades, hash FROM batches
    WHERE market_id = %s AND last_sequence > %s AND last_sequence <= %s ORDER BY last_sequence LIMIT %s
"""
_COMMANDS = """
    SELECT id, market_id, kind, order_id, account_id, payload::text, sequence, events::text FROM commands
    WHERE market_id = %s AND sequence > %s AND sequence <= %s ORDER BY sequence
"""
_BATCHES_A_READ = 50


def read_journal(market_id: int, *, after: int = 0, until: int) -> Iterator[JournalBatch]:
    """Read the batches of a market's journal that end with these sequences, in short reads: what is settled never changes."""
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_BATCHES, [market_id, after, until, _BATCHES_A_READ])
            batches = cursor.fetchall()
            if not batches:
                return
            cursor.execute(_COMMANDS, [market_id, after, batches[-1][1]])
            commands = deque((PendingCommand(*row[:6]), row[6], json_or_text(row[7])) for row in cursor.fetchall())
        for first, last, engine_version, trades, digest in batches:
            taken = []
            while commands and commands[0][1] <= last:
                taken.append(commands.popleft())
            yield JournalBatch(first, last, engine_version, trades, bytes(digest), taken)
        after = batches[-1][1]
