"""Replay a journal that was exported, without any database, to the same hash."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trading.journalfile import check_file
from trading.replay import JournalBroken


class Command(BaseCommand):
    help = (
        "Feed an exported journal to a fresh engine and compare its events, trades and hashes. Needs no database and no "
        "server. Exits with 1, naming the line, at the first difference."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="written by export_journal")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            with file.open("rb") as lines:
                checked = check_file(lines)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        except JournalBroken as error:
            raise CommandError(f"{file}, {error}") from error
        self.stdout.write(f"market: {checked.header.market}")
        self.stdout.write(f"commands: {checked.commands}")
        self.stdout.write(f"batches: {checked.batches}")
        self.stdout.write(f"trades: {checked.trades}")
        self.stdout.write(f"orders_resting: {len(checked.engine.orders)}")
        self.stdout.write(f"hash: {checked.hash.hex()}")
        self.stdout.write(f"seconds: {checked.seconds:.2f}")
