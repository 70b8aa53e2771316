"""Write a market's journal to a file, for anybody to replay."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from accounts.management.operating import OperatorCommand
from orders.models import MarketState
from orders.rules import rules_of_symbol
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
        with part.open("wb") as output:
            header = Header(
                market=rules.symbol,
                base=rules.base,
                quote=rules.quote,
                tick_size=f"{rules.price(1):.{rules.price_decimals}f}",
                lot_size=f"{rules.quantity(1):.{rules.quantity_decimals}f}",
            )
            write_line(output, header)
            for batch in read_journal(rules.market_id, until=last):
                for row, sequence, events in batch.commands:
                    output.write(TakenCommand(row, sequence, None, events).line())
                write_line(
                    output,
                    BatchLine(
                        batch=(batch.first_sequence, batch.last_sequence),
                        engine_version=batch.engine_version,
                        trades=batch.trades,
                        hash=batch.hash.hex(),
                    ),
                )
            write_line(output, EndLine(last))
        # A file of that name is whole, or is not there.
        part.replace(file)
        self.stdout.write(f"Wrote {last} commands of {rules.symbol} to {file}.")
