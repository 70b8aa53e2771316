"""Run the whole exchange on one machine: servers, migrations, demo data, every process, one Ctrl-C.

The law: what may be wrong with the environment is said before anything starts; nothing is announced before
the API and the pages answer; the processes stop first, then Valkey, then PostgreSQL, and none outlives this one: what a
killed run left behind, the next one stops first. A server that dies is started again, as is a process.

`bin/run` starts it inside .venv. The servers are `exchange.embedded`'s affair, restarting processes is
supervisor's, and what they do is the applications'.

The environment: API_PORT, FRONTEND_PORT and FLOWER_PORT (8080, 5173, 5555), METRICS_PORT (9101, and the two ports after it: matching,
worker, beat), HOST (127.0.0.1), EXCHANGE_VAR
(var/ beside manage.py: data, secrets, logs), DATABASE_URL and REDIS_URL (servers to use in place of the
embedded ones), LOG_LEVEL, DEMO=0 (no demo data), SIMULATE=0 (nobody but you trades on it). JWT_SECRET, RATE_LIMITS and all else reach the processes.
"""

import http.client
import os
import resource
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from exchange.embedded import EmbeddedError, running_servers, sole_owner, var_folder
from exchange.embedded.servers import end_with_owner

PROJECT = Path(__file__).resolve().parent.parent
PORTS = {"API_PORT": "8080", "FRONTEND_PORT": "5173", "FLOWER_PORT": "5555", "METRICS_PORT": "9101"}
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Those that both Python's logging and Celery's command line know.
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# Marks every process of a run, so that those of a killed run can be told from all others.
MARK = "EXCHANGE_RUN"
LOOK_SECONDS = 0.5
FILES_MAX = 65_536
UP_SECONDS_MAX = 60
STOP_SECONDS_MAX = 40  # supervisor itself kills after 20
LEFTOVER_SECONDS_MAX = 10
SOCKET_PATH_BYTES_MAX = 100  # the kernel's limit is 108, and supervisor appends a process id while binding

PROGRAMS = {
    "matching": "-m celery -A exchange worker -Q matching.0 -P threads -c 1 -n matching0@%h --loglevel={level}",
    "worker": "-m celery -A exchange worker -Q default -P threads -c 4 -n worker@%h --loglevel={level}",
    "beat": "-m celery -A exchange beat --schedule={var}/celerybeat-schedule --pidfile= --loglevel={level}",
    "api": "-m exchange.serve api",
    "frontend": "-m exchange.serve frontend",
    # Flower asks for no password, so it is for this machine only, whatever HOST says.
    "flower": "-m celery -A exchange flower --address=127.0.0.1 --port={flower_port}",
}
MEASURED = ("matching", "worker", "beat")
"""Those that serve nothing but their metrics, at METRICS_PORT and the ports after it."""
SIMULATION = {"simulate": "manage.py simulate --url http://{host}:{api_port}/api/v1"}

ANNOUNCEMENT = """
The exchange is up. Ctrl-C stops it.

  Trader pages   http://localhost:{frontend_port}
  Streams        ws://localhost:{frontend_port}/ws/v1
  API            http://localhost:{api_port}/api/v1   (http://localhost:{api_port}/api/docs)
  Admin          http://localhost:{api_port}/admin/
  Flower         http://localhost:{flower_port}
  Logs           {var}/log
"""
DEMO_ANNOUNCEMENT = """
  Traders        alice@example.com and bob@example.com, operator admin@example.com; password exchange-demo
{simulation}
Place an order:

TOKEN=$(curl -s http://localhost:{api_port}/api/v1/auth/token -H 'Content-Type: application/json' \\
  -d '{{"email": "alice@example.com", "password": "exchange-demo"}}' | sed 's/.*"access": *"\\([^"]*\\)".*/\\1/')
curl -s http://localhost:{api_port}/api/v1/orders -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -d '{{"symbol": "BTC/USD", "side": "Buy", "order_type": "Limit", "quantity": "1.0", "price": "50000.00"}}'
"""
SIMULATION_ANNOUNCEMENT = """\
                 maker@example.com and taker@example.com trade by themselves; SIMULATE=0 leaves them out
"""


