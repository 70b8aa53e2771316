"""Say how far a trader has strayed from what it began with.

The law: whoever has more of an asset than it was given wants less of it, in proportion, so that in the long run nobody runs out.
"""

from collections.abc import Mapping
from decimal import Decimal

FUNDS = {
    "maker@example.com": {"BTC": Decimal(10_000), "ETH": Decimal(200_000), "USD": Decimal(1_000_000_000)},
    "taker@example.com": {"BTC": Decimal(1_000), "ETH": Decimal(20_000), "USD": Decimal(100_000_000)},
}
"""What the demo gives its traders (seed_demo), and what they drift back to."""

STRAYED = 0.05
"""The share of its funds by which a trader is off before it leans with all its weight."""


def lean_of(totals: Mapping[str, Decimal], funds: Mapping[str, Decimal], base: str, quote: str) -> float:
    """Weigh a market: 1 is far too much of the base asset or too little of the quote, -1 the opposite."""
    return min(max((_strayed(totals, funds, base) - _strayed(totals, funds, quote)) / 2, -1.0), 1.0)


def _strayed(totals: Mapping[str, Decimal], funds: Mapping[str, Decimal], asset: str) -> float:
    given = funds.get(asset)
    if not given:
        return 0.0
    return float(totals.get(asset, Decimal(0)) / given - 1) / STRAYED
