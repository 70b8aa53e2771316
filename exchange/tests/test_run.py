"""bin/run's promises: it says what is wrong before it starts anything, and leaves nothing running."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exchange.embedded import sole_owner


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def free_ports() -> dict[str, str]:
    with socket.socket() as api, socket.socket() as frontend, socket.socket() as flower:
        for probe in (api, frontend, flower):
            probe.bind(("127.0.0.1", 0))
        names = {"API_PORT": api, "FRONTEND_PORT": frontend, "FLOWER_PORT": flower}
        return {name: str(probe.getsockname()[1]) for name, probe in names.items()}


def processes_of(var: Path, word: str = "") -> list[int]:
    """What runs for a var folder: by its mark, or for the servers by their working directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = process.joinpath("environ").read_bytes().split(b"\0")
            command = process.joinpath("cmdline").read_text()
            marked = f"EXCHANGE_RUN={var}".encode() in environment
            if word in command and (marked or process.joinpath("cwd").readlink().is_relative_to(var)):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def wait_for(happened: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60  # a loaded machine is slow, not wrong
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def health(ports: dict[str, str]) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", int(ports["API_PORT"]), timeout=5)
    try:
        connection.request("GET", "/api/v1/health")
        return str(json.loads(connection.getresponse().read())["status"])
    except OSError:
        return "no answer"
    finally:
        connection.close()


def run(var: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exchange.run"],
        env={**os.environ, "EXCHANGE_VAR": str(var), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
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
        assert leftover.wait(5) == -15
        assert another.poll() is None
    finally:
        leftover.kill()
        another.kill()


def test_everything_runs_what_dies_is_restarted_and_ctrl_c_stops_it_all(var: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    ports = free_ports()
    process = subprocess.Popen(
        [sys.executable, "-m", "exchange.run"],
        env={**environment, **ports, "EXCHANGE_VAR": str(var), "DEMO": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = ""
        while "Logs" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        assert f"http://localhost:{ports['API_PORT']}/api/v1" in said
        for word in ("matching0", "wsgi", "valkey-server", "postgres"):
            killed = processes_of(var, word)
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda word=word, killed=killed: set(processes_of(var, word)) - set(killed), f"{word} runs again")
        wait_for(lambda: health(ports) == "ok", "all is well")
        (server,) = (pid for pid in processes_of(var, "wsgi") if parent_of(pid) not in processes_of(var, "wsgi"))
        workers = [pid for pid in processes_of(var, "wsgi") if pid != server]
        os.kill(server, signal.SIGKILL)
        wait_for(lambda: not set(workers) & set(processes_of(var, "wsgi")), "the workers of a killed server end")
        wait_for(lambda: health(ports) == "ok", "all is well again")
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert rest.endswith("Stopping.\nStopped.\n")
    assert processes_of(var) == []
