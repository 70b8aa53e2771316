"""The bench of the service runs from end to end, finds no errors, and leaves nothing running."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench.machine import PROJECT
from bench.report import as_json, print_errors, print_service
from bench.service import CONNECTIONS, IDLE, ORDERS, TEST, TRADES, TRIP_WAIT, Key, Result, Size
from bench.traders import crossing_price, resting_price


@pytest.mark.long
def test_quick_run_has_all_figures_and_no_errors(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    # The system's own temporary folder: below pytest's, the servers' user could not enter it as root's guest.
    with tempfile.TemporaryDirectory(prefix="exchange-bench-test-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", "bench", "service", "--quick", "--json", tmp_path / "found.json"],
            cwd=PROJECT,
            env={**environment, "TMPDIR": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "No errors" in done.stdout
        assert list(Path(folder).iterdir()) == []
        left = [cwd for cwd in Path("/proc").glob("[0-9]*/cwd") if folder in _target(cwd)]
        assert left == []
    service = json.loads((tmp_path / "found.json").read_text())["service"]
    rows = {(row["what"], row["connections"]): row for row in service["rows"]}
    for connections in CONNECTIONS:
        assert rows[ORDERS, connections]["per_second"]["median"] > 0
        assert rows[TEST, connections]["ratio"]["median"] > 0
        assert rows[ORDERS, connections]["cpu"]["median"] > 0
    assert rows[TRADES, 4]["per_second"]["median"] > 0
    assert rows[TRIP_WAIT, 1]["p99"]["median"] >= rows[TRIP_WAIT, 1]["p50"]["median"] > 0


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def test_report_puts_ratios_beside_yardsticks_and_errors_last(capsys: pytest.CaptureFixture[str]) -> None:
    result = Result()
    cpu = {"cpu": 2.0, "api": 1.5, "matching": 0.25, "PostgreSQL": 0.25, "rest": 0.0}
    result.samples[Key(IDLE, 0)] = [cpu, cpu]
    result.samples[Key(ORDERS, 16)] = [{"per_second": rate, "p50": 20.0, "p99": 40.0, **cpu} for rate in (200.0, 400.0)]
    result.samples[Key(TEST, 16)] = [{"per_second": 400.0, "p50": 10.0, "p99": 20.0, **cpu}] * 2
    result.errors["POST /orders: 503"] = 7
    print_service(result, Size(2, 1.0, 1, 1))
    print_errors(result)
    said = capsys.readouterr().out
    assert "300 (200–400)" in said
    assert "0.75 (0.5–1)" in said
    assert "*** 7 ERRORS ***" in said.splitlines()[-2]
    (row,) = [row for row in as_json(result)["rows"] if row["what"] == TEST]
    assert row["ratio"] == {"median": 0.75, "low": 0.5, "high": 1.0}


def test_resting_prices_never_meet_and_crossing_prices_always_do() -> None:
    numbers = range(3_000)
    bids, asks = ([float(resting_price(n, buys=buys)) for n in numbers] for buys in (True, False))
    assert max(bids) < min(asks)
    bids, asks = ([float(crossing_price(n, buys=buys)) for n in numbers] for buys in (True, False))
    assert min(bids) > max(asks)
    assert len(set(asks)) == 1_000
