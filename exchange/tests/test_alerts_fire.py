"""A real Prometheus watches a real exchange: dashboards have data, and what is broken is told, until it is well again.

The law: rules and configuration are those that are delivered; only addresses are the test's, and Prometheus looks more often. What
is broken is broken from outside (processes are stopped or killed), and all at about the same time, since alerts wait for minutes.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from exchange.tests import sockets
from exchange.tests.platform import Platform, health, kill, running_platform, wait_for
from monitoring.tests.test_dashboards import QUERIES

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="There is no Prometheus; as root, bin/prometheus installs it."
    ),
]

PROJECT = Path(__file__).resolve().parent.parent.parent
CONFIG = PROJECT / "monitoring/prometheus.yml"
SCRAPE_SECONDS = 5
ERRORS_A_SECOND = 2
WELL_SECONDS = 75
FIRING_SECONDS_MAX = 300
# The rate of errors is taken over five minutes, so it falls that late.
RESOLVED_SECONDS_MAX = 480

WITHOUT_DATA = (
    # There is no cluster, and no replica.
    "kubelet_volume_stats", "node_filesystem", "exchange_database_replication_lag_seconds",
    # A counter with labels begins with its first event, and all is well.
    "ALERTS", 'status=~"5.."', "exchange_commands_failed_total", 'state=~"failure|retry"', "websocket_closes_total", "django_db_errors_total",
    "django_db_new_connection_errors_total",
    "exchange_auctions_total", "exchange_interruptions_total",
)  # fmt: skip
"""Queries with one of these may find nothing."""

MAINTENANCE = "from trading import maintenance; maintenance.check_ledger(); maintenance.check_integrity()"
BACKUP = (
    "INSERT INTO maintenance_runs (kind, started_at, ended_at, bytes) VALUES ('backup', now(), now(), 1) RETURNING id"
)


class Prometheus:
    """One that runs; it is asked by its API."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", f"/api/v1/{path}")
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, query: str) -> list[Any]:
        return list(self.ask(f"query?query={quote(query)}")["result"])

    def firing(self) -> set[str]:
        return {alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"}

    def is_up(self) -> bool:
        try:
            targets = self.ask("targets?state=active")["activeTargets"]
        except (OSError, ValueError):  # it does not answer yet, or says so in plain words
            return False
        return len(targets) == len(targets_of({})) and all(target["health"] == "up" for target in targets)


def targets_of(ports: dict[str, str]) -> dict[str, int]:
    """Where each job's target listens."""
    metrics = int(ports.get("METRICS_PORT", 0))
    own = {f"exchange-{name}": int(ports.get(f"{name.upper()}_PORT", 0)) for name in ("api", "frontend", "flower")}
    return own | {f"exchange-{name}": metrics + n for n, name in enumerate(("matching", "worker", "beat"))}


@contextmanager
def running_prometheus(folder: Path, platform: Platform) -> Iterator[Prometheus]:
    """Run the delivered configuration against this exchange."""
    config = yaml.safe_load(CONFIG.read_text())
    config["global"] = {f"{what}_interval": f"{SCRAPE_SECONDS}s" for what in ("scrape", "evaluation")}
    config["global"]["scrape_timeout"] = "3s"
    config["rule_files"] = [str((CONFIG.parent / file).resolve()) for file in config["rule_files"]]
    targets = targets_of(platform.ports)
    assert {job["job_name"] for job in config["scrape_configs"]} == targets.keys()
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{targets[job['job_name']]}"]}]
    folder.mkdir()
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
        try:
            prometheus = Prometheus(port)
            wait_for(prometheus.is_up, "Prometheus reaches all targets")
            yield prometheus
        finally:
            process.terminate()
            process.wait(30)


class Breaking:
    """Stops processes, as a hang would, and lets all go on in the end."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._stopped: set[int] = set()

    def hang(self, word: str) -> None:
        pids = self._platform.processes(word)
        assert pids, word
        self._signal(pids, signal.SIGSTOP)

    def end_database(self) -> None:
        """End PostgreSQL, and stop what would start it again."""
        self._signal([self._platform.process.pid], signal.SIGSTOP)
        kill(self._platform.processes("postgres"))

    def start_database(self) -> None:
        self._signal([self._platform.process.pid], signal.SIGCONT)

    def end(self) -> None:
        self._signal(list(self._stopped), signal.SIGCONT)

    def _signal(self, pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
            if number == signal.SIGSTOP:
                self._stopped.add(pid)


@contextmanager
def breaking(platform: Platform) -> Iterator[Breaking]:
    broken = Breaking(platform)
    try:
        yield broken
    finally:
        broken.end()


def wait_long(seconds: float, happened: Callable[[], object], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, what()
        time.sleep(1)


def wait_until_firing(prometheus: Prometheus, *alerts: str) -> None:
    def missing() -> set[str]:
        return set(alerts) - prometheus.firing()

    wait_long(
        FIRING_SECONDS_MAX, lambda: not missing(), lambda: f"not firing: {missing()}; firing: {prometheus.firing()}"
    )


def wait_until_resolved(prometheus: Prometheus, *alerts: str) -> None:
    def left() -> set[str]:
        return set(alerts) & prometheus.firing()

    wait_long(RESOLVED_SECONDS_MAX, lambda: not left(), lambda: f"still firing: {left()}")


@contextmanager
def asking(platform: Platform) -> Iterator[list[int]]:
    """Ask for markets all the time, as somebody's page does; gives what has been answered."""
    statuses: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(1 / ERRORS_A_SECOND):
            connection = http.client.HTTPConnection("127.0.0.1", int(platform.ports["API_PORT"]), timeout=5)
            try:
                connection.request("GET", "/api/v1/markets/BTC-USD/trades")
                statuses.append(connection.getresponse().status)
            except OSError:
                statuses.append(0)
            finally:
                connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        thread.join()


def test_dashboards_have_data_and_alerts_fire_until_all_is_well(tmp_path: Path) -> None:
    with running_platform(tmp_path / "var", DEMO="1", SIMULATE="1", RATE_LIMITS="0") as exchange:
        wait_for(lambda: health(exchange.ports) == "ok", "all is well")
        exchange.query(BACKUP)
        checked = exchange.manage("shell", "-c", MAINTENANCE)
        assert checked.returncode == 0, checked.stderr
        with running_prometheus(tmp_path / "prometheus", exchange) as prometheus:
            with sockets.Client(exchange) as client:
                client.subscribe("trades:BTC-USD")
                time.sleep(WELL_SECONDS)
                empty = [
                    where for where, query in QUERIES.items() if not prometheus.query(query) and not may_be_empty(query)
                ]
                assert empty == []
            assert prometheus.firing() == set()
            with breaking(exchange) as broken:
                break_everything(exchange, prometheus, broken)
            wait_until_resolved(prometheus, *BROKEN)
            assert health(exchange.ports) == "ok"


def may_be_empty(query: str) -> bool:
    return any(word in query for word in WITHOUT_DATA)


BROKEN = (
    "APIHighErrorRate", "OrderBookDown", "APIMissing", "FrontendDown", "MatchingMissing", "MatchingDown", "MatchingLagging",
    "WorkerMissing", "BeatMissing", "DatabaseDown",
)  # fmt: skip


def break_everything(exchange: Platform, prometheus: Prometheus, broken: Breaking) -> None:
    """Have each alert of BROKEN fire: what one needs to be seen by is stopped after it."""
    with asking(exchange) as statuses:
        broken.end_database()
        broken.hang("exchange.asgi")
        broken.hang("celerybeat-schedule")
        wait_until_firing(prometheus, "DatabaseDown", "FrontendDown")
        assert statuses.count(503) > 0.9 * len(statuses)
        broken.start_database()
        wait_for(lambda: health(exchange.ports) == "ok", "the database is back")
        broken.hang("matching0")
        wait_until_firing(
            prometheus, "APIHighErrorRate", "BeatMissing", "MatchingMissing", "MatchingDown", "MatchingLagging"
        )
    broken.hang("exchange.wsgi")
    broken.hang("worker@")
    wait_until_firing(prometheus, "OrderBookDown", "APIMissing", "WorkerMissing")
