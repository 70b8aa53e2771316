"""Replay every market's journal, and compare all that comes of it with what the database has.

The law: a check only reads, in short statements (accounts/integrity.py). What a batch settled never changes, so the replay
may follow a market that trades; what rests and the market's state are read in one moment, and the replay ends at the sequence
of that moment. A journal that cannot be followed any further ends its market's replay; rows that differ do not.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec
from django.db import connection, transaction

from accounts.integrity import LOWEST_ID, Report, rows
from orders.journal import NewPayload, read_payload
from orders.models import Market, MarketState, Order
from orders.rules import MarketRules, make_rules
from orders.terms import OPEN_STATUSES, CommandKind, Phase, Side
from trading.books import LiveOrder, MarketBook, build, new_live_order, read_stored
from trading.engine.engine import Engine
from trading.integrity.columns import (
    OF_THESE_IDS,
    ORDERS_READ,
    PENDING_READ,
    PREVENTIONS_READ,
    THAT_LIVE,
    TRADES_READ,
    asked_order_columns,
    prevention_columns,
    told,
    trade_columns,
)
from trading.journal import FIRST_HASH, TakenCommand, is_new_order
from trading.reckoning import Reckoning
from trading.replay import JournalBroken, Replay
from trading.selectors import BookSnapshot, read_book, read_journal
from trading.settlement import BEST, state_columns

SEQUENCES = "sequences have no gap"
REPLAY = "the journal replays to the same events and hashes"
TRADES = "the replay's trades are the trades"
ORDERS = "the replay's orders are the orders"
BOOK = "a rebuilt book is that of the open orders"
CROSSED = "no book is crossed"
DEPTH_MAX = 1_000_000
COMMANDS_A_LOOK = 2_000


def check_markets(report: Report) -> None:
    """Check each market's journal, trades, orders and book, and that nothing is of a market that is not there."""
    for check in (SEQUENCES, REPLAY, TRADES, ORDERS, BOOK, CROSSED):
        report.count(check)
    for market_id, symbol in rows("SELECT id, symbol FROM markets ORDER BY id"):
        with report.surviving(REPLAY, f"{symbol} market"):
            market = Market.objects.select_related("base", "quote").get(id=market_id)
            _Market(report, make_rules(market)).check()
    for table in ("commands", "batches", "trades", "preventions"):
        # In this order: a market that is made meanwhile is there before its rows.
        for market_id in set(markets_of(table)) - {market_id for (market_id,) in rows("SELECT id FROM markets")}:
            report.differ(SEQUENCES, table, f"has rows of market {market_id}, which is not there")


def markets_of(table: str) -> Iterator[int]:
    """Read which markets a table has rows of, by one look into its index for each."""
    market_id = LOWEST_ID
    while True:
        ((market_id,),) = rows(f"SELECT min(market_id) FROM {table} WHERE market_id > %s", market_id)  # noqa: S608
        if market_id is None:
            return
        yield market_id


