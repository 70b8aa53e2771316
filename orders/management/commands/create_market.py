"""Create a market from the command line. The law and the work are orders/markets.py's; here are only the arguments."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from accounts.management.operating import OperatorCommand
from orders.markets import create_market
from orders.models import Market

RULES: tuple[str, ...] = (
    "min_quantity",
    "max_quantity",
    "min_notional",
    "price_band",
    "protection_band",
    "volatility_band",
    "auction_band",
    "reference_price",
    "maker_fee",
    "taker_fee",
    "max_open_orders",
    "max_stop_orders",
    "max_iceberg_orders",
    "call_seconds",
    "call_random_seconds",
    "opens_at",
    "closes_at",
    "shard",
)


class Command(OperatorCommand):
    help = "Create a market, such as: create_market BTC/USD --tick 0.01 --lot 0.00001. A rule that is not given does not limit."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("symbol", help="two assets that exist, as in BTC/USD")
        parser.add_argument("--tick", dest="tick_size", required=True, help="prices are whole multiples of it")
        parser.add_argument("--lot", dest="lot_size", required=True, help="quantities are whole multiples of it")
        for name in RULES:
            parser.add_argument(f"--{name.replace('_', '-')}", help=_help(name))

    def handle(self, *, symbol: str, **options: Any) -> None:
        rules = {name: _read(name, options[name]) for name in RULES if options[name] is not None}
        market = create_market(
            symbol=symbol,
            tick_size=_read("tick_size", options["tick_size"]),
            lot_size=_read("lot_size", options["lot_size"]),
            **rules,
        )
        self.stdout.write(f"Created {market.symbol}, tick {market.tick_size:f}, lot {market.lot_size:f}.")


def _read(name: str, text: str) -> Any:
    """Read an argument as the field of a Market would."""
    try:
        return _field(name).clean(text, None)
    except ValidationError as error:
        raise CommandError(f"{name}: {' '.join(error.messages)} Got {text}.") from error


def _field(name: str) -> Any:
    return Market._meta.get_field(name)


def _help(name: str) -> str:
    """Say what a rule is for; argparse takes a single % for the beginning of a placeholder."""
    text: str = _field(name).help_text.replace("%", "%%")
    return text
