"""Run a shard's markets: read pending commands, match them, settle them, commit.

The law: one commit a batch, under the markets' fences (their MarketState rows, locked in id order), so that two workers on a
shard by mistake are still serial and correct. A book in memory is used only where its last sequence is the fence's. A lost
or overloaded database is waited for; a command that cannot be carried out is journaled as such, and halts its market.
What has been committed the feed tells; nobody is answered here.
"""

import time
from collections.abc import Callable
from itertools import groupby

import msgspec
import structlog
from django.db import DataError, IntegrityError, InternalError, connection, transaction
from django.db import Error as DatabaseDriverError

from orders import bell
from orders.journal import AmendPayload, PhasePayload, write_payload
from orders.models import Command, Order
from orders.terms import OPEN_STATUSES, CommandKind, Phase
from trading import meters
from trading.books import LiveOrder, MarketBook, live_order_of_row, read_limits, rebuild, refresh_protections
from trading.feed import Publisher
from trading.journal import PendingCommand, failed_command, is_new_order, read_command
from trading.sequencing import Sequencer
from trading.settlement import Settlement

log = structlog.get_logger(__name__)

BATCH_SIZE = 500
# No statement is sent while a batch is reckoned, and the database ends a session that says nothing for long.
BATCH_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 3.0
BELL_SECONDS = 0.25
RETRY_SECONDS_MIN = 0.05
RETRY_SECONDS_MAX = 2.0
LOW_WATER_SECONDS = 1.0

_LOCK_FENCES = """
    SELECT s.market_id, s.last_sequence
    FROM market_states s JOIN markets m ON m.id = s.market_id
    WHERE m.shard = %s
      AND EXISTS (SELECT FROM commands c WHERE c.market_id = s.market_id AND c.sequence IS NULL AND c.id > %s)
    ORDER BY s.market_id FOR NO KEY UPDATE OF s
"""
# By a statement of its own: its snapshot is later than the fences' locks.
_READ_VERSIONS = """
    SELECT id, rules_version FROM markets WHERE id = ANY(%s)
"""
_READ_PENDING = """
    SELECT c.id, c.market_id, c.kind, c.order_id, c.account_id, c.payload::text,
        (extract(epoch FROM c.accepted_at) * 1000000)::bigint
    FROM unnest(%s::bigint[]) AS m (market_id) CROSS JOIN LATERAL (
        SELECT id, market_id, kind, order_id, account_id, payload, accepted_at FROM commands
        WHERE market_id = m.market_id AND sequence IS NULL AND id > %s ORDER BY id LIMIT %s
    ) c
    ORDER BY c.id LIMIT %s
"""
_PENDING_BELOW = """
    SELECT EXISTS (
        SELECT FROM commands c JOIN markets m ON m.id = c.market_id
        WHERE m.shard = %s AND c.sequence IS NULL AND c.id <= %s
    )
"""
_SNAPSHOT = """
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_current_xact_id()::text::bigint
"""


class CommandFailed(Exception):
    """The engine or settlement could not carry out a command."""

    def __init__(self, row: PendingCommand) -> None:
        super().__init__(f"command {row.id}")
        self.row = row