class _Market:
    """One market under check: its replay, and the book that settlement would keep beside it."""

    def __init__(self, report: Report, rules: MarketRules) -> None:
        self._report = report
        self._rules = rules
        self._replay = Replay()
        self._book = MarketBook(rules, self._replay.engine, 0, FIRST_HASH)
        # What was asked for the orders that have not ended, by id.
        self._asked: dict[int, NewPayload] = {}

    def check(self) -> None:
        """Follow the journal to where it stands, then to where the book that is read meanwhile stands, and compare them."""
        market_id = self._rules.market_id
        last = MarketState.objects.values_list("last_sequence", flat=True).get(market_id=market_id)
        followed = self._follow(last)
        with one_moment():
            stored = read_stored(market_id)
            resting = rows(ORDERS_READ + THAT_LIVE, market_id)
            pending = rows(PENDING_READ, market_id)
            waiting = rows(ORDERS_READ + OF_THESE_IDS, [row[0] for row in pending])
            levels = read_book(market_id, DEPTH_MAX)
            self._look_beyond(stored.market.state.last_sequence)
        rebuilt = build(stored)
        self._check_rebuilt(rebuilt, levels, stored.market.state)
        self._compare_pending(pending, waiting)
        if followed and self._follow(rebuilt.last_sequence):
            self._compare_orders(self._book.live.values(), resting)
            self._compare_books(rebuilt)

    def _differ(self, check: str, row: str, detail: str) -> None:
        self._report.differ(check, f"{self._rules.symbol} {row}", detail)

    def _follow(self, until: int) -> bool:
        """Replay up to a sequence; tells whether the journal could be followed."""
        try:
            self._replay_batches(until)
            self._replay.finish(until)
        except JournalBroken as error:
            self._differ(REPLAY, "journal", str(error))
            return False
        return True

    def _replay_batches(self, until: int) -> None:
        """Replay batches, comparing what some thousand commands brought about with its rows at a time."""
        reckoning, first = Reckoning(), self._replay.sequence + 1
        for batch in read_journal(self._rules.market_id, after=self._replay.sequence, until=until):
            for row, sequence, events in batch.commands:
                self._reckon(reckoning, self._replay.take(row, sequence, events))
            self._replay.close(
                batch.first_sequence,
                batch.last_sequence,
                engine_version=batch.engine_version,
                trades=batch.trades,
                digest=batch.hash,
            )
            self._report.count(SEQUENCES, sequences=len(batch.commands))
            self._report.count(REPLAY, commands=len(batch.commands), batches=1)
            if batch.last_sequence - first >= COMMANDS_A_LOOK:
                self._compare_rows(reckoning, first, batch.last_sequence)
                reckoning, first = Reckoning(), batch.last_sequence + 1
        self._compare_rows(reckoning, first, self._replay.sequence)

    def _reckon(self, reckoning: Reckoning, taken: TakenCommand) -> None:
        if taken.payload is None:
            self._check_failed(taken)
            return
        if isinstance(taken.payload, NewPayload):
            assert taken.pending.order_id is not None
            self._asked[taken.pending.order_id] = taken.payload
        try:
            reckoning.settle(self._book, taken)
        except Exception as error:
            raise JournalBroken(f"sequence {taken.sequence} cannot be settled: {error!r}") from error

    def _check_failed(self, taken: TakenCommand) -> None:
        """See that the order of a command that could not be carried out was Rejected for it, or waits for an operator."""
        row = taken.pending
        if not is_new_order(row) or row.order_id is None or row.order_id in self._book.live:
            return
        order = Order.objects.filter(id=row.order_id).first()
        if order is None:
            self._differ(ORDERS, f"order {row.order_id}", "is in the journal, and not there")
        elif (order.status, order.reason) == ("Rejected", "internal_error"):
            self._report.count(ORDERS, rejected_for_an_error=1)
        elif order.status in OPEN_STATUSES and order.priority_sequence is None:
            self._report.count(ORDERS, left_to_an_operator=1)
        else:
            self._differ(ORDERS, f"order {order.id}", f"is {order.status}, and its command failed")

    # -- what a batch wrote -----------------------------------------------------------------------

    def _compare_rows(self, reckoning: Reckoning, first: int, last: int) -> None:
        market_id = self._rules.market_id
        trades = rows(TRADES_READ, market_id, first, last)
        self._compare_keyed(TRADES, "trade", trades, map(trade_columns, reckoning.trades))
        preventions = rows(PREVENTIONS_READ, market_id, first, last)
        self._compare_keyed(TRADES, "prevention", preventions, map(prevention_columns, reckoning.preventions))
        self._report.count(TRADES, trades=len(trades), preventions=len(preventions))
        ended = [order for _, order in reckoning.touched.values() if order.status not in OPEN_STATUSES]
        self._compare_orders(ended, rows(ORDERS_READ + OF_THESE_IDS, [order.order_id for order in ended]))
        for order in ended:
            del self._asked[order.order_id]

    def _compare_keyed(
        self, check: str, name: str, found: Iterable[tuple[Any, ...]], expected: Iterable[tuple[Any, ...]]
    ) -> None:
        """Compare rows that are known by their first two columns, sequence and ordinal."""
        wanted = {row[:2]: row for row in expected}
        for row in found:
            want = wanted.pop(row[:2], None)
            if want != row:
                where = f"{name} of sequence {row[0]}, event {row[1]}"
                self._differ(check, where, f"is {told(row)}, and the replay has {told(want)}")
        for (sequence, ordinal), want in wanted.items():
            self._differ(check, f"{name} of sequence {sequence}, event {ordinal}", f"is missing: {told(want)}")

    def _compare_orders(self, expected: Iterable[LiveOrder], found: Iterable[tuple[Any, ...]]) -> None:
        wanted = {
            order.order_id: asked_order_columns(self._rules, order, self._asked[order.order_id]) for order in expected
        }
        self._report.count(ORDERS, orders=len(wanted))
        for row in found:
            want = wanted.pop(row[0], None)
            if want != row:
                self._differ(ORDERS, f"order {row[0]}", f"is {told(row)}, and the replay has {told(want)}")
        for order_id, want in wanted.items():
            self._differ(ORDERS, f"order {order_id}", f"is missing: the replay has {told(want)}")

    def _compare_pending(self, pending: Iterable[tuple[Any, ...]], waiting: Iterable[tuple[Any, ...]]) -> None:
        """See that what has not been taken yet will be taken as the order asks."""
        orders = {row[0]: row for row in waiting}
        for order_id, account_id, owner, text in pending:
            asked = _read_or_none(text)
            if asked is None:
                self._differ(ORDERS, f"order {order_id}", f"has a command that cannot be read: {text}")
                continue
            want = asked_order_columns(self._rules, new_live_order(order_id, account_id, asked), asked)
            have = orders.get(order_id)
            if have != want or owner != asked.owner:
                detail = f"is {told(have)} of user {owner}, and its command asks for {told(want)} of user {asked.owner}"
                self._differ(ORDERS, f"order {order_id}", detail)
            self._report.count(ORDERS, pending=1)

    # -- what stands at the end -------------------------------------------------------------------

    def _look_beyond(self, last: int) -> None:
        """Find what claims to be of a sequence that the market has not reached."""
        for table in ("trades", "preventions", "commands"):
            for (row_id,) in rows(
                f"SELECT id FROM {table} WHERE market_id = %s AND sequence > %s LIMIT 100",  # noqa: S608  a name of ours
                self._rules.market_id,
                last,
            ):
                self._differ(SEQUENCES, f"{table} {row_id}", f"has a sequence beyond the market's last, {last}")
        for (row_id,) in rows(
            "SELECT id FROM batches WHERE market_id = %s AND last_sequence > %s LIMIT 100", self._rules.market_id, last
        ):
            self._differ(SEQUENCES, f"batch {row_id}", f"has a sequence beyond the market's last, {last}")

    def _check_rebuilt(self, book: MarketBook, levels: BookSnapshot, state: MarketState) -> None:
        """See that a rebuilt book has the levels that the open orders add up to, its best ones being those of the state."""
        engine, rules = book.engine, self._rules
        for side, name, found in ((engine.bids, "bids", levels.bids), (engine.asks, "asks", levels.asks)):
            in_memory = [(rules.price(level.price), rules.quantity(level.total)) for level in side.levels()]
            if in_memory != [tuple(level) for level in found]:
                self._differ(BOOK, name, f"are {told(in_memory)} when rebuilt, and {told(found)} by the open orders")
        wanted = state_columns(engine, rules)[BEST:]
        have = (
            state.best_bid,
            state.best_ask,
            state.call_ends_at,
            state.call_extensions,
            state.indicative_price,
            state.indicative_quantity,
            state.indicative_surplus,
        )
        if have != wanted:
            self._differ(BOOK, "state", f"says {told(have)} of best prices and call, and rebuilt {told(wanted)}")
        self._report.count(BOOK, markets=1, orders=len(engine.living()))
        if engine.phase in (Phase.CONTINUOUS, Phase.POST_ONLY) and engine.is_crossed():
            self._differ(CROSSED, "book", f"is crossed: {told(have[:2])}")
        self._report.count(CROSSED, markets=1)

    def _compare_books(self, rebuilt: MarketBook) -> None:
        """Compare the book that was rebuilt from the open orders with the one that the journal replayed to."""
        replayed = self._book
        resting, wanted = lay_out(rebuilt.engine), lay_out(replayed.engine)
        for order_id in resting.keys() | wanted.keys():
            have, want = resting.get(order_id), wanted.get(order_id)
            if have != want:
                self._differ(BOOK, f"order {order_id}", f"rests as {have} when rebuilt, and in the replay as {want}")
        for order_id in rebuilt.live.keys() & replayed.live.keys():
            if rebuilt.live[order_id] != replayed.live[order_id]:
                detail = f"is {rebuilt.live[order_id]} when rebuilt, and in the replay {replayed.live[order_id]}"
                self._differ(BOOK, f"order {order_id}", detail)
        for name, is_now, replays_to in (
            *_standing(rebuilt.engine, replayed.engine),
            ("hash", rebuilt.last_hash.hex(), self._replay.hash.hex()),
        ):
            if is_now != replays_to:
                self._differ(REPLAY, name, f"is {is_now}, and the replay has {replays_to}")


