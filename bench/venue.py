"""Run a whole platform of the benchmark's own, and look into it.

The law: it is started as bin/run starts it, on a durable PostgreSQL, in a temporary folder and on free ports; nothing of it
outlives this process, however that ends. What is asked of its database is cheap, and said to be asked.

Furnishing it is `furnish`'s, using it `service`'s.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from bench.cpu import tree_cpu_seconds
from bench.load import Connection, LoadError
from bench.machine import PROJECT
from exchange.embedded.servers import end_with_owner
from exchange.tests.platform import free_ports

UP_SECONDS_MAX = 120
STOP_SECONDS_MAX = 90
DRAIN_SECONDS_MAX = 120
LOOK_SECONDS = 0.005

PARTS = {"matching0@": "matching", "exchange.wsgi": "api", "postgres": "PostgreSQL"}
"""Whose CPU time is told apart: words of command lines."""

# A worker's lines are JSON; PostgreSQL's have a level in capitals.
_FAULT = re.compile(r'"level": "(error|critical)"| (ERROR|FATAL|PANIC): |Traceback')


class VenueError(RuntimeError):
    """The platform does not come up, or does not get done."""


@dataclass
class Venue:
    """A platform that runs."""

    port: int
    process_id: int
    var: Path
    database: Any
    database_url: str
    redis_url: str
    frontend_port: int
    markets: dict[str, int]

    def cpu_seconds(self) -> dict[str, float]:
        """The CPU time of all its processes so far, with PostgreSQL and Valkey, by part."""
        return tree_cpu_seconds(self.process_id, PARTS)

    @contextmanager
    def spending(self) -> Iterator[dict[str, float]]:
        """Find out the CPU seconds that the block costs: as "cpu", and of that each part's."""
        spent: dict[str, float] = {}
        before = self.cpu_seconds()
        yield spent
        after = self.cpu_seconds()
        spent["cpu"] = sum(after.values()) - sum(before.values())
        spent |= {part: seconds - before.get(part, 0.0) for part, seconds in after.items()}

    def value(self, query: str, *parameters: object) -> Any:
        """Ask the database for one value."""
        with self.database.cursor() as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchone()[0]

    def drain(self) -> float:
        """Wait until no command is pending, which is when all is settled too; returns when that was seen."""
        deadline = time.monotonic() + DRAIN_SECONDS_MAX
        while self.value("SELECT EXISTS (SELECT FROM commands WHERE sequence IS NULL)"):
            if time.monotonic() > deadline:
                pending = self.value("SELECT count(*) FROM commands WHERE sequence IS NULL")
                raise VenueError(f"{pending} commands are still pending after {DRAIN_SECONDS_MAX} seconds.")
            time.sleep(LOOK_SECONDS)
        return time.perf_counter()

    def open_orders(self) -> int:
        return int(self.value("SELECT count(*) FROM orders WHERE status IN ('New', 'PartiallyFilled')"))

    def trades(self, symbol: str) -> int:
        return int(self.value("SELECT count(*) FROM trades WHERE market_id = %s", self.markets[symbol]))

    def faults_in_logs(self) -> list[str]:
        """Lines that tell of errors, by the log they are in."""
        return [
            f"{log.name}: {line[:300]}"
            for log in sorted((self.var / "log").glob("*.log"))
            for line in log.read_text(errors="replace").splitlines()
            if _FAULT.search(line)
        ]


@contextmanager
def running_venue(folder: Path, *, traders: int) -> Iterator[Venue]:
    """Run a furnished platform in an empty folder."""
    var, output = folder / "var", folder / "run.log"
    ports = free_ports()
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    environment = {**kept, **ports, "EXCHANGE_VAR": str(var), "DEMO": "0", "RATE_LIMITS": "0"}
    environment["WS_CONNECTIONS_PER_ADDRESS"] = environment["WS_CONNECTIONS_MAX"] = "100000"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "exchange.run"],
            cwd=PROJECT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C is for this process, which stops that one
            preexec_fn=end_with_owner(signal.SIGTERM),  # noqa: PLW1509 - no thread runs here
        )
    database = None
    try:
        _wait_until_up(process, int(ports["API_PORT"]), output)
        markets = _furnish(environment, traders)
        urls = json.loads((var / "servers.json").read_text())
        url = urls["database_url"]
        database = psycopg2.connect(url, application_name="bench")
        database.autocommit = True
        yield Venue(
            int(ports["API_PORT"]),
            process.pid,
            var,
            database,
            url,
            urls["redis_url"],
            int(ports["FRONTEND_PORT"]),
            markets,
        )
    finally:
        if database is not None:
            database.close()
        _stop(process)


def _wait_until_up(process: "subprocess.Popen[bytes]", port: int, output: Path) -> None:
    deadline = time.monotonic() + UP_SECONDS_MAX
    while not _is_well(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise VenueError(f"The platform did not come up; it said:\n{output.read_text(errors='replace')[-2000:]}")
        time.sleep(0.2)


def _is_well(port: int) -> bool:
    try:
        with Connection(port) as connection:
            return bool(connection.ask("GET", "/health")["status"] == "ok")
    except (OSError, LoadError):
        return False


def _furnish(environment: dict[str, str], traders: int) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.furnish", str(traders)],
        cwd=PROJECT,
        env={**environment, "DJANGO_SETTINGS_MODULE": "exchange.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise VenueError(f"The platform could not be furnished:\n{done.stderr[-2000:]}")
    markets: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return markets


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Where a venue keeps its data; TMPDIR says on which disk."""
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as folder:
        yield Path(folder)
