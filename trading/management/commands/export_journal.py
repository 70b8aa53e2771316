"""Write a market's journal to a file, for anybody to replay."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandError

from accounts.management.operating import OperatorCommand
from orders.models import MarketState
from orders.rules import MarketRules, rules_of_symbol
from trading.journal import TakenCommand
from trading.journalfile import BatchLine, EndLine, Header, write_line
from trading.selectors import read_journal


class Command(OperatorCommand):
    help = "Write all that a market's engine has taken, with what came of it, as JSON lines (docs/JOURNAL.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("market", help="such as BTC/USD")
        parser.add_argument("file", type=Path, help="written anew")

    def handle(self, *args: Any, market: str, file: Path, **options: Any) -> None:
        rules = rules_of_symbol(market)
        last = MarketState.objects.values_list("last_sequence", flat=True).get(market_id=rules.market_id)
        part = file.with_name(file.name + ".part")
        try:
            with part.open("wb") as output:
                _write(output, rules, last)
            # A file of that name is whole, or is not there.
            part.replace(file)
        except OSError as error:
            raise CommandError(f"{error.filename or file}: {error.strerror}") from error
        finally:
            part.unlink(missing_ok=True)
        self.stdout.write(f"Wrote {last} commands of {rules.symbol} to {file}.")


def _write(output: BinaryIO, rules: MarketRules, last: int) -> None:
    """Write a market's journal up to a sequence. Raises CommandError where it has no batch that ends with it."""
    header = Header(
        market=rules.symbol,
        base=rules.base,
        quote=rules.quote,
        tick_size=f"{rules.tick_size:.{rules.price_decimals}f}",
        lot_size=f"{rules.lot_size:.{rules.quantity_decimals}f}",
    )
    write_line(output, header)
    written = 0
    for batch in read_journal(rules.market_id, until=last):
        for row, sequence, events in batch.commands:
            output.write(TakenCommand(row, sequence, None, events).line())
        line = BatchLine(
            batch=(batch.first_sequence, batch.last_sequence),
            engine_version=batch.engine_version,
            trades=batch.trades,
            hash=batch.hash.hex(),
        )
        write_line(output, line)
        written = batch.last_sequence
    if written != last:
        message = f"The journal of {rules.symbol} goes to {last}, and its batches to {written}: see verify_integrity."
        raise CommandError(message)
    write_line(output, EndLine(last))
