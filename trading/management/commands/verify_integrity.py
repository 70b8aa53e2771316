"""Prove that nothing is lost and nothing invented, or show where."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, OutputWrapper

from accounts.integrity import Report
from trading.integrity import units_to_check, verify

SHOW_SECONDS = 0.1
BAR = 30


class ProgressBar:
    """A line on a terminal that tells how far the checks have come; elsewhere, nothing."""

    def __init__(self, terminal: OutputWrapper) -> None:
        self._terminal = terminal if terminal.isatty() else None
        self._total = max(1, units_to_check()) if self._terminal else 0
        self._shown_at = 0.0

    def show(self, report: Report) -> None:
        if self._terminal is None or time.monotonic() - self._shown_at < SHOW_SECONDS:
            return
        self._shown_at = time.monotonic()
        part = min(1.0, sum(units.total() for units in report.counts.values()) / self._total)
        check = next(reversed(report.counts))
        self._line(f"[{'#' * int(BAR * part):{BAR}}] {part:4.0%}  {check}")

    def clear(self) -> None:
        if self._terminal is not None:
            self._line("")

    def _line(self, text: str) -> None:
        assert self._terminal is not None
        self._terminal.write(f"\r\x1b[K{text}", ending="")
        self._terminal.flush()


class Command(BaseCommand):
    help = (
        "Check the ledger, the orders and the trades, and replay every market's journal through a fresh engine. May run "
        "while the exchange trades. Exits with 1 where anything differs, and prints the rows."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--rows", type=int, default=100, help="print so many rows a check at most (100; 1,000 are kept)"
        )

    def handle(self, *args: Any, rows: int, **options: Any) -> None:
        began = time.monotonic()
        bar = ProgressBar(self.stderr)
        report = Report(bar.show)
        verify(report)
        bar.clear()
        for check, units in report.counts.items():
            counted = ", ".join(f"{number:,} {unit.replace('_', ' ')}" for unit, number in units.items())
            self.stdout.write(f"{'WRONG' if report.found[check] else 'ok':6}{check}: {counted or 'nothing'}")
        self.stdout.write(f"seconds: {time.monotonic() - began:.1f}")
        if report.differences:
            raise CommandError(self._told(report, rows))

    def _told(self, report: Report, limit: int) -> str:
        lines = []
        for check, number in report.found.items():
            kept = [difference for difference in report.differences if difference.check == check][:limit]
            lines += [f"{check}: {difference.row} {difference.detail}" for difference in kept]
            if number > len(kept):
                lines.append(f"{check}: {number - len(kept):,} more")
        return "\n".join([*lines, f"{report.found.total():,} differences"])
