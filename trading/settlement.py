"""Write what a batch of commands brought about: trades, orders, transfers, balances, sequences and the batch's hash.

The law: everything is written in the transaction that gives the commands their sequences, in a handful of bulk statements.
Balances are locked last, and then the counters of what accounts are told (accounts/events.py).
What there is to write is worked out in trading/reckoning.py; accounts/ledger.py moves the money,
trading/announcements.py says what accounts are told.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from io import StringIO
from typing import Any

from django.db import connection

from accounts import ledger
from accounts.events import Note
from accounts.ledger import Change, Posting
from accounts.models import AMOUNT_LIMIT, TransferKind
from accounts.numbers import from_units
from accounts.times import from_microseconds
from orders.journal import write_payload
from orders.rules import MarketRules
from orders.selectors import SHOWN_COLUMNS, ShownOrder
from orders.terms import CALL_PHASES, Side
from trading import announcements
from trading.books import LiveOrder
from trading.candles import write_candles
from trading.engine.engine import ENGINE_VERSION, Engine
from trading.journal import rules_payload
from trading.reckoning import Reckoning, TradeRow

_TRIP = """
    UPDATE market_maker_protections p SET tripped_sequence = u.sequence, tripped_at = now()
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS u (sequence, market_id, account_id)
    WHERE p.market_id = u.market_id AND p.account_id = u.account_id
"""
_RESET = """
    UPDATE market_maker_protections SET reset_sequence = %s, tripped_sequence = NULL, tripped_at = NULL
    WHERE market_id = %s AND account_id = %s
