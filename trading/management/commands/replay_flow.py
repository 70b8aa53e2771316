"""Replay recorded order flow of a venue through the exchange, and say how far it agrees with what the venue published."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trading.flow.reader import FlowError, read_flow
from trading.flow.replay import run
from trading.flow.verdict import Verdict


class Command(BaseCommand):
    help = (
        "Send a folder of recorded order flow through order intake and matching as real orders, then compare with the "
        "venue's published executions, books and cancels. Exits with 1 where something that should agree does not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="folder with events.csv.gz")
        parser.add_argument(
            "--single-executions", action="store_true", help="send each execution of a sweep as an order of its own"
        )

    def handle(self, *args: Any, path: Path, single_executions: bool, **options: Any) -> None:
        try:
            flow = read_flow(path)
        except FlowError as error:
            raise CommandError(str(error)) from error
        replay = run(flow, self._progress, sweeps=not single_executions)
        self.stderr.write("")
        verdict = Verdict(replay)
        rate = len(flow.events) / replay.seconds if replay.seconds else 0.0
        self.stdout.write(f"events: {len(flow.events)}")
        self.stdout.write(f"seconds: {replay.seconds:.2f}")
        self.stdout.write(f"events_per_second: {rate:.0f}")
        self.stdout.write(f"matched_by: {'the matching worker' if replay.by_worker else 'this process'}")
        for name, value in verdict.figures.items():
            self.stdout.write(f"{name}: {value}")
        if not verdict.agrees:
            raise CommandError("the exchange and the venue disagree", returncode=1)

    def _progress(self, done: int) -> None:
        self.stderr.write(f"\r{done} steps", ending="")
