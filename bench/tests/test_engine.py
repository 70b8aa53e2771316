"""The engine that is measured is the one in the folder given, and one that makes wrong trades is not measured."""

import shutil
from pathlib import Path

import pytest

from bench.engine import Contestant, EngineError, Worker
from bench.machine import PROJECT


@pytest.fixture
def idle_engine(tmp_path: Path) -> Path:
    """The engine as it is, but that it does nothing."""
    for package in ("trading", "orders"):
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    with (tmp_path / "trading" / "engine" / "engine.py").open("a") as file:
        file.write("\n\nEngine.apply = lambda self, sequence, command: []\n")
    return tmp_path


def test_engine_that_makes_wrong_trades_is_refused(idle_engine: Path) -> None:
    with Worker(idle_engine) as worker:
        with pytest.raises(EngineError, match="another makes wrong trades of stream D: Expected"):
            Contestant("another", worker, "engine").verify("D")
        yardstick = Contestant("yardstick", worker, "yardstick")
        yardstick.verify("D")
        assert yardstick.speed("D") > 0


def test_worker_that_fails_is_an_error(tmp_path: Path) -> None:
    with Worker(tmp_path) as worker, pytest.raises(EngineError, match="The measuring process ended"):
        worker.ask("verify", "D", "engine", "and more than it knows")