class RunError(RuntimeError):
    """The exchange cannot be started as asked; the message says what to change."""


def main() -> int:
    for number in STOP_SIGNALS:
        signal.signal(number, _leave)
    try:
        with ExitStack() as stack:
            return _run(stack, var_folder())
    except (EmbeddedError, RunError) as error:
        print(error, file=sys.stderr)
        return 1


def _run(stack: ExitStack, var: Path) -> int:
    stack.enter_context(sole_owner(var))
    _stop_marked(var)
    _allow_many_sockets()
    level = _log_level()
    ports = _free_ports(_host())
    stack.callback(_say, "Stopped.")
    _say(f"Starting in {var}.")
    servers = stack.enter_context(running_servers(var))
    environment = {
        **os.environ,
        **servers.environment,
        "EXCHANGE_VAR": str(var),
        MARK: str(var),
        "PYTHONUNBUFFERED": "1",
    }
    stack.callback(_stop_marked, var)
    _manage("migrate", "--no-input", environment=environment, var=var)
    if _wants_demo():
        _manage("seed_demo", environment=environment, var=var)
    config = var / "supervisord.conf"
    config.write_text(_supervisor_config(var, ports, level, stack.enter_context(_short_folder(var))))
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--silent", "--configuration", config],
        cwd=PROJECT,
        env=environment,
        start_new_session=True,  # a Ctrl-C is for this process, which stops things in their order
        preexec_fn=end_with_owner(signal.SIGTERM),  # noqa: PLW1509 - no thread runs here
        stdin=subprocess.DEVNULL,
    )
    stack.callback(_stop, supervisor)
    stack.callback(_leave_undisturbed)
    _announce(var, ports, supervisor)
    while supervisor.poll() is None:
        for name in servers.revive():
            _say(f"{name} has ended unexpectedly; starting it again.")
        time.sleep(LOOK_SECONDS)
    raise RunError(f"The supervisor ended unexpectedly; see {var}/log/supervisord.log.")


def _allow_many_sockets() -> None:
    """Let the processes have as many files open as they may: many systems begin with 1,024, and each socket is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _host() -> str:
    return os.environ.get("HOST") or "127.0.0.1"


def _log_level() -> str:
    level = (os.environ.get("LOG_LEVEL") or "INFO").upper()
    if level not in LOG_LEVELS:
        raise RunError(f"LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, not {level!r}.")
    return level


def _free_ports(host: str) -> dict[str, int]:
    """The ports to listen on, all of them seen to be free at once; METRICS_PORT is the first of several."""
    ports: dict[str, int] = {}
    with ExitStack() as probes:
        for variable, default in PORTS.items():
            text = os.environ.get(variable) or default
            last = len(MEASURED) - 1 if variable == "METRICS_PORT" else 0
            if not text.isdecimal() or not 0 < int(text) < 65536 - last:
                raise RunError(f"{variable} must be a port number, not {text!r}.")
            ports[variable.lower()] = int(text)
            for port in range(int(text), int(text) + last + 1):
                _probe(probes, host, port, variable)
    return ports


def _probe(probes: ExitStack, host: str, port: int, variable: str) -> None:
    probe = probes.enter_context(socket.socket())
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((host, port))
        probe.listen()
    except OSError as error:
        raise RunError(
            f"Port {port} on {host} cannot be used ({error.strerror}). Set {variable} to another one."
        ) from error


def _manage(*arguments: str, environment: Mapping[str, str], var: Path) -> None:
    log = var / "log" / f"{arguments[0]}.log"
    log.parent.mkdir(exist_ok=True)
    _say(f"manage.py {' '.join(arguments)}")
    with log.open("w") as output:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=PROJECT, env=environment, stdout=output, stderr=output, check=False)
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise RunError(f"manage.py {arguments[0]} failed; the end of {log}:\n{tail}")


def _supervisor_config(var: Path, ports: Mapping[str, int], level: str, socket_folder: Path) -> str:
    words = {"var": var, "host": _host(), "level": level, **ports}
    sections = [
        "[supervisord]",
        f"logfile={var}/log/supervisord.log",
        f"pidfile={var}/supervisord.pid",
        # Said only because supervisor warns root when nothing is said.
        *(["user=root"] if os.geteuid() == 0 else []),
        "[unix_http_server]",
        f"file={socket_folder}/supervisor.sock",
        "chmod=0700",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        "[supervisorctl]",
        f"serverurl=unix://{socket_folder}/supervisor.sock",
    ]
    # In one group they all stop at the same time; groups are stopped one after the other.
    programs = PROGRAMS | (SIMULATION if _wants_simulation() else {})
    sections += ["[group:exchange]", f"programs={','.join(programs)}"]
    for name, arguments in programs.items():
        sections += [
            f"[program:{name}]",
            f"command={shlex.join([sys.executable, *(word.format(**words) for word in arguments.split())])}",
            f"directory={PROJECT}",
            f"environment={_environment_of(name, ports)}",
            f"stdout_logfile={var}/log/{name}.log",
            "stdout_logfile_maxbytes=10MB",
            "stdout_logfile_backups=3",
            "redirect_stderr=true",
            "autorestart=true",
            "startretries=1000",
            "stopwaitsecs=20",
            "killasgroup=true",
        ]
    return "\n".join(section.replace("%", "%%") for section in sections) + "\n"


def _environment_of(name: str, ports: Mapping[str, int]) -> str:
    return f'METRICS_PORT="{ports["metrics_port"] + MEASURED.index(name)}"' if name in MEASURED else ""


@contextmanager
def _short_folder(var: Path) -> Iterator[Path]:
    """A folder for supervisor's control socket, whose path may not be long: var, or else a temporary one."""
    if len(os.fsencode(var / "supervisor.sock")) <= SOCKET_PATH_BYTES_MAX:
        yield var
    else:
        with tempfile.TemporaryDirectory(prefix="exchange-") as folder:
            yield Path(folder)


