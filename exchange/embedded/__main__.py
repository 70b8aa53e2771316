"""`python -m exchange.embedded [--scratch] -- COMMAND...`: run a command with both servers up.

The command finds DATABASE_URL, REDIS_URL and EXCHANGE_VAR in its environment. With --scratch the servers
live in a temporary folder, without durability, and leave nothing behind.

The law: the exit code is the command's, and the servers are stopped however it ends.

What the command does with the servers is its own affair.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from exchange.embedded import EmbeddedError, running_servers, sole_owner, var_folder
from exchange.embedded.servers import end_with_owner

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m exchange.embedded", description="Run a command with PostgreSQL and Valkey up."
    )
    parser.add_argument("--scratch", action="store_true", help="use a temporary folder that is removed afterwards")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    options = parser.parse_args()
    for number in STOP_SIGNALS:
        signal.signal(number, _leave)
    try:
        with ExitStack() as stack:
            var = (
                Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="exchange-")))
                if options.scratch
                else var_folder()
            )
            stack.enter_context(sole_owner(var))
            servers = stack.enter_context(running_servers(var, scratch=options.scratch))
            stack.callback(_finish_undisturbed)
            return _run(options.command, {**os.environ, **servers.environment, "EXCHANGE_VAR": str(var)})
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1


def _run(command: list[str], environment: dict[str, str]) -> int:
    try:
        end = end_with_owner(signal.SIGTERM)
        process = subprocess.Popen(command, env=environment, preexec_fn=end)  # noqa: PLW1509 - no thread runs here
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127

    def pass_on(number: int, _frame: FrameType | None) -> None:
        # A terminal has sent its Ctrl-C to the command already; twice would cut short how it ends.
        if number != signal.SIGINT or not sys.stdin.isatty():
            process.send_signal(number)

    for number in STOP_SIGNALS:
        signal.signal(number, pass_on)
    code = process.wait()
    return code if code >= 0 else 128 - code


def _leave(number: int, _frame: FrameType | None) -> None:
    _finish_undisturbed()
    raise SystemExit(128 + number)


def _finish_undisturbed() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
