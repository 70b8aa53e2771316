"""Read how the venue stands at each scrape: markets, what waits, the ledger's checks, the database, Redis.

The law: any process may read this and says the same, so queries take one of them (max by). Each part is read by itself, with little
patience, and one that cannot be read is missing and says so (exchange_collected), and stops no other.
"""

from collections.abc import Callable, Iterator
from typing import Any

import structlog
from django.conf import settings
from django.db import connection
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from accounts.outages import REDIS_ERRORS
from exchange.health import database_answers, read_backlogs, read_heartbeats
from exchange.metrics.certificates import expiry_of
from exchange.patience import select
from orders.quick_redis import patient_redis
from orders.terms import Phase, Side

log = structlog.get_logger(__name__)

Part = Callable[[], Iterator[Metric]]

_MARKETS = """
    SELECT m.symbol, s.phase, s.last_price, s.best_bid, s.best_ask,
        s.phase = 'Halted' AND COALESCE((
            SELECT c.payload->>'by' = 'matching' FROM commands c
            WHERE c.market_id = m.id AND c.kind = 'phase' AND c.sequence IS NOT NULL
            ORDER BY c.id DESC LIMIT 1
        ), false)
    FROM markets m JOIN market_states s ON s.market_id = m.id
"""
_BOOKS = """
    SELECT m.symbol, side.side, count(o.id), COALESCE(sum(o.visible_quantity), 0)
    FROM markets m CROSS JOIN (VALUES ('Buy'), ('Sell')) side (side)
    LEFT JOIN orders o ON o.market_id = m.id AND o.side = side.side
        AND o.status IN ('New', 'PendingTrigger', 'PartiallyFilled') AND o.visible_quantity IS NOT NULL
    GROUP BY m.symbol, side.side
"""
_RUNS = """
    SELECT DISTINCT ON (kind) kind, extract(epoch FROM ended_at)::float, extract(epoch FROM ended_at - started_at)::float,
        differences, bytes
    FROM maintenance_runs ORDER BY kind, ended_at DESC
"""
_DATABASE = """
    SELECT pg_database_size(d.oid), d.xact_commit, d.xact_rollback, d.deadlocks, current_setting('max_connections')::int,
        COALESCE((SELECT extract(epoch FROM max(clock_timestamp() - a.xact_start)) FROM pg_stat_activity a
            WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()), 0)::float
    FROM (SELECT x.*, p.oid FROM pg_stat_database x JOIN pg_database p ON p.oid = x.datid
        WHERE x.datname = current_database()) d
"""
_CONNECTIONS = """
    SELECT COALESCE(state, 'other'), count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1
"""
_REPLICAS = """
    SELECT COALESCE(NULLIF(application_name, ''), client_addr::text, pid::text),
        COALESCE(extract(epoch FROM replay_lag), 0)::float
    FROM pg_stat_replication WHERE application_name IS DISTINCT FROM 'pg_basebackup' ORDER BY 2
"""
CHECKS = {"ledger": "ledger", "integrity": "all"}
"""What a check of ours is called in metrics, by its kind of run."""


class Venue(Collector):
    """All that the database and Redis can say."""

    def collect(self) -> Iterator[Metric]:
        """Read everything anew, in the thread of the scrape, whose connection is closed after."""
        try:
            yield from self._collect()
        finally:
            connection.close()

    def _collect(self) -> Iterator[Metric]:
        has_database = database_answers()
        yield _gauge("exchange_database_up", "1 where PostgreSQL answers.", [((), has_database)])
        yield _gauge("exchange_redis_up", "1 where Redis answers.", [((), _redis_answers())])
        read: list[tuple[tuple[str, ...], Any]] = []
        for name, part in PARTS.items():
            metrics: list[Metric] = []
            try:
                if has_database or part in WITHOUT_DATABASE:
                    metrics = [*part()]
            except Exception as error:  # noqa: BLE001  whatever it is, it is that part's alone
                log.warning("metrics_not_read", part=name, error=repr(error))
            yield from metrics
            read.append(((name,), bool(metrics)))
        yield _gauge("exchange_collected", "1 where this part of the metrics could be read.", read, "part")


def _matching() -> Iterator[Metric]:
    backlogs = read_backlogs()
    if backlogs is None:
        return
    pending = [((str(shard),), count) for shard, (count, _) in backlogs.items()]
    lags = [((str(shard),), lag) for shard, (_, lag) in backlogs.items()]
    yield _gauge("exchange_pending_commands", "Commands that wait to be matched.", pending, "shard")
    yield _gauge("exchange_matching_lag_seconds", "Age of the oldest of them.", lags, "shard")
    heartbeats = read_heartbeats(backlogs)
    if heartbeats is not None:
        alive = [((str(shard),), is_alive) for shard, is_alive in heartbeats.items()]
        yield _gauge(
            "exchange_matching_alive", "1 where the shard's worker gave a sign of life lately.", alive, "shard"
        )


