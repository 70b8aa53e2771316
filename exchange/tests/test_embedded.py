"""The embedded servers: they start, keep their data through a kill, and stop.

Every test has a var folder of its own and starts real servers there. Run as root, the folders lie below
one that only root may enter, since pytest makes its temporary folders so.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
import redis

from exchange import embedded

ASK_BOTH = """
import json, os, psycopg2, redis
database = psycopg2.connect(os.environ["DATABASE_URL"]).cursor()
database.execute("SELECT current_setting('server_version_num')::int / 10000, current_setting('fsync')")
version, fsync = database.fetchone()
redis.from_url(os.environ["REDIS_URL"]).ping()
print(json.dumps({"version": version, "fsync": fsync, "var": os.environ["EXCHANGE_VAR"]}))
raise SystemExit(3)
"""


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A var folder that does not exist yet, and no servers given."""
    monkeypatch.setenv("EXCHANGE_VAR", str(tmp_path / "var"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    return tmp_path / "var"


def embedded_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "exchange.embedded", *arguments]


def wait_for(happened: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def processes_of(var: Path) -> list[int]:
    """The servers of a var folder, PostgreSQL's own children included: they all work in their data folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.joinpath("cwd").readlink().is_relative_to(var):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def recorded_owner(var: Path) -> int | None:
    record = var / "servers.json"
    return json.loads(record.read_text())["pid"] if record.exists() else None


@contextmanager
def owner(var: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that keeps the servers up, in the state that it can be killed."""
    process = subprocess.Popen(embedded_command("--", "sleep", "60"))
    try:
        wait_for(lambda: process.poll() is not None or recorded_owner(var) == process.pid)
        assert process.poll() is None
        yield process
    finally:
        process.terminate()
        process.wait()
        wait_for(lambda: not processes_of(var))


def test_scratch_run_serves_both_and_leaves_nothing(var: Path) -> None:
    done = subprocess.run(
        embedded_command("--scratch", "--", sys.executable, "-c", ASK_BOTH), capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout)
    assert (told["version"], told["fsync"]) == (18, "off")
    assert not Path(told["var"]).exists()
    assert not processes_of(Path(told["var"]))
    assert not var.exists()


def test_given_servers_are_used(var: Path) -> None:
    given = {"DATABASE_URL": "postgresql://elsewhere/exchange", "REDIS_URL": "redis://elsewhere"}
    done = subprocess.run(
        embedded_command("--scratch", "--", "printenv", *given),
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == list(given.values())


def test_committed_data_outlives_a_kill_of_everything(var: Path) -> None:
    with owner(var) as process:
        with psycopg2.connect(embedded.running_url("database_url")) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW fsync")
            assert cursor.fetchone() == ("on",)
            cursor.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        for pid in [process.pid, *processes_of(var)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:  # it went with its parent
                pass
        process.wait()
    assert (var / "servers.json").exists()
    assert (var / "postgres" / "postmaster.pid").exists()
    assert "start-bin-run" in embedded.running_url("database_url")

    with owner(var):
        with psycopg2.connect(embedded.running_url("database_url")) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT answer FROM kept")
            assert cursor.fetchone() == (42,)
        assert redis.from_url(embedded.running_url("redis_url")).ping()
    assert not (var / "servers.json").exists()


def test_servers_that_outlive_their_owner_are_stopped_by_the_next(var: Path) -> None:
    with owner(var) as process:
        leftovers = processes_of(var)
        # Stopped, it cannot hear that its owner is gone.
        postmaster = int((var / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)
        process.kill()
        process.wait()
        os.kill(postmaster, signal.SIGCONT)
        with owner(var):
            assert not set(leftovers) & set(processes_of(var))


def test_second_owner_is_refused(var: Path) -> None:
    with embedded.sole_owner(var):
        done = subprocess.run(embedded_command("--", "true"), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Process {os.getpid()} already runs {var}.")
    assert not (var / "postgres").exists()


def test_two_folders_run_side_by_side(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with owner(var):
        first = embedded.running_url("database_url")
        monkeypatch.setenv("EXCHANGE_VAR", str(var.with_name("other")))
        with owner(var.with_name("other")):
            second = embedded.running_url("database_url")
            for url in (first, second):
                psycopg2.connect(url).close()
    assert first != second


def test_a_password_is_asked_for(var: Path) -> None:
    with owner(var):
        url = embedded.running_url("database_url").replace(embedded.kept_secret("database_password"), "guessed")
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(url)
        url = embedded.running_url("redis_url").replace(embedded.kept_secret("redis_password"), "guessed")
        with pytest.raises(redis.AuthenticationError):
            redis.from_url(url).ping()


def test_placeholder_says_what_to_do(var: Path) -> None:
    with pytest.raises(psycopg2.OperationalError, match="start-bin-run-or-set-database-url"):
        psycopg2.connect(embedded.running_url("database_url"))
    assert not var.exists()


def test_a_secret_is_the_same_for_all_who_want_it_first(var: Path) -> None:
    command = [sys.executable, "-c", "from exchange import embedded; print(embedded.kept_secret('wanted'))"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(6)]
    secrets = {process.communicate()[0].strip().decode() for process in processes}
    assert secrets == {embedded.kept_secret("wanted")}
    assert len(embedded.kept_secret("wanted")) == 64
    assert (var / "wanted").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in var.iterdir()] == ["wanted"]


def test_a_secret_that_cannot_be_kept_says_what_to_do(var: Path) -> None:
    var.write_text("in the way")
    with pytest.raises(embedded.SecretError, match="Set JWT_SECRET in the environment, or point EXCHANGE_VAR"):
        embedded.kept_secret("jwt_secret")
