"""Measure the engine: commands per CPU second on four streams, beside the yardstick, and beside an older commit's engine.

The law: all contestants run the same streams in the same run, in turns whose order changes from one to the next, and ratios
are taken turn by turn. Before anything is measured each has to make the right trades of each stream.

The runs themselves are `worker`'s.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from bench.figures import Figure, figure, ratio, table
from bench.machine import PROJECT
from bench.streams import EXPECTED, LENGTHS, Expected

MINIMUM_TURNS = 5
QUICK_TURNS = 1

WHAT = {
    "A": "a living book: 43 % cancels, 10 % cross",
    "B": "heavy trading: half of the orders cross",
    "C": "a deep book: 20,000 prices",
    "D": "a long queue: 20,000 orders at one price",
}


class EngineError(RuntimeError):
    """An engine cannot be measured, or makes wrong trades."""


class Worker:
    """A process that runs the books; its engine is the one in a folder."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", folder],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C is for this process; the other ends with its standard input
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, *words: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise EngineError("The measuring process ended; what it printed above says why.")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Contestant(NamedTuple):
    name: str
    worker: Worker
    book: str

    def verify(self, stream_name: str) -> None:
        """Raise EngineError unless it makes the right trades."""
        found = Expected(**self.worker.ask("verify", stream_name, self.book))
        expected = EXPECTED[stream_name, LENGTHS[stream_name]]
        if found != expected:
            raise EngineError(f"{self.name} makes wrong trades of stream {stream_name}: {found}, not {expected}.")

    def speed(self, stream_name: str) -> float:
        """Return commands per CPU second."""
        seconds: float = self.worker.ask("measure", stream_name, self.book)["cpu_seconds"]
        return LENGTHS[stream_name] / seconds


def run(*, runs: int, quick: bool, against: str | None) -> dict[str, Any]:
    """Measure, print a table, and return the figures. Raises EngineError."""
    turns = QUICK_TURNS if quick else max(runs, MINIMUM_TURNS)
    with ExitStack() as stack:
        worker = stack.enter_context(Worker(PROJECT))
        contestants = [Contestant("engine", worker, "engine"), Contestant("yardstick", worker, "yardstick")]
        if against:
            older = stack.enter_context(Worker(stack.enter_context(_checked_out(against))))
            contestants.append(Contestant(against, older, "engine"))
        speeds = {name: _measure(name, contestants, turns) for name in LENGTHS}
    _print_table(speeds, turns)
    return {
        name: {
            "commands": LENGTHS[name],
            "speeds": {contestant: figure(values)._asdict() for contestant, values in of.items()},
            "ratios": {beside: found._asdict() for beside, found in _ratios(of).items()},
        }
        for name, of in speeds.items()
    }


def _measure(name: str, contestants: list[Contestant], turns: int) -> dict[str, list[float]]:
    for contestant in contestants:
        contestant.verify(name)
    speeds: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for turn in range(turns):
        for contestant in contestants if turn % 2 else reversed(contestants):
            speeds[contestant.name].append(contestant.speed(name))
    return speeds


def _ratios(speeds: dict[str, list[float]]) -> dict[str, Figure]:
    return {name: ratio(speeds["engine"], values) for name, values in speeds.items() if name != "engine"}


def _print_table(speeds: dict[str, dict[str, list[float]]], turns: int) -> None:
    others = [name for name in speeds["A"] if name != "engine"]
    head = ["stream", "engine", *(word for other in others for word in (other, f"engine / {other}"))]
    rows = []
    for name, of in speeds.items():
        ratios = _ratios(of)
        cells = (str(cell) for other in others for cell in (figure(of[other]), ratios[other]))
        rows.append([f"{name}  {WHAT[name]}", str(figure(of["engine"])), *cells])
    print(f"\nEngine: commands per CPU second, one core, {turns} turns. All made the right trades.\n")
    print(table(head, rows), flush=True)


@contextmanager
def _checked_out(commit: str) -> Iterator[Path]:
    """The engine as it was at a commit, and what it imports, in a temporary folder."""
    command = ["git", "archive", "--format=tar", commit, "trading", "orders"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, check=False)
    if done.returncode:
        raise EngineError(f"git knows no engine at {commit}: {done.stderr.decode(errors='replace').strip()}")
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as folder:
        with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)