def _markets() -> Iterator[Metric]:
    rows = select(_MARKETS)
    phases = [((symbol, str(phase)), phase == current) for symbol, current, *_ in rows for phase in Phase]
    yield _gauge("exchange_market_phase", "1 for the phase that the market is in.", phases, "symbol", "phase")
    halts = [((symbol,), failed) for symbol, *_, failed in rows]
    what = "1 where matching halted the market because a command failed."
    yield _gauge("exchange_market_halted_by_failure", what, halts, "symbol")
    last = [((symbol,), price) for symbol, _, price, *_ in rows if price is not None]
    yield _gauge("exchange_last_price", "The last trade's price, in quote.", last, "symbol")
    best = [
        ((symbol, str(side)), price)
        for symbol, _, _, bid, ask, _ in rows
        for side, price in ((Side.BUY, bid), (Side.SELL, ask))
        if price is not None
    ]
    yield _gauge("exchange_best_price", "The best price of a side, in quote.", best, "symbol", "side")
    spreads = [((symbol,), ask - bid) for symbol, _, _, bid, ask, _ in rows if None not in (bid, ask)]
    yield _gauge("exchange_spread", "Best ask less best bid, in quote.", spreads, "symbol")


def _books() -> Iterator[Metric]:
    rows = select(_BOOKS)
    orders = [((symbol, side), count) for symbol, side, count, _ in rows]
    depth = [((symbol, side), quantity) for symbol, side, _, quantity in rows]
    yield _gauge("exchange_book_orders", "Orders in the book.", orders, "symbol", "side")
    yield _gauge("exchange_book_depth", "What the book shows, in base.", depth, "symbol", "side")


def _runs() -> Iterator[Metric]:
    rows = {kind: rest for kind, *rest in select(_RUNS)}
    checks = {(CHECKS[kind],): rest for kind, rest in rows.items() if kind in CHECKS}
    ended, took, differ = ([(labels, rest[position]) for labels, rest in checks.items()] for position in range(3))
    yield _gauge("exchange_integrity_differences", "What the last check found that is wrong.", differ, "check")
    yield _gauge("exchange_integrity_checked_timestamp_seconds", "When it ended.", ended, "check")
    yield _gauge("exchange_integrity_duration_seconds", "How long it took.", took, "check")
    if backup := rows.get("backup"):
        yield _gauge("exchange_backup_timestamp_seconds", "When the last backup succeeded.", [((), backup[0])])
        yield _gauge("exchange_backup_bytes", "Its size.", [((), backup[3] or 0)])


def _database() -> Iterator[Metric]:
    ((size, commits, rollbacks, deadlocks, most, oldest),) = select(_DATABASE)
    yield _gauge("exchange_database_size_bytes", "Size of the database.", [((), size)])
    transactions = CounterMetricFamily("exchange_database_transactions", "Transactions.", labels=["outcome"])
    transactions.add_metric(["commit"], commits)
    transactions.add_metric(["rollback"], rollbacks)
    yield transactions
    yield CounterMetricFamily("exchange_database_deadlocks", "Deadlocks that PostgreSQL resolved.", deadlocks)
    yield _gauge("exchange_database_connections_max", "Connections that PostgreSQL allows.", [((), most)])
    yield _gauge("exchange_database_oldest_transaction_seconds", "Age of the oldest open transaction.", [((), oldest)])
    states = [((state,), count) for state, count in select(_CONNECTIONS)]
    yield _gauge("exchange_database_connections", "Connections of clients, by what they do.", states, "state")
    replicas = [((name,), lag) for name, lag in select(_REPLICAS)]
    yield _gauge("exchange_database_replicas", "Replicas that are connected.", [((), len(replicas))])
    # Left to themselves all have the same name: then the last one, furthest behind, stands for them.
    lags = dict(replicas).items()
    yield _gauge("exchange_database_replication_lag_seconds", "How far a replica is behind.", lags, "replica")


def _queues() -> Iterator[Metric]:
    names = [settings.CELERY_TASK_DEFAULT_QUEUE, *(f"matching.{shard}" for shard in read_backlogs() or ())]
    lengths = [((name,), patient_redis().llen(name)) for name in names]
    yield _gauge("exchange_queue_length", "Tasks that wait for a worker.", lengths, "queue")


def _certificate() -> Iterator[Metric]:
    expiry = expiry_of(settings.PUBLIC_URL)
    what = "When the certificate of PUBLIC_URL expires."
    yield _gauge("exchange_certificate_expiry_timestamp_seconds", what, [] if expiry is None else [expiry], "host")


PARTS: dict[str, Part] = {
    "matching": _matching,
    "markets": _markets,
    "books": _books,
    "runs": _runs,
    "database": _database,
    "queues": _queues,
    "certificate": _certificate,
}
WITHOUT_DATABASE = (_certificate,)


def _redis_answers() -> bool:
    try:
        return bool(patient_redis().ping())
    except REDIS_ERRORS:
        return False


def _gauge(name: str, what: str, samples: Any, *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=labels)
    for values, value in samples:
        family.add_metric(values, float(value))
    return family
