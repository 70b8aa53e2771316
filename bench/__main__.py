"""`python -m bench [engine|service|history|fanout] [--quick] [--runs N] [--seconds S] [--against COMMIT] [--trades N] [--json FILE]`.

The law: the exit code says whether all was right, never whether it was fast.

What is measured is `engine`'s and `service`'s, and where it is asked for `history`'s and `fanout`'s; here is the command line, the header and the file.
"""

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

from bench import engine, fanout, history, machine, report, service
from bench.engine import EngineError
from bench.load import LoadError
from bench.pgbench import PgbenchError
from bench.venue import VenueError


def main() -> int:
    options = _options()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    found: dict[str, Any] = {"header": machine.describe(Path(tempfile.gettempdir()))}
    for name, value in found["header"].items():
        print(f"{name:18} {value}", flush=True)
    errors = 0
    if options.part == "history":
        return history.run(options.trades)
    try:
        if options.part == "fanout":
            quick = (fanout.QUICK_SUBSCRIBERS, fanout.QUICK_SECONDS)
            full = (fanout.SUBSCRIBERS, options.seconds or fanout.SECONDS)
            return 1 if fanout.run(*(quick if options.quick else full)) else 0
        if options.part in ("engine", "both"):
            found["engine"] = engine.run(
                runs=options.runs or service.FULL.runs, quick=options.quick, against=options.against
            )
        if options.part in ("service", "both"):
            size = _size(options)
            result = service.run(size)
            report.print_service(result, size)
            report.print_errors(result)
            found["service"] = report.as_json(result)
            errors = sum(result.errors.values())
    except (EngineError, LoadError, PgbenchError, VenueError) as error:
        print(f"*** {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    print(report.HOW_TO_READ)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if errors else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bin/bench",
        description="Measure the engine and the service, reads of a long history, or the fan-out of a stream.",
    )
    parser.add_argument("part", nargs="?", choices=("engine", "service", "both", "history", "fanout"), default="both")
    parser.add_argument("--quick", action="store_true", help="see whether it all works; the figures mean little")
    parser.add_argument("--runs", type=int, help=f"how often each figure is taken (default {service.FULL.runs})")
    parser.add_argument(
        "--seconds",
        type=float,
        help=f"how long each measurement of the service takes (default {service.FULL.seconds:g}), or the fan-out ({fanout.SECONDS:g})",
    )
    parser.add_argument("--against", metavar="COMMIT", help="measure the engine beside that commit's")
    parser.add_argument(
        "--trades", type=int, default=history.TRADES, help=f"of the history (default {history.TRADES:,})"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


def _size(options: argparse.Namespace) -> service.Size:
    size = service.QUICK if options.quick else service.FULL
    return size._replace(runs=options.runs or size.runs, seconds=options.seconds or size.seconds)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main())
