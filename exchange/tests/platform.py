"""Start the whole exchange as bin/run does, find its processes, and ask its database.

The law: it has ports and a var folder of its own, so that it meets no other; it is stopped when the block ends, however it ends.
What is done to it, and what must be true of it then, is the tests'.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from redis import Redis

PROJECT = Path(__file__).resolve().parent.parent.parent
STOP_SECONDS_MAX = 60


@dataclass
class Platform:
    """An exchange that runs; `said` is what it has printed, all of it once it has ended."""

    var: Path
    ports: dict[str, str]
    process: subprocess.Popen[str]
    said: str = ""

    def log(self, name: str) -> str:
        return (self.var / "log" / f"{name}.log").read_text()

    def processes(self, word: str = "") -> list[int]:
        return processes_of(self.var, word)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of manage.py on this exchange."""
        return subprocess.run(
            [sys.executable, PROJECT / "manage.py", *arguments],
            env={**_environment(), "EXCHANGE_VAR": str(self.var)},
            capture_output=True,
            text=True,
            check=False,
        )

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement on its database; returns the rows."""
        with (
            closing(psycopg2.connect(self.servers()["database_url"])) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    def redis(self) -> Redis:
        return Redis.from_url(self.servers()["redis_url"])

    def servers(self) -> dict[str, str]:
        """Return the URLs of its servers, as they are since these were last started."""
        urls: dict[str, str] = json.loads((self.var / "servers.json").read_text())
        return urls

    def wait_until_taken(self) -> None:
        wait_for(lambda: not self.query("SELECT FROM commands WHERE sequence IS NULL LIMIT 1"), "commands are taken")


@contextmanager
def running_platform(var: Path, **environment: str) -> Iterator[Platform]:
    """Start an exchange and wait until it says that it is up; end it as Ctrl-C does."""
    ports = free_ports()
    process = subprocess.Popen(
        [sys.executable, "-m", "exchange.run"],
        env={**_environment(), **ports, "EXCHANGE_VAR": str(var), **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    platform = Platform(var, ports, process)
    try:
        assert process.stdout is not None
        while "Logs" not in platform.said:
            line = process.stdout.readline()
            assert line, platform.said
            platform.said += line
        yield platform
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=STOP_SECONDS_MAX)
        platform.said += rest


def free_ports() -> dict[str, str]:
    """Find ports that are free now; of METRICS_PORT the two after it as well."""
    with ExitStack() as probes:

        def bind(port: int) -> int:
            probe = probes.enter_context(socket.socket())
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])

        ports = {name: str(bind(0)) for name in ("API_PORT", "FRONTEND_PORT", "FLOWER_PORT")}
        while "METRICS_PORT" not in ports:
            first = bind(0)
            try:
                bind(first + 1), bind(first + 2)
            except (OSError, OverflowError):
                continue
            ports["METRICS_PORT"] = str(first)
        return ports


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


def kill(pids: list[int]) -> None:
    """End processes at once, as a crash would; those that are gone already are no matter."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def parent_of(pid: int) -> int:
    """Return a process's parent; 0 for one that has ended meanwhile."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def wait_for(happened: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60  # a loaded machine is slow, not wrong
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def health(ports: dict[str, str]) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", int(ports["API_PORT"]), timeout=5)
    try:
        connection.request("GET", "/api/v1/health")
        return str(json.loads(connection.getresponse().read())["status"])
    except OSError:
        return "no answer"
    finally:
        connection.close()


def _environment() -> dict[str, str]:
    """This process's environment, without the servers that its own tests use."""
    return {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