class Shard:
    """The markets that one worker matches, with their books as of the last commit."""

    def __init__(self, number: int, *, heart: Callable[[int], None] = lambda _: None) -> None:
        self.number = number
        self._heart = heart
        self._books: dict[int, MarketBook] = {}
        self._low_water = LowWater()
        self._publisher = Publisher()
        self._one_by_one = 0
        self._pause = RETRY_SECONDS_MIN

    def run(self, *, seconds: float, should_stop: Callable[[], bool]) -> None:
        """Match for so long, or until told to stop. A database that is away is waited for."""
        deadline = time.monotonic() + seconds

        def is_over() -> bool:
            return should_stop() or time.monotonic() >= deadline

        self._guarded(self._look_below)
        while not is_over():
            self.drain(is_over)
            bell.wait(self.number, min(BELL_SECONDS, max(0.01, deadline - time.monotonic())))

    def drain(self, should_stop: Callable[[], bool] = lambda: False) -> int:
        """Match everything that is pending; returns how many commands that was."""
        taken = 0
        while not should_stop():
            self._heart(self.number)
            count = self._guarded(self._batch)
            if count == 0:
                break
            taken += count or 0
        return taken

    def _guarded(self, step: Callable[[], int]) -> int | None:
        """Run a step against the database; after an error drop the books, see to it, and return None."""
        try:
            done = step()
        except Exception as error:
            self._books.clear()
            if not (is_commands_fault(error) and self._saw_to(error)):
                meters.retries.inc()
                log.exception("matching_waits", shard=self.number, seconds=self._pause)
                connection.close()
                time.sleep(self._pause)
                self._pause = min(2 * self._pause, RETRY_SECONDS_MAX)
            return None
        self._pause = RETRY_SECONDS_MIN
        return done

    def _look_below(self) -> int:
        self._low_water.look_below(self.number)
        return 1

    def _saw_to(self, error: Exception) -> bool:
        """Find the command at fault by trying one at a time; once it is alone, journal that it failed."""
        if isinstance(error, CommandFailed):
            return self._guarded(lambda: self._journal_failure(error.row, error.__cause__ or error)) is not None
        if self._one_by_one:
            return False
        log.error("batch_failed", shard=self.number, error=repr(error))
        self._one_by_one = BATCH_SIZE
        return True

    def _batch(self) -> int:
        """Match and settle one batch in one commit; returns its number of commands."""
        limit = 1 if self._one_by_one else BATCH_SIZE
        began, engine_seconds = time.perf_counter(), 0.0
        with transaction.atomic(durable=True):
            books = self._lock_books()
            if not books:
                return 0
            rows = self._read_pending(list(books), limit)
            settlement = Settlement()
            deadline = time.monotonic() + BATCH_SECONDS
            try:
                for market_id, commands in groupby(sorted(rows, key=_market_then_id), key=lambda row: row.market_id):
                    matching_since = time.perf_counter()
                    _match(books[market_id], list(commands), settlement, deadline)
                    engine_seconds += time.perf_counter() - matching_since
                settlement.write()
            except Exception as error:
                if len(rows) == 1 and is_commands_fault(error):
                    raise CommandFailed(rows[0]) from error
                raise
        seconds = time.perf_counter() - began
        self._publisher.publish(settlement)
        meters.count_commit(settlement, engine_seconds=engine_seconds, batch_seconds=seconds)
        taken = settlement.taken_from_journal()
        self._one_by_one = max(0, self._one_by_one - taken)
        if 0 < taken == len(rows) < limit:
            self._low_water.advance(max(row.id for row in rows))
        return taken

    def _lock_books(self) -> dict[int, MarketBook]:
        """Lock the fences of the markets that have work; returns their books, rebuilt where there is any doubt."""
        with connection.cursor() as cursor:
            cursor.execute(_LOCK_FENCES, [self.number, self._low_water.id])
            fences = dict(cursor.fetchall())
            if not fences:
                return {}
            cursor.execute(_READ_VERSIONS, [list(fences)])
            versions = cursor.fetchall()
        limits = read_limits(list(fences))
        for market_id, rules_version in versions:
            book = self._books.get(market_id)
            if book is None or book.last_sequence != fences[market_id] or book.rules.version != rules_version:
                self._books[market_id] = rebuild(market_id)
                symbol = self._books[market_id].rules.symbol
                meters.rebuilds.labels(symbol).inc()
                log.info("book_rebuilt", market=symbol, sequence=fences[market_id])
            elif book.limits != limits[market_id]:
                refresh_protections(book, limits[market_id])
        return {market_id: self._books[market_id] for market_id in fences}

    def _read_pending(self, market_ids: list[int], limit: int) -> list[PendingCommand]:
        """Read the oldest pending commands. A statement of its own: its snapshot is later than the fences' locks."""
        with connection.cursor() as cursor:
            cursor.execute(_READ_PENDING, [market_ids, self._low_water.id, limit, limit])
            return [PendingCommand(*row) for row in cursor.fetchall()]

    def _journal_failure(self, row: PendingCommand, error: BaseException) -> int:
        """Give a command that cannot be carried out its sequence, reject its order, and halt its market."""
        log.critical("command_failed", command=row.id, market=row.market_id, error=repr(error))
        try:
            settlement = _write_failure(row, type(error).__name__, release=True)
        except Exception as second:
            if not is_commands_fault(second):
                raise
            # What made the command fail may forbid to free its hold as well: then the order stays, for an operator.
            log.critical("hold_not_released", command=row.id, order=row.order_id, error=repr(second))
            settlement = _write_failure(row, type(error).__name__, release=False)
        if settlement is not None:
            self._publisher.publish(settlement)
            meters.failed.labels(settlement.books[0].rules.symbol).inc()
        return 1