def _announce(var: Path, ports: Mapping[str, int], supervisor: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + UP_SECONDS_MAX
    while not (_answers(ports["api_port"]) and _answers(ports["frontend_port"])):
        if supervisor.poll() is not None:
            return
        if time.monotonic() > deadline:
            _say(f"No answer after {UP_SECONDS_MAX} seconds; {var}/log/api.log or frontend.log may say why.")
            return
        time.sleep(0.2)
    words = {"var": var, "simulation": SIMULATION_ANNOUNCEMENT * _wants_simulation(), **ports}
    _say((ANNOUNCEMENT + DEMO_ANNOUNCEMENT * _wants_demo()).format(**words))


def _answers(api_port: int) -> bool:
    connection = http.client.HTTPConnection(_host(), api_port, timeout=2)
    try:
        connection.request("GET", "/api/v1/health/live")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(supervisor: subprocess.Popen[bytes]) -> None:
    if supervisor.poll() is None:
        _say("Stopping.")
        supervisor.terminate()
    try:
        supervisor.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()


def _stop_marked(var: Path) -> None:
    """Stop what runs for this var folder without a supervisor: left by one that was killed."""
    deadline = time.monotonic() + LEFTOVER_SECONDS_MAX
    for pid in _marked(var):
        _signal(pid, signal.SIGTERM)
    while left := _marked(var):
        if time.monotonic() > deadline:
            for pid in left:
                _signal(pid, signal.SIGKILL)
        time.sleep(0.1)


def _marked(var: Path) -> list[int]:
    mark = f"{MARK}={var}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in process.joinpath("environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return [pid for pid in found if pid != os.getpid()]


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _wants_demo() -> bool:
    return os.environ.get("DEMO", "1") != "0"


def _wants_simulation() -> bool:
    return _wants_demo() and os.environ.get("SIMULATE", "1") != "0"


def _say(text: str) -> None:
    print(text, flush=True)


def _leave(_number: int, _frame: FrameType | None) -> None:
    _leave_undisturbed()
    raise SystemExit(0)


def _leave_undisturbed() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
