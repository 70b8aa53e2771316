"""Count and time what the matching loop does, for Prometheus.

The law: only what has been committed is counted, and counting can stop nothing. A process that matches is one process, so these
are plain counters; a process that restarts begins at zero, as Prometheus expects.
"""

import time
from collections import Counter as Tally

import structlog
from prometheus_client import Counter, Histogram

from orders.terms import CommandKind
from trading.settlement import Settlement

log = structlog.get_logger(__name__)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
INTERRUPTED, UNCROSSED = "interrupt", "uncross"

order_processing = Histogram(
    "exchange_order_processing_seconds",
    "From an order's acceptance to the commit that settled it, in seconds.",
    ["symbol"],
    buckets=SECONDS,
)
commands = Counter("exchange_commands_total", "Commands that were taken; of kind new are orders.", ["symbol", "kind"])
trades = Counter("exchange_trades_total", "Trades.", ["symbol"])
batch_size = Histogram("exchange_batch_size", "Commands a commit.", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000))
batch_engine = Histogram(
    "exchange_batch_engine_seconds", "What a commit's commands took in the engine, in seconds.", buckets=SECONDS
)
batch_whole = Histogram(
    "exchange_batch_seconds", "From the lock of the fences to the end of the commit, in seconds.", buckets=SECONDS
)
rebuilds = Counter("exchange_book_rebuilds_total", "Books that were made anew from the database.", ["symbol"])
auctions = Counter("exchange_auctions_total", "Auctions that ended with a price.", ["symbol"])
interruptions = Counter("exchange_interruptions_total", "Volatility interruptions.", ["symbol"])
failed = Counter("exchange_commands_failed_total", "Commands that could not be carried out.", ["symbol"])
retries = Counter("exchange_matching_retries_total", "Waits for a database that was away, or refused.")


def count_commit(settlement: Settlement, *, engine_seconds: float, batch_seconds: float) -> None:
    """Count what a commit has settled. Never raises."""
    try:
        _count(settlement, engine_seconds, batch_seconds)
    except Exception:
        log.exception("commit_not_counted")


def _count(settlement: Settlement, engine_seconds: float, batch_seconds: float) -> None:
    symbols = {book.rules.market_id: book.rules.symbol for book in settlement.books}
    kinds: Tally[tuple[str, str]] = Tally()
    now = time.time_ns() // 1000
    for taken in settlement.commands:
        symbol = symbols[taken.pending.market_id]
        kinds[symbol, str(taken.pending.kind)] += 1
        if taken.pending.kind == CommandKind.NEW:
            order_processing.labels(symbol).observe(max(0, now - taken.pending.accepted) / 1e6)
        for event in taken.events:
            if event[0] == UNCROSSED:
                auctions.labels(symbol).inc()
            elif event[0] == INTERRUPTED:
                interruptions.labels(symbol).inc()
    for labels, count in kinds.items():
        commands.labels(*labels).inc(count)
    for symbol, count in Tally(row.rules.symbol for row in settlement.trades).items():
        trades.labels(symbol).inc(count)
    batch_size.observe(len(settlement.commands))
    batch_engine.observe(engine_seconds)
    batch_whole.observe(batch_seconds)
