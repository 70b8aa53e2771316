"""Compare candles with their trades, or make them anew."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.management.operating import OperatorCommand
from orders.models import Market
from orders.rules import rules_of_symbol
from trading.candle_repair import compare_week, repair_week, weeks_of
from trading.integrity.candles import tell_difference

SHOWN_MAX = 100


class Command(OperatorCommand):
    help = (
        "Work candles out from the trades, and put right those that differ. May run while the exchange trades: a market's "
        "matching waits only while its newest week is written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "symbols", nargs="*", metavar="SYMBOL", help="such as BTC/USD; all markets if none is given"
        )
        parser.add_argument("--check", action="store_true", help="change nothing, and exit with 1 where any differs")

    def handle(self, *args: Any, symbols: list[str], check: bool, **options: Any) -> None:
        symbols = symbols or list(Market.objects.order_by("symbol").values_list("symbol", flat=True))
        markets = [(rules.symbol, rules.market_id) for rules in map(rules_of_symbol, symbols)]
        if check:
            self._check(markets)
            return
        for symbol, market_id in markets:
            added, changed, removed = 0, 0, 0
            for week in weeks_of(market_id):
                repaired = repair_week(market_id, week)
                added, changed, removed = (
                    added + repaired.added,
                    changed + repaired.changed,
                    removed + repaired.removed,
                )
            self.stdout.write(f"{symbol}: {added:,} candles added, {changed:,} changed, {removed:,} removed")

    def _check(self, markets: list[tuple[str, int]]) -> None:
        found: list[str] = []
        total = 0
        for symbol, market_id in markets:
            candles = 0
            for week in weeks_of(market_id):
                compared = compare_week(market_id, week)
                candles += compared.candles
                total += len(compared.differences)
                found += [" ".join((symbol, *tell_difference(one))) for one in compared.differences]
                del found[SHOWN_MAX:]
            self.stdout.write(f"{symbol}: {candles:,} candles compared")
        if found:
            raise CommandError("\n".join([*found, f"{total:,} differences"]))
