"""Turn the engine's events into rows: trades, orders, transfers, balances, sequences and the batch's hash.

The law: everything a batch of commands brought about is written in the transaction that gives the commands their sequences,
in a handful of bulk statements; per asset nothing comes or goes but fees to the market's fee account, which are the one
rounding there is (up, at the asset's scale). Balances are locked last.
The engine decided what trades; accounts/ledger.py moves the money; this module only works out how much.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from io import StringIO
from typing import NamedTuple

from django.db import connection

from accounts import ledger
from accounts.ledger import Change, Posting
from accounts.models import TransferKind
from accounts.numbers import from_units
from orders.journal import FEE_RATE_SCALE, NewPayload
from orders.rules import MarketRules
from orders.terms import STATUS_OF_REASON, OrderStatus, Reason, Side
from trading.books import LiveOrder, MarketBook, new_live_order
from trading.engine.engine import ENGINE_VERSION
from trading.engine.events import Ended, Prevented, Reduced, Rested, Traded
from trading.journal import TakenCommand, chain

_FEE_RATE_ONE = 10**FEE_RATE_SCALE


class _TradeRow(NamedTuple):
    rules: MarketRules
    sequence: int
    ordinal: int
    price: int
    quantity: int
    taker_side: Side
    maker: LiveOrder
    taker: LiveOrder
    maker_fee: int
    taker_fee: int


class _PreventionRow(NamedTuple):
    rules: MarketRules
    sequence: int
    ordinal: int
    event: Prevented
    maker: LiveOrder
    taker: LiveOrder


class _BatchRow(NamedTuple):
    market_id: int
    first_sequence: int
    last_sequence: int
    trades: int
    hash: bytes


def fee_of(received: int, rate: int) -> int:
    """Work out the fee on an amount received, in its asset's smallest units, at a rate in units of 10^-8; rounds up."""
    return -(-received * rate // _FEE_RATE_ONE)


class HoldExceeded(Exception):
    """An order was to give more than it holds; what is held for others must not pay for it."""


def _use_hold(order: LiveOrder, units: int) -> None:
    if not 0 <= units <= order.held:
        raise HoldExceeded(f"order {order.order_id} holds {order.held} and was to use {units}")
    order.held -= units


class Settlement:
    """All that one commit will write. Fill it command by command, close each market's batch, then write it once."""

    def __init__(self) -> None:
        self._commands: list[TakenCommand] = []
        self._touched: dict[int, tuple[MarketRules, LiveOrder]] = {}
        self._trades: list[_TradeRow] = []
        self._preventions: list[_PreventionRow] = []
        self._changes: dict[tuple[int, int], list[int]] = {}
        self._scales: dict[int, int] = {}
        self._books: list[MarketBook] = []
        self._batches: list[_BatchRow] = []

    def settle(self, book: MarketBook, taken: TakenCommand) -> None:
        """Work out what a command's events mean for orders and money."""
        self._commands.append(taken)
        rules = book.rules
        self._scales[rules.base_id], self._scales[rules.quote_id] = rules.base_scale, rules.quote_scale
        row = taken.pending
        if isinstance(taken.payload, NewPayload):
            assert row.order_id is not None
            assert row.account_id is not None
            if row.order_id in book.live:
                raise ValueError(f"command {row.id} brings in order {row.order_id}, which rests already")
            book.live[row.order_id] = new_live_order(row.order_id, row.account_id, taken.payload)
        for ordinal, event in enumerate(taken.events):
            match event:
                case Traded():
                    self._trade(book, taken.sequence, ordinal, event)
                case Rested():
                    self._touch(book, event.order_id).priority = (taken.sequence, ordinal)
                case Ended():
                    self._end(book, event.order_id, event.reason)
                case Reduced():
                    self._reduce(book, event)
                case Prevented():
                    maker, taker = book.live[event.maker_order_id], book.live[event.taker_order_id]
                    self._preventions.append(_PreventionRow(rules, taken.sequence, ordinal, event, maker, taker))

    def reject_failed(self, book: MarketBook, taken: TakenCommand, *, release: LiveOrder | None) -> None:
        """Record a command that could not be carried out; its new order, if it has one, is Rejected and its hold freed."""
        self._commands.append(taken)
        rules = book.rules
        self._scales[rules.base_id], self._scales[rules.quote_id] = rules.base_scale, rules.quote_scale
        if release is not None:
            book.live[release.order_id] = release
            self._end(book, release.order_id, Reason.INTERNAL_ERROR)

    def close_batch(self, book: MarketBook, taken: Sequence[TakenCommand]) -> None:
        """Chain the batch's hash and move the book's sequence on."""
        book.last_hash = chain(book.last_hash, (command.line() for command in taken))
        book.last_sequence = taken[-1].sequence
        trades = sum(1 for row in self._trades if row.rules.market_id == book.rules.market_id)
        self._books.append(book)
        self._batches.append(
            _BatchRow(book.rules.market_id, taken[0].sequence, book.last_sequence, trades, book.last_hash)
        )

    # -- working out ------------------------------------------------------------------------------

    def _touch(self, book: MarketBook, order_id: int) -> LiveOrder:
        order = book.live[order_id]
        self._touched[order_id] = (book.rules, order)
        return order

    def _trade(self, book: MarketBook, sequence: int, ordinal: int, event: Traded) -> None:
        rules = book.rules
        maker, taker = self._touch(book, event.maker_order_id), self._touch(book, event.taker_order_id)
        buyer, seller = (taker, maker) if taker.side is Side.BUY else (maker, taker)
        base_units = event.quantity * rules.lot_units
        quote_units = event.quantity * event.price * rules.tick_lot_units
        # A buy by quantity held its own price for these lots; what it saved is free at once.
        freed = quote_units if buyer.quantity is None else event.quantity * buyer.price * rules.tick_lot_units
        buyer_fee = fee_of(base_units, buyer.taker_fee if buyer is taker else buyer.maker_fee)
        seller_fee = fee_of(quote_units, seller.taker_fee if seller is taker else seller.maker_fee)
        self._change(buyer.account_id, rules.quote_id, freed - quote_units, -freed)
        self._change(buyer.account_id, rules.base_id, base_units - buyer_fee, 0)
        self._change(seller.account_id, rules.base_id, 0, -base_units)
        self._change(seller.account_id, rules.quote_id, quote_units - seller_fee, 0)
        self._change(rules.fee_account_id, rules.base_id, buyer_fee, 0)
        self._change(rules.fee_account_id, rules.quote_id, seller_fee, 0)
        _use_hold(buyer, freed)
        _use_hold(seller, base_units)
        for order in (maker, taker):
            order.filled += event.quantity
            order.filled_quote += quote_units
            order.status = OrderStatus.PARTIALLY_FILLED
            if order.left is not None:
                order.left -= event.quantity
        maker_fee, taker_fee = (seller_fee, buyer_fee) if buyer is taker else (buyer_fee, seller_fee)
        self._trades.append(
            _TradeRow(
                rules, sequence, ordinal, event.price, event.quantity, taker.side, maker, taker, maker_fee, taker_fee
            )
        )
        book.last_price = event.price
        if not event.maker_left:
            self._end(book, maker.order_id, None)

    def _end(self, book: MarketBook, order_id: int, reason: Reason | None) -> None:
        """End an order: without a reason it is Filled. Nothing of its hold remains."""
        order = self._touch(book, order_id)
        self._release(book.rules, order, order.held)
        order.left = None if order.left is None else 0
        order.reason = reason
        order.status = OrderStatus.FILLED if reason is None else STATUS_OF_REASON[reason]
        del book.live[order_id]

    def _reduce(self, book: MarketBook, event: Reduced) -> None:
        order = self._touch(book, event.order_id)
        rules = book.rules
        assert order.quantity is not None
        order.quantity -= event.removed
        order.left = event.left
        units = order.price * rules.tick_lot_units if order.side is Side.BUY else rules.lot_units
        self._release(rules, order, event.removed * units)

    def _release(self, rules: MarketRules, order: LiveOrder, units: int) -> None:
        """Free a part of an order's hold."""
        _use_hold(order, units)
        asset_id = rules.quote_id if order.side is Side.BUY else rules.base_id
        self._change(order.account_id, asset_id, units, -units)

    def _change(self, account_id: int, asset_id: int, available: int, held: int) -> None:
        sums = self._changes.setdefault((account_id, asset_id), [0, 0])
        sums[0] += available
        sums[1] += held

    # -- writing ----------------------------------------------------------------------------------

    def write(self) -> None:
        """Write everything. Expects an open transaction that holds the markets' fences.

        Raises IntegrityError where a constraint is broken, and MissingBalance; the transaction must then be rolled back.
        """
        self._write_trades()
        self._write_preventions()
        self._write_orders()
        self._write_commands()
        self._write_batches()
        self._write_states()
        self._write_balances()

    def _write_trades(self) -> None:
        if not self._trades:
            return
        rows = StringIO()
        postings: list[Posting] = []
        for trade_id, trade in zip(_next_trade_ids(len(self._trades)), self._trades, strict=True):
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
                f"{maker.account_id}\t{taker.account_id}\t{maker_fee:f}\t{taker_fee:f}\n"
            )
            postings += _postings(trade, trade_id, base, quote, maker_fee, taker_fee)
        _copy(
            "trades",
            "id, market_id, sequence, ordinal, price, quantity, quote_amount, side, maker_order_id, taker_order_id, "
            "maker_account_id, taker_account_id, maker_fee, taker_fee",
            rows,
        )
        ledger.write_transfers(postings)

    def _write_preventions(self) -> None:
        if not self._preventions:
            return
        rows = StringIO()
        for rules, sequence, ordinal, event, maker, taker in self._preventions:
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
        columns: list[tuple[object, ...]] = []
        for rules, order in self._touched.values():
            sequence, ordinal = order.priority or (None, None)
            hold_scale = rules.quote_scale if order.side is Side.BUY else rules.base_scale
            columns.append(
                (
                    order.order_id,
                    str(order.status),
                    order.reason,
                    None if order.quantity is None else rules.quantity(order.quantity),
                    rules.quantity(order.filled),
                    from_units(order.filled_quote, rules.quote_scale),
                    None if order.left is None else rules.quantity(order.left),
                    from_units(order.held, hold_scale),
                    sequence,
                    ordinal,
                )
            )
        _update(
            """
            UPDATE orders o SET status = u.status, reason = u.reason, quantity = u.quantity,
                filled_quantity = u.filled, filled_quote = u.filled_quote, remaining_quantity = u.remaining,
                held_amount = u.held, priority_sequence = u.sequence, priority_ordinal = u.ordinal, updated_at = now()
            FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[],
                %s::numeric[], %s::numeric[], %s::bigint[], %s::int[])
                AS u (id, status, reason, quantity, filled, filled_quote, remaining, held, sequence, ordinal)
            WHERE o.id = u.id
            """,
            columns,
        )

    def _write_commands(self) -> None:
        _update(
            """
            UPDATE commands c SET sequence = u.sequence, events = u.events, processed_at = now()
            FROM unnest(%s::bigint[], %s::bigint[], %s::jsonb[]) AS u (id, sequence, events)
            WHERE c.id = u.id AND c.sequence IS NULL
            """,
            [(taken.pending.id, taken.sequence, taken.events_text()) for taken in self._commands],
        )

    def _write_batches(self) -> None:
        with connection.cursor() as cursor:
            for batch in self._batches:
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
        rows: list[tuple[object, ...]] = []
        for book in self._books:
            engine, rules = book.engine, book.rules
            bid, ask = engine.bids.best(), engine.asks.best()
            rows.append(
                (
                    rules.market_id,
                    str(engine.phase),
                    book.last_sequence,
                    None if book.last_price is None else rules.price(book.last_price),
                    None if bid is None else rules.price(bid.price),
                    None if ask is None else rules.price(ask.price),
                )
            )
        _update(
            """
            UPDATE market_states s SET phase = u.phase, last_sequence = u.sequence, last_price = u.last_price,
                best_bid = u.bid, best_ask = u.ask, updated_at = now()
            FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::numeric[], %s::numeric[], %s::numeric[])
                AS u (id, phase, sequence, last_price, bid, ask)
            WHERE s.market_id = u.id
            """,
            rows,
        )

    def _write_balances(self) -> None:
        scales = self._scales
        ledger.post_balances(
            {
                key: Change(from_units(available, scales[key[1]]), from_units(held, scales[key[1]]))
                for key, (available, held) in self._changes.items()
                if available or held
            }
        )


def _postings(
    trade: _TradeRow, trade_id: int, base: Decimal, quote: Decimal, maker_fee: Decimal, taker_fee: Decimal
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


def _next_trade_ids(count: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('trades_id_seq') FROM generate_series(1, %s)", [count])
        return [row[0] for row in cursor.fetchall()]


def _copy(table: str, columns: str, rows: StringIO) -> None:
    rows.seek(0)
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", rows)


class RowsMissing(Exception):
    """Rows that were to be updated are not there as they should be."""


def _update(statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Update one row for each of these, whose columns the statement takes as arrays. Raises RowsMissing."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])
        if cursor.rowcount != len(rows):
            raise RowsMissing(f"{cursor.rowcount} of {len(rows)} rows updated: {statement.split()[1]}")