def _read_or_none(text: str) -> NewPayload | None:
    try:
        payload = read_payload(CommandKind.NEW, text)
    except (msgspec.DecodeError, UnicodeError):
        return None
    return payload if isinstance(payload, NewPayload) else None


def lay_out(engine: Engine) -> dict[int, tuple[Any, ...]]:
    """Lay out all that lives by order: its place, and all that decides what comes of it."""
    places = {
        order.order_id: (str(side_name), level.price, place)
        for side_name, side in ((Side.BUY, engine.bids), (Side.SELL, engine.asks))
        for level in side.levels()
        for place, order in enumerate(level.living())
    }
    # A budget is asked for once; what is left of it is what counts.
    return {
        order.order_id: (
            places.get(order.order_id), replace(order.terms, budget=None), order.left, order.hidden, order.budget,
            order.extreme, order.sequence, order.ordinal,
        )
        for order in engine.living()
    }  # fmt: skip


def _standing(rebuilt: Engine, replayed: Engine) -> Iterator[tuple[str, Any, Any]]:
    """Name what an engine knows beside its orders, with what it is and what it should be."""
    for name in (
        "phase",
        "last_price",
        "last_auction_price",
        "call_ends_at",
        "call_extensions",
        "rules",
        "protected",
    ):
        yield name.replace("_", " "), getattr(rebuilt, name), getattr(replayed, name)


@contextmanager
def one_moment() -> Iterator[None]:
    """Let several statements see one moment. For a few short ones: their snapshot is held until they are done."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


CHECKS = {REPLAY: check_markets}
