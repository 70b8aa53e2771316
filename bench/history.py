"""Measure reads of a long past beside the same reads of a short one, on a database that is thrown away.

The law: both are of the same run, the same days and the same statements. A read fails where it goes through trades, candles or
transfers from end to end, or reads far more rows than it returns; never because it was slow.
The past is `past`'s, how a statement was answered `plans`'. `bin/bench history` runs it; docs/DEVELOPMENT.md says how to read it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from bench.figures import percentile, short, table
from bench.machine import PROJECT
from bench.past import DAYS, FIRST_TRANSFER, LATE, MARKETS, QUIET, TRADERS, Past, forget_past, make_past
from bench.plans import Plan, explain

TRADES = 10_000_000
YARDSTICK = 10_000
RUNS = 200
PAGE = 100
LONG_PAGE = 1000
KEPT_WHOLE = {"trades", "candles", "transfers"}
HEAD = ("", "rows", "p50 ms", "p99 ms", f"p50 of {YARDSTICK:,}", "p99", "ratio", "rows read", "indexes")

HOW_TO_READ = f"""
How to read it: each read {RUNS} times by the exchange's own functions, on one connection, what is rendered for HTTP not counted;
p50 and p99 with the long past, then of the {YARDSTICK:,} trades, and the ratio of the medians. Rows read are those that scans
returned or passed over, both of the long past.
"""


class Read(NamedTuple):
    """A read: what it is called, what it calls, and how many rows it may read beyond four for each that it returns."""

    name: str
    call: Callable[[], Any]
    allowed: int = 20


class Taken(NamedTuple):
    name: str
    rows: int
    median: float
    p99: float
    plan: Plan
    fault: str | None


def reads(past: Past) -> Iterator[Read]:
    """List what is measured."""
    from accounts import selectors as accounts_selectors
    from trading import selectors
    from trading.candles import read_candles, read_candles_since
    from trading.intervals import CandleInterval

    busy, quiet = past.markets[MARKETS[0]], past.markets[QUIET]
    # The last pages of what has begun late have much before them that is not theirs.
    deep, last = 2 * past.trades // 5, past.trades // 3 + 100
    late = past.markets[LATE]
    # The minute that the last 24 hours begin in, some times over: it is not always the same.
    edge = 200 + 4 * past.trades // (DAYS * 20 * 60)
    trades = selectors.trades_of_market
    for name, before in (("trades", None), ("trades, deep", deep)):
        yield Read(name, partial(trades, busy, before=before, limit=PAGE))
    yield Read("trades, last page", partial(trades, late, before=last, limit=PAGE))
    long_ago = past.began + timedelta(days=7)
    for interval in CandleInterval:
        yield Read(f"candles {interval}", partial(read_candles, busy, interval, limit=PAGE))
        yield Read(f"candles {interval}, deep", partial(read_candles, busy, interval, start=long_ago, limit=PAGE))
    minute = CandleInterval.MINUTE
    yield Read("candles 1m, 1,000", partial(read_candles, busy, minute, limit=LONG_PAGE))
    yield Read("candles 1m, 1,000 with gaps", partial(read_candles, quiet, minute, limit=LONG_PAGE))
    running = [(market_id, interval, None) for market_id in past.markets.values() for interval in CandleInterval]
    yield Read("running candles of all", lambda: read_candles_since(running).candles, len(running))
    yield Read("ticker", partial(selectors.read_tickers, busy), edge)
    yield Read("tickers", selectors.read_tickers, edge * len(past.markets))
    fills = partial(selectors.fills_of, past.busy_account, limit=PAGE + 1)
    ledger = partial(accounts_selectors.ledger_of, past.busy_account, limit=PAGE + 1)
    pages = (("", None), (", deep", deep), (", last page", last))
    for name, before in pages:
        yield Read(f"fills{name}", partial(fills, before=before))
    yield Read("fills of an order", partial(fills, order_id=past.busy_order), past.trades_of_order)
    yield Read("fills of a quiet market", partial(fills, market_id=quiet))
    for name, before in pages:
        yield Read(f"ledger{name}", partial(ledger, before=before and FIRST_TRANSFER + 2 * before))
    yield Read("ledger, deposits", partial(ledger, kind="deposit"))


def take(read: Read, runs: int = RUNS) -> Taken:
    """Measure a read, and see how it is answered."""
    milliseconds = []
    found: Any = read.call()
    for _ in range(runs):
        start = time.perf_counter()
        found = read.call()
        milliseconds.append((time.perf_counter() - start) * 1000)
    plan = explain(read.call)
    return Taken(
        read.name,
        len(found),
        percentile(milliseconds, 50),
        percentile(milliseconds, 99),
        plan,
        fault(read, len(found), plan),
    )


def fault(read: Read, returned: int, plan: Plan) -> str | None:
    """Say what is wrong with how a read was answered, if anything is."""
    if whole := KEPT_WHOLE.intersection(plan.scanned):
        return f"{read.name}: goes through {', '.join(sorted(whole))} from end to end"
    if plan.rows_read > 4 * returned + read.allowed:
        return f"{read.name}: reads {plan.rows_read:,} rows for {returned:,}"
    return None


def run(trades: int) -> int:
    """Measure on a scratch database in a process of its own; returns its exit code."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    environment = kept | {"DJANGO_SETTINGS_MODULE": "exchange.settings", "LOG_LEVEL": "ERROR"}
    inside = [sys.executable, "-m", "bench.history", str(trades)]
    command = [sys.executable, "-m", "exchange.embedded", "--scratch", "--", *inside]
    return subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode


def main() -> int:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection, transaction

    from accounts.models import Account
    from bench.furnish import furnish

    call_command("migrate", verbosity=0)
    with transaction.atomic():
        markets = furnish(TRADERS)
    accounts = list(Account.objects.filter(kind="trader").order_by("id").values_list("id", flat=True))
    found: dict[int, dict[str, Taken]] = {}
    sizes = (YARDSTICK, int(sys.argv[1]))
    for trades in sizes:
        forget_past()
        past = make_past(trades, markets, accounts)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("SELECT pg_database_size(current_database()) / 1000000, (SELECT count(*) FROM candles)")
            megabytes, candles = cursor.fetchone()
        took = ", ".join(f"{what} in {seconds:.1f} s" for what, seconds in past.seconds.items())
        print(f"{trades:,} trades over {DAYS} days, {candles:,} candles, {megabytes:,} MB: {took}", flush=True)
        found[trades] = {read.name: take(read) for read in reads(past)}
    short_past, long_past = (found[trades] for trades in sizes)
    rows = [_row(one, short_past[one.name]) for one in long_past.values()]
    print(f"\nReads of {sizes[1]:,} trades, beside {YARDSTICK:,} of the same {DAYS} days\n")
    print(table(HEAD, rows))
    print(HOW_TO_READ)
    faults = [one.fault for one in long_past.values() if one.fault]
    for line in faults:
        print(f"*** {line}")
    return 1 if faults else 0


def _row(taken: Taken, beside: Taken) -> list[str]:
    return [
        taken.name,
        f"{taken.rows:,}",
        *(short(value) for value in (taken.median, taken.p99, beside.median, beside.p99, taken.median / beside.median)),
        f"{taken.plan.rows_read:,}",
        " ".join(taken.plan.indexes),
    ]


if __name__ == "__main__":
    sys.exit(main())
