"""`python -m bench.claims`: measure whether three decisions of the design are worth what they cost in clarity.

Each is tried with and without, in turn, on a durable PostgreSQL of its own: that orders and commands have no foreign key to
the row that matching locks; that pending commands are read above a low water; that balances are locked last.

The law: the code under test is the exchange's own, changed by one thing only; both ways run within seconds of each other.
The furniture is `furnish`'s. This is run by hand when one of these decisions is in question.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figures import figure, percentile, table

ROUNDS = 3
SECONDS = 4.0
BATCH = 100
SNAPSHOT_ROUNDS = 120
SNAPSHOT_BATCH = 400  # a full batch leaves something over, and the mark stays
SYMBOL, OTHER = "REST/USD", "CROSS/USD"
_SPAWN = multiprocessing.get_context("spawn")


def main() -> int:
    if "--inside" in sys.argv:
        return _inside()
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as folder:
        Path(folder).chmod(0o755)
        environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        environment |= {
            "EXCHANGE_VAR": f"{folder}/var",
            "DJANGO_SETTINGS_MODULE": "exchange.settings",
            "LOG_LEVEL": "ERROR",
        }
        inside = [sys.executable, "-m", "bench.claims", "--inside"]
        command = [sys.executable, "-m", "exchange.embedded", "--", *inside]
        return subprocess.run(command, env=environment, check=False).returncode


def _inside() -> int:
    import django

    django.setup()
    from django.core.management import call_command

    from bench.furnish import furnish

    call_command("migrate", verbosity=0)
    furnish(16)
    for measure in (foreign_keys, low_water, balances_last):
        print(f"\n{measure.__doc__}\n")
        print(measure())
    return 0


def foreign_keys() -> str:
    """Orders taken in beside matching, with and without foreign keys to the fence."""
    from django.db import connection

    with_key = [
        f"ALTER TABLE {name} ADD CONSTRAINT {name}_fence FOREIGN KEY (market_id) REFERENCES market_states (market_id)"
        for name in ("orders", "commands")
    ]
    without_key = [f"ALTER TABLE {name} DROP CONSTRAINT {name}_fence" for name in ("orders", "commands")]
    samples: dict[str, list[tuple[float, int]]] = {"without": [], "with": []}
    for _ in range(ROUNDS):
        samples["without"].append(_intake_beside_matching())
        with connection.cursor() as cursor:
            for statement in with_key:
                cursor.execute(statement)
        samples["with"].append(_intake_beside_matching())
        with connection.cursor() as cursor:
            for statement in without_key:
                cursor.execute(statement)
    rows = [
        (name, str(figure(rate for rate, _ in taken)), str(figure(multixacts for _, multixacts in taken)))
        for name, taken in samples.items()
    ]
    return table(("foreign key", "orders/s", "multixacts"), rows)


def low_water() -> str:
    """Milliseconds to find and read a batch's pending commands while a snapshot is held, first tenth and last tenth."""
    from trading.matching import LowWater

    rows = []
    advance = LowWater.advance
    for name in ("with", "without"):
        if name == "without":
            LowWater.advance = lambda *_: None  # type: ignore[method-assign]
        try:
            with _held_snapshot():
                taken = _pending_reads()
        finally:
            LowWater.advance = advance  # type: ignore[method-assign]
        tenth = len(taken) // 10
        rows.append((name, str(figure(taken[:tenth])), str(figure(taken[-tenth:]))))
    return table(("low water", "first", "last"), rows)


def balances_last() -> str:
    """Milliseconds an order takes beside a worker that settles trades of the same accounts."""
    samples: dict[str, list[list[float]]] = {"last": [], "first": []}
    for _ in range(ROUNDS):
        for name, taken in samples.items():
            taken.append(_latencies_beside_settling(name == "first"))
    rows = [
        (name, *(str(figure(percentile(run, percent) for run in taken)) for percent in (50, 99)))
        for name, taken in samples.items()
    ]
    return table(("balances", "p50", "p99"), rows)


# What runs beside what is measured, each in a process of its own.