"""


class Settlement(Reckoning):
    """All that one commit will write: a reckoning that is written once. What the database gave it then is kept.

    `trade_ids` are those of `trades`, in their order; `states` what was written of each market's state, by market;
    `settled_at` is the time of the trades, if there are any; `told` has the last sequence of each account that was told something.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trade_ids: list[int] = []
        self.states: dict[int, tuple[object, ...]] = {}
        self.settled_at: datetime | None = None
        self.told: dict[int, int] = {}
        self._notes: list[Note] = []

    def write(self) -> None:
        """Write everything. Expects an open transaction that holds the markets' fences.

        Raises IntegrityError where a constraint is broken, and MissingBalance; the transaction must then be rolled back.
        """
        self._write_trades()
        self._write_candles()
        self._write_preventions()
        self._write_orders()
        self._write_commands()
        self._write_own_commands()
        self._write_protections()
        self._write_batches()
        self._write_states()
        self._write_balances()

    def _write_trades(self) -> None:
        if not self.trades:
            return
        rows = StringIO()
        postings: list[Posting] = []
        self.trade_ids, self.settled_at = _next_trades(len(self.trades))
        executed_at = self.settled_at.isoformat()
        for trade_id, trade in zip(self.trade_ids, self.trades, strict=True):
            rules, maker, taker = trade.rules, trade.maker, trade.taker
            base = from_units(trade.quantity * rules.lot_units, rules.base_scale)
            quote = from_units(trade.quantity * trade.price * rules.tick_lot_units, rules.quote_scale)
            maker_scale, taker_scale = (
                (rules.quote_scale, rules.base_scale)
                if trade.taker_side is Side.BUY
                else (rules.base_scale, rules.quote_scale)
            )
            maker_fee, taker_fee = from_units(trade.maker_fee, maker_scale), from_units(trade.taker_fee, taker_scale)
            rows.write(
                f"{trade_id}\t{rules.market_id}\t{trade.sequence}\t{trade.ordinal}\t{rules.price(trade.price):f}\t"
                f"{base:f}\t{quote:f}\t{trade.taker_side}\t{maker.order_id}\t{taker.order_id}\t"
                f"{maker.account_id}\t{taker.account_id}\t{maker_fee:f}\t{taker_fee:f}\t{executed_at}\n"
            )
            postings += _postings(trade, trade_id, base, quote, maker_fee, taker_fee)
        _copy(
            "trades",
            "id, market_id, sequence, ordinal, price, quantity, quote_amount, side, maker_order_id, taker_order_id, "
            "maker_account_id, taker_account_id, maker_fee, taker_fee, executed_at",
            rows,
        )
        ledger.write_transfers(postings)

    def _write_candles(self) -> None:
        if self.settled_at is not None:
            write_candles(self.trades, self.settled_at)

    def _write_preventions(self) -> None:
        if not self.preventions:
            return
        rows = StringIO()
        for rules, sequence, ordinal, event, maker, taker in self.preventions:
            rows.write(
                f"{rules.market_id}\t{sequence}\t{ordinal}\t{event.mode}\t{rules.price(event.price):f}\t"
                f"{rules.quantity(event.quantity):f}\t{maker.order_id}\t{taker.order_id}\t"
                f"{maker.account_id}\t{taker.account_id}\n"
            )
        _copy(
            "preventions",
            "market_id, sequence, ordinal, mode, price, quantity, maker_order_id, taker_order_id, "
            "maker_account_id, taker_account_id",
            rows,
        )

    def _write_orders(self) -> None:
        columns = [order_columns(rules, order) for rules, order in self.touched.values()]
        rows = _update(
            f"""
            UPDATE orders o SET status = u.status, reason = u.reason, quantity = u.quantity,
                filled_quantity = u.filled, filled_quote = u.filled_quote, prevented_quantity = u.prevented,
                remaining_quantity = u.remaining, visible_quantity = u.visible, extreme_price = u.extreme,
                armed_sequence = u.armed,
                held_amount = u.held, priority_sequence = u.sequence, priority_ordinal = u.ordinal,
                ended_sequence = u.ended, price = CASE WHEN o.price IS NOT NULL THEN u.price END,
                protection_price = CASE WHEN o.price IS NULL THEN u.price END, updated_at = now()
            FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[],
                %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[], %s::bigint[], %s::numeric[], %s::bigint[],
                %s::int[], %s::bigint[], %s::numeric[])
                AS u (id, status, reason, quantity, filled, filled_quote, prevented, remaining, visible, extreme, armed, held,
                    sequence, ordinal, ended, price)
            WHERE o.id = u.id
            RETURNING {SHOWN_COLUMNS}
            """,  # noqa: S608  columns of ours
            columns,
        )
        orders = {row[0]: ShownOrder._make(row) for row in rows}
        # Made here and not where they are told: balances are not locked yet.
        self._notes = announcements.notes_of(self, orders, self.trade_ids, self.settled_at)

    def _write_commands(self) -> None:
        _update(
            """
            UPDATE commands c SET sequence = u.sequence, events = u.events, processed_at = now()
            FROM unnest(%s::bigint[], %s::bigint[], %s::jsonb[]) AS u (id, sequence, events)
            WHERE c.id = u.id AND c.sequence IS NULL
            """,
            [(taken.pending.id, taken.sequence, taken.events_text()) for taken in self.commands if taken.pending.id],
        )

    def _write_own_commands(self) -> None:
        """Insert the commands that the loop itself has put into the journal."""
        rows = [
            (
                taken.pending.market_id,
                taken.pending.kind,
                taken.pending.order_id,
                taken.pending.account_id,
                taken.pending.payload_text,
                from_microseconds(taken.pending.accepted),
                taken.sequence,
                taken.events_text(),
            )
            for taken in self.commands
            if not taken.pending.id
        ]
        if not rows:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO commands
                    (market_id, kind, order_id, account_id, payload, accepted_at, sequence, events, processed_at)
                SELECT u.*, now() FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::jsonb[],
                    %s::timestamptz[], %s::bigint[], %s::jsonb[]) AS u
                """,
                [list(column) for column in zip(*rows, strict=True)],
            )

    def _write_protections(self) -> None:
        # In their order: an account may be protected and reset in one batch.
        for market_id, account_id, on, sequence in self.protections:
            if on:
                _update(_TRIP, [(sequence, market_id, account_id)])
            else:
                with connection.cursor() as cursor:
                    cursor.execute(_RESET, [sequence, market_id, account_id])

    def _write_batches(self) -> None:
        with connection.cursor() as cursor:
            for batch in self.batches:
                cursor.execute(
                    "INSERT INTO batches (market_id, first_sequence, last_sequence, engine_version, trades, hash)"
                    " VALUES (%s, %s, %s, %s, %s, %s)",
                    [
                        batch.market_id,
                        batch.first_sequence,
                        batch.last_sequence,
                        ENGINE_VERSION,
                        batch.trades,
                        batch.hash,
                    ],
                )

    def _write_states(self) -> None:
        self.states = {book.rules.market_id: state_columns(book.engine, book.rules) for book in self.books}
        rows = [(book.rules.market_id, book.last_sequence, *self.states[book.rules.market_id]) for book in self.books]
        _update(
            """
            UPDATE market_states s SET phase = u.phase, last_sequence = u.sequence, last_price = u.last_price,
                last_auction_price = u.last_auction_price, best_bid = u.bid, best_ask = u.ask,
                call_ends_at = u.call_ends_at, call_extensions = u.extensions, indicative_price = u.indicative_price,
                indicative_quantity = u.indicative_quantity, indicative_surplus = u.indicative_surplus, rules = u.rules,
                updated_at = now()
            FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::jsonb[], %s::numeric[], %s::numeric[], %s::numeric[],
                %s::numeric[], %s::timestamptz[], %s::int[], %s::numeric[], %s::numeric[], %s::numeric[])
                AS u (id, sequence, phase, rules, last_price, last_auction_price, bid, ask, call_ends_at, extensions,
                    indicative_price, indicative_quantity, indicative_surplus)
            WHERE s.market_id = u.id
            """,
            rows,
        )

    def _write_balances(self) -> None:
        scales = self.scales
        self.told = ledger.post_balances(
            {
                key: Change(from_units(available, scales[key[1]]), from_units(held, scales[key[1]]))
                for key, (available, held) in self.changes.items()
                if available or held
            },
            notes=self._notes,
            told=announcements.holds_taken(self),
        )


def _postings(
    trade: TradeRow, trade_id: int, base: Decimal, quote: Decimal, maker_fee: Decimal, taker_fee: Decimal
) -> Iterable[Posting]:
    """Make a trade's transfers: base to the buyer, quote to the seller, and each one's fee out of what it received."""
    rules = trade.rules
    buyer, seller, buyer_fee, seller_fee = (
        (trade.taker, trade.maker, taker_fee, maker_fee)
        if trade.taker_side is Side.BUY
        else (trade.maker, trade.taker, maker_fee, taker_fee)
    )
    yield Posting(rules.base_id, seller.account_id, buyer.account_id, base, TransferKind.TRADE, trade_id)
    yield Posting(rules.quote_id, buyer.account_id, seller.account_id, quote, TransferKind.TRADE, trade_id)
    if buyer_fee:
        yield Posting(rules.base_id, buyer.account_id, rules.fee_account_id, buyer_fee, TransferKind.FEE, trade_id)
    if seller_fee:
        yield Posting(rules.quote_id, seller.account_id, rules.fee_account_id, seller_fee, TransferKind.FEE, trade_id)


def order_columns(rules: MarketRules, order: LiveOrder) -> tuple[object, ...]:
    """Lay out what settlement writes of an order.

    Id, status, reason; quantity, filled quantity and quote, prevented, remaining, visible; the extreme it was armed with, and
    by which sequence; held; priority, the sequence that ended it, and the price it holds at.
    """
    sequence, ordinal = order.priority or (None, None)
    return (
        order.order_id,
        str(order.status),
        order.reason,
        None if order.quantity is None else rules.quantity(order.quantity),
        rules.quantity(order.filled),
        from_units(order.filled_quote, rules.quote_scale),
        rules.quantity(order.prevented),
        None if order.left is None else rules.quantity(order.left),
        None if order.visible is None else rules.quantity(order.visible),
        _price(order.extreme, rules),
        order.armed,
        from_units(order.held, rules.quote_scale if order.side is Side.BUY else rules.base_scale),
        sequence,
        ordinal,
        order.ended,
        rules.price(order.price),
    )


def state_columns(engine: Engine, rules: MarketRules) -> tuple[object, ...]:
    """Lay out what settlement writes of a market's state: phase, rules and prices; from BEST on, what its orders and its call are."""
    bid, ask = engine.bids.best(), engine.asks.best()
    return (
        str(engine.phase),
        write_payload(rules_payload(engine.rules)),
        _price(engine.last_price, rules),
        _price(engine.last_auction_price, rules),
        None if bid is None else rules.price(bid.price),
        None if ask is None else rules.price(ask.price),
        None if engine.call_ends_at is None else from_microseconds(engine.call_ends_at),
        engine.call_extensions,
        *_indicative(engine, rules),
    )