def _write_failure(row: PendingCommand, failure: str, *, release: bool) -> Settlement | None:
    """Write that a command has failed, and what follows from it; None where it has been taken meanwhile."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM market_states WHERE market_id = %s FOR NO KEY UPDATE", [row.market_id])
            cursor.execute("SELECT FROM commands WHERE id = %s AND sequence IS NULL", [row.id])
            if cursor.fetchone() is None:
                return None
        book = rebuild(row.market_id)
        settlement = Settlement()
        failed = failed_command(row, book.last_sequence + 1, failure)
        order = _order_of_failed(row, book) if release else None
        settlement.reject_failed(book, failed, release=order, amendment=_failed_amendment(row) if release else None)
        halt = _halt_command(row.market_id, failure)
        run = Sequencer(book, settlement)
        run.take_halt(halt, failed)
        settlement.close_batch(book, run.taken)
        settlement.write()
    return settlement


def _match(book: MarketBook, rows: list[PendingCommand], settlement: Settlement, deadline: float) -> None:
    """Run a market's commands through its engine, one at least, and close its batch; those it has no time for stay pending."""
    run = Sequencer(book, settlement, keep_alive=_KeepAlive())
    for row in rows:
        run.take(row)
        if time.monotonic() > deadline:
            break
    settlement.close_batch(book, run.taken)


def _market_then_id(row: PendingCommand) -> tuple[int, int]:
    return row.market_id, row.id


def _order_of_failed(row: PendingCommand, book: MarketBook) -> LiveOrder | None:
    """Load the new order that a failed command was to bring in, from its row: the payload may be what is broken."""
    if not is_new_order(row) or row.order_id is None:
        return None
    order = Order.objects.filter(pk=row.order_id, status__in=OPEN_STATUSES, priority_sequence__isnull=True).first()
    return None if order is None else live_order_of_row(order, book.rules)


def _failed_amendment(row: PendingCommand) -> AmendPayload | None:
    """Read what an amendment that failed had held; None where there is none, or it cannot be read."""
    try:
        payload = read_command(row)
    except (msgspec.ValidationError, KeyError):
        return None
    return payload if isinstance(payload, AmendPayload) and row.account_id is not None else None


def _halt_command(market_id: int, failure: str) -> PendingCommand:
    """Insert the command that halts a market after a failure."""
    payload = PhasePayload(Phase.HALTED, reason=f"internal_error: {failure}", by="matching")
    command = Command.objects.create(market_id=market_id, kind=CommandKind.PHASE, payload=msgspec.to_builtins(payload))
    return PendingCommand(command.id, market_id, command.kind, None, None, write_payload(payload))


def is_commands_fault(error: BaseException) -> bool:
    """Tell an error that a command brings about each time from one that passes when the database is well again.

    A broken constraint, a value out of range, a trigger's refusal and an error of our own code are the command's; everything
    else that the database or its driver says (lost, closed, deadlocked, disk full, read-only, schema being changed) is waited
    out, and so is a machine without memory.
    """
    if isinstance(error, IntegrityError | DataError):
        return True
    if isinstance(error, InternalError):
        return getattr(error.__cause__, "pgcode", None) == "P0001"
    return not isinstance(error, DatabaseDriverError | MemoryError)


class _KeepAlive:
    """Says something to the database now and then: one command that triggers very many may take longer than it waits."""

    def __init__(self) -> None:
        self._said_at = time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._said_at > KEEP_ALIVE_SECONDS:
            self._said_at = now
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")


class LowWater:
    """The id up to which no pending command can be, so that reads need not pass over what was taken long ago.

    Ids commit out of order. A taken id becomes the mark once every transaction that had a number then has ended and a
    later read has come up with nothing left over. (A snapshot's xmax would not do: it is next to the last number that has
    ended, and some in flight have higher ones.) `look_below` is the net under it: the mark saves time, nothing more.
    """

    def __init__(self) -> None:
        self.id = 0
        self._candidate: int | None = None
        self._candidate_xid = 0
        self._confirmed = False
        self._looked_at = 0.0

    def advance(self, taken_id: int) -> None:
        """Note the highest id of a batch that left nothing over; looks at the transactions once a second at most."""
        if self._candidate is not None and self._confirmed:
            self.id, self._candidate, self._confirmed = self._candidate, None, False
        now = time.monotonic()
        if now - self._looked_at < LOW_WATER_SECONDS:
            return
        self._looked_at = now
        with connection.cursor() as cursor:
            cursor.execute(_SNAPSHOT)
            oldest_in_flight, own_xid = cursor.fetchone()
        if self._candidate is None:
            self._candidate, self._candidate_xid = taken_id, own_xid
        else:
            self._confirmed = oldest_in_flight >= self._candidate_xid

    def look_below(self, shard: int) -> None:
        """Start again from zero where a command is pending below the mark."""
        with connection.cursor() as cursor:
            cursor.execute(_PENDING_BELOW, [shard, self.id])
            if cursor.fetchone()[0]:
                log.warning("pending_below_low_water", shard=shard, id=self.id)
                self.id = 0