@contextmanager
def _beside(work: Callable[..., None], *arguments: Any) -> Iterator[None]:
    over = _SPAWN.Event()
    process = _SPAWN.Process(target=work, args=(over, *arguments), daemon=True)
    process.start()
    time.sleep(1.5)
    try:
        yield
    finally:
        over.set()
        process.join(30)


def match(over: Any, balances_first: bool = False) -> None:  # noqa: FBT002  passed to a process by position
    """Run a shard until told to stop."""
    import django

    django.setup()
    from trading.matching import Shard
    from trading.settlement import Settlement

    if balances_first:
        write, write_balances = Settlement.write, Settlement._write_balances

        def write_balances_first(self: Settlement) -> None:
            write_balances(self)
            write(self)

        def write_none(self: Settlement) -> None:
            """Do nothing: it has been done."""

        Settlement._write_balances = write_none  # type: ignore[method-assign]
        Settlement.write = write_balances_first  # type: ignore[method-assign]
    Shard(0).run(seconds=600, should_stop=over.is_set)


def cross(over: Any) -> None:
    """Place batches that trade, of the accounts that are measured."""
    import django

    django.setup()
    from orders.intake import place

    accounts = _accounts()
    while not over.is_set():
        for side, account_id in (("Sell", accounts[0]), ("Buy", accounts[1])):
            place(account_id, [_request(OTHER, side, "100.00")] * BATCH)


def _intake_beside_matching() -> tuple[float, int]:
    from orders.intake import place

    accounts = _accounts()
    with _beside(match):
        before, placed, began = _multixacts(), 0, time.perf_counter()
        while (passed := time.perf_counter() - began) < SECONDS:
            account_id = accounts[placed // BATCH % len(accounts)]
            placed += len(place(account_id, [_request(SYMBOL, "Buy", f"{1 + n}.00") for n in range(BATCH)]))
        return placed / passed, _multixacts() - before


def _pending_reads() -> list[float]:
    """Bring in and match batches; returns the milliseconds that each took to be found and read."""
    from orders.intake import place
    from trading.matching import Shard

    account_id = _accounts()[0]
    milliseconds: list[float] = []
    Shard(0).drain()

    class Timed(Shard):
        def _read_pending(self, market_ids: list[int], limit: int) -> Any:
            rows = super()._read_pending(market_ids, limit)
            if rows:
                milliseconds.append((time.perf_counter() - self.began) * 1000)
            return rows

        def _lock_books(self) -> Any:
            self.began = time.perf_counter()
            return super()._lock_books()

    timed = Timed(0)
    for _ in range(SNAPSHOT_ROUNDS):
        place(account_id, [_request(SYMBOL, "Buy", "1.00", time_in_force="IOC")] * SNAPSHOT_BATCH)
        timed.drain()
        time.sleep(0.02)
    return milliseconds


def _latencies_beside_settling(balances_first: bool) -> list[float]:
    from orders.intake import place

    accounts = _accounts()
    milliseconds: list[float] = []
    with _beside(match, balances_first), _beside(cross):
        began = time.perf_counter()
        while time.perf_counter() - began < SECONDS:
            start = time.perf_counter()
            place(accounts[len(milliseconds) % 2], [_request(SYMBOL, "Buy", "1.00")])
            milliseconds.append((time.perf_counter() - start) * 1000)
            time.sleep(0.002)
    return milliseconds


@contextmanager
def _held_snapshot() -> Iterator[None]:
    """Hold a snapshot, as a dump of the database does, in a connection of its own."""
    from django.db import connection, transaction

    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT count(*) FROM commands")
            held.set()
            over.wait()
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _accounts() -> list[int]:
    from accounts.models import Account

    return list(Account.objects.filter(kind="trader").order_by("id").values_list("id", flat=True))


def _request(symbol: str, side: str, price: str, **fields: str) -> Any:
    from orders.requests import read_new_order

    body = {"symbol": symbol, "side": side, "order_type": "Limit", "quantity": "0.001", "price": price, **fields}
    return read_new_order(body)


def _multixacts() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT next_multixact_id::text::bigint FROM pg_control_checkpoint()")
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    sys.exit(main())