BEST = 4


def _price(ticks: int | None, rules: MarketRules) -> Decimal | None:
    return None if ticks is None else rules.price(ticks)


def _indicative(engine: Engine, rules: MarketRules) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Lay out what a call would give now: price, quantity and surplus."""
    found = engine.indicative() if engine.phase in CALL_PHASES else None
    if found is None:
        return None, None, None
    quantity, surplus = rules.quantity(found.quantity), rules.quantity(found.surplus)
    # What would be bought in vain may be more than a column holds, for nothing but money bounds it.
    most = AMOUNT_LIMIT - rules.lot_size
    return rules.price(found.price), min(quantity, most), max(-most, min(surplus, most))


def _next_trades(count: int) -> tuple[list[int], datetime]:
    """Reserve ids for a commit's trades, and the time of all of them: the fences are held, so a market's trades get later with their ids."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('trades_id_seq'), statement_timestamp() FROM generate_series(1, %s)", [count])
        rows = cursor.fetchall()
    return [trade_id for trade_id, _ in rows], rows[0][1]


def _copy(table: str, columns: str, rows: StringIO) -> None:
    rows.seek(0)
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", rows)


class RowsMissing(Exception):
    """Rows that were to be updated are not there as they should be."""


def _update(statement: str, rows: Sequence[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    """Update one row for each of these, whose columns the statement takes as arrays; returns what it does. Raises RowsMissing."""
    if not rows:
        return []
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])
        if cursor.rowcount != len(rows):
            raise RowsMissing(f"{cursor.rowcount} of {len(rows)} rows updated: {statement.split()[1]}")
        return cursor.fetchall() if cursor.description else []
