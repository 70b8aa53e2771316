"""Read the names of channels.

The law: a channel has one name, `kind:BTC-USD` or a private one's bare kind, however it was written.
"""

from typing import Any, NamedTuple

from accounts.errors import DomainError, refusal
from orders.rules import MarketRules, rules_of_symbol
from trading.intervals import CandleInterval
from trading.streams import private
from trading.streams.markets import AUCTION, BOOK, TRADES

TICKER = "ticker"
CANDLES = {f"candles.{interval}": interval for interval in CandleInterval}
KINDS = (BOOK, TRADES, TICKER, *CANDLES, AUCTION)
NAME_LENGTH_MAX = 64


class PublicChannel(NamedTuple):
    kind: str
    rules: MarketRules

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.rules.symbol.replace('/', '-')}"


class PrivateChannel(NamedTuple):
    name: str


Channel = PublicChannel | PrivateChannel


def read_channels(field: str, value: Any) -> list[Channel]:
    """Read a list of channels, each once. Raises DomainError invalid_value or unknown_symbol. May ask the database for a market."""
    if not isinstance(value, list) or not value:
        raise refusal("invalid_value", field, f"{field} must be a list of channels.", value=str(value)[:64])
    return list({channel.name: channel for channel in (_read_channel(field, name) for name in value)}.values())


def _read_channel(field: str, name: Any) -> Channel:
    if isinstance(name, str) and len(name) <= NAME_LENGTH_MAX:
        if name in private.CHANNELS:
            return PrivateChannel(name)
        kind, _, symbol = name.partition(":")
        if kind in KINDS and symbol:
            try:
                return PublicChannel(kind, rules_of_symbol(symbol))
            except DomainError as error:
                raise refusal(error.code, field, error.detail, value=symbol) from None
    known = [f"{kind}:SYMBOL" for kind in KINDS] + list(private.CHANNELS)
    raise refusal(
        "invalid_value", field, f"There is no such channel: {str(name)[:64]}.", limit=known, value=str(name)[:64]
    )
