"""The var folder: where it is, the secrets in it, who owns it, and which servers run for it.

The law: the folder and all in it belong to one user and are closed to others; a secret is made once and
never changes; a file is seen whole or not at all, however many processes start at the same moment.

It knows nothing of how a server is started (`servers`) or of Django.
"""

import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent

# Parse like real ones, and fail with a host name that says what to do: settings are imported by tools
# such as mypy, `makemigrations` and `manage.py help` that never connect.
PLACEHOLDERS = {
    "database_url": "postgresql://user@start-bin-run-or-set-database-url.invalid:5432/exchange",
    "redis_url": "redis://start-bin-run-or-set-redis-url.invalid:6379/0",
}


class EmbeddedError(RuntimeError):
    """The embedded servers cannot be had; the message says why and what to do."""


class AlreadyRunning(EmbeddedError):
    """Another process owns this var folder."""


class SecretError(EmbeddedError):
    """A secret can be neither read nor created."""


def var_folder() -> Path:
    """EXCHANGE_VAR, or var/ beside manage.py; always absolute."""
    return Path(os.environ.get("EXCHANGE_VAR") or PROJECT / "var").resolve()


def private_folder(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def kept_secret(name: str, var: Path | None = None) -> str:
    """The secret of that name in the var folder, made at random on first use."""
    path = (var or var_folder()) / name
    try:
        if not path.exists():
            _publish(path, secrets.token_hex(32), keep_existing=True)
        return path.read_text()
    except OSError as error:
        raise SecretError(
            f"Cannot read or create the secret {path}: {error.strerror}. Set {name.upper()} in the environment, "
            "or point EXCHANGE_VAR at a folder that this user may write to."
        ) from error


def running_url(key: str) -> str:
    """The `database_url` or `redis_url` of the embedded server that runs for this var folder."""
    try:
        servers = json.loads(_record(var_folder()).read_text())
    except OSError:
        return PLACEHOLDERS[key]
    # After a kill -9 the file outlives the servers.
    if key in servers and _alive(servers["pid"]):
        return str(servers[key])
    return PLACEHOLDERS[key]


@contextmanager
def recorded_urls(var: Path, urls: Mapping[str, str]) -> Iterator[None]:
    """Let `running_url` find these while the block runs."""
    record = _record(var)
    _publish(record, json.dumps({**urls, "pid": os.getpid()}), keep_existing=False)
    try:
        yield
    finally:
        record.unlink(missing_ok=True)


@contextmanager
def sole_owner(var: Path) -> Iterator[None]:
    """Own the var folder while the block runs; the lock dies with the process, however it ends."""
    try:
        lock = (private_folder(var) / "lock").open("a+")
    except OSError as error:
        raise EmbeddedError(
            f"Cannot use the folder {var}: {error.strerror}. Set EXCHANGE_VAR to one that this user may write to."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise AlreadyRunning(
                f"Process {lock.read().strip() or 'unknown'} already runs {var}. "
                "Stop it, or set EXCHANGE_VAR (and other ports) for a second copy."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _record(var: Path) -> Path:
    return var / "servers.json"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _publish(path: Path, text: str, *, keep_existing: bool) -> None:
    """Make the file appear complete at once, readable by its owner only; the first writer may be told to win."""
    handle, draft = tempfile.mkstemp(dir=private_folder(path.parent), prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        if not keep_existing:
            Path(draft).replace(path)
            return
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
    finally:
        Path(draft).unlink(missing_ok=True)
