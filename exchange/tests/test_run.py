"""bin/run's promises: it says what is wrong before it starts anything, and leaves nothing running."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.embedded import sole_owner
from exchange.tests.platform import STOP_SECONDS_MAX, free_ports, health, kill, parent_of, running_platform, wait_for


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def run(var: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exchange.run"],
        env={**os.environ, "EXCHANGE_VAR": str(var), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=STOP_SECONDS_MAX,
    )


@pytest.mark.parametrize("variable", ["API_PORT", "FRONTEND_PORT", "FLOWER_PORT"])
def test_taken_port_is_named_before_anything_starts(var: Path, taken_port: int, variable: str) -> None:
    done = run(var, **{**free_ports(), variable: str(taken_port)})
    assert done.returncode == 1
    assert f"Port {taken_port} on 127.0.0.1 cannot be used" in done.stderr
    assert f"Set {variable} to another one." in done.stderr
    assert not (var / "postgres").exists()


def test_two_processes_cannot_share_a_port(var: Path) -> None:
    ports = free_ports()
    done = run(var, **{**ports, "FRONTEND_PORT": ports["API_PORT"]})
    assert done.returncode == 1
    assert "Set FRONTEND_PORT to another one." in done.stderr


def test_port_that_is_none_is_named(var: Path) -> None:
    done = run(var, **{**free_ports(), "FLOWER_PORT": "http"})
    assert (done.returncode, done.stderr) == (1, "FLOWER_PORT must be a port number, not 'http'.\n")


def test_log_level_that_celery_does_not_know_is_named(var: Path) -> None:
    done = run(var, **free_ports(), LOG_LEVEL="warn")
    assert done.returncode == 1
    assert done.stderr == "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'WARN'.\n"
    assert not (var / "postgres").exists()


def test_second_run_on_the_same_folder_is_refused(var: Path) -> None:
    with sole_owner(var):
        done = run(var)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Process {os.getpid()} already runs {var}.")


def test_processes_of_a_killed_run_are_stopped_by_the_next(var: Path, taken_port: int) -> None:
    leftover = subprocess.Popen(["sleep", "60"], env={**os.environ, "EXCHANGE_RUN": str(var)})
    another = subprocess.Popen(["sleep", "60"], env={**os.environ, "EXCHANGE_RUN": f"{var}-2"})
    try:
        run(var, API_PORT=str(taken_port))
        assert leftover.wait(STOP_SECONDS_MAX) == -15
        assert another.poll() is None
    finally:
        leftover.kill()
        another.kill()


def test_everything_runs_what_dies_is_restarted_and_ctrl_c_stops_it_all(var: Path) -> None:
    with running_platform(var, DEMO="1") as platform:
        ports = platform.ports
        wait_for(lambda: platform.query("SELECT FROM trades LIMIT 1"), "the demo trades")
        assert f"http://localhost:{ports['API_PORT']}/api/v1" in platform.said
        for word in ("matching0", "valkey-server", "postgres"):
            killed = platform.processes(word)
            kill(killed)
            wait_for(lambda word=word, killed=killed: set(platform.processes(word)) - set(killed), f"{word} runs again")
        wait_for(lambda: health(ports) == "ok", "all is well")
        (server,) = (pid for pid in platform.processes("wsgi") if parent_of(pid) not in platform.processes("wsgi"))
        workers = [pid for pid in platform.processes("wsgi") if pid != server]
        kill([server])
        wait_for(lambda: not set(workers) & set(platform.processes("wsgi")), "the workers of a killed server end")
        wait_for(lambda: health(ports) == "ok", "all is well again")
        (begun,) = platform.query("SELECT max(id) FROM trades")
        wait_for(lambda: platform.query("SELECT max(id) FROM trades") > [begun], "the demo goes on")
    assert platform.process.returncode == 0
    assert platform.said.endswith("Stopping.\nStopped.\n")
    assert platform.processes() == []
