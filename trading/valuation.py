"""Tell what holdings are worth in another asset, by the last prices of markets.

The law: a price is the last one of a market between the two, either way round, or else goes through one other asset; where there is
none, nothing is guessed. What comes of it informs; no money moves by it.
What an account has is accounts/selectors.py's.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from accounts.numbers import EXACT
from accounts.selectors import Holding
from orders.models import MarketState

Prices = Mapping[tuple[str, str], Decimal]
"""The last price of each pair (of what, in what), both ways round."""


def last_prices() -> dict[tuple[str, str], Decimal]:
    """Read the last price of every market that has one. One query."""
    rows = MarketState.objects.filter(last_price__gt=0).order_by("market__symbol")
    prices: dict[tuple[str, str], Decimal] = {}
    inverse: dict[tuple[str, str], Decimal] = {}
    for base, quote, price in rows.values_list("market__base__code", "market__quote__code", "last_price"):
        assert price is not None
        prices[base, quote] = price
        inverse[quote, base] = EXACT.divide(Decimal(1), price)
    return inverse | prices


def price_of(asset: str, quote: str, prices: Prices) -> Decimal | None:
    """Tell what one of the asset is worth in the quote; through the first other asset by code that leads there, if need be."""
    if asset == quote:
        return Decimal(1)
    if (asset, quote) in prices:
        return prices[asset, quote]
    for of, through in sorted(prices):
        if of == asset and (through, quote) in prices:
            return EXACT.multiply(prices[of, through], prices[through, quote])
    return None


def values_of(holdings: Iterable[Holding], quote: str, prices: Prices) -> list[Decimal | None]:
    """Tell what each holding is worth, what is held included; None where nothing says."""
    found = []
    for holding in holdings:
        price = price_of(holding.asset, quote, prices)
        found.append(None if price is None else EXACT.multiply(holding.available + holding.held, price))
    return found
