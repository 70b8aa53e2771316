"""Write fractions in percent, the same on every page.

The law: a change has its sign, the minus as wide as the plus, and two decimals; a rate has as many decimals as it needs, and two at least.
static/js/format.js and ticket.js write the same.
"""

from decimal import Decimal
from typing import NamedTuple

from accounts.numbers import EXACT, decimals_of, round_to

HUNDRED = Decimal(100)


class Change(NamedTuple):
    """How a price has changed: in percent, and which way: "up", "down", or "" where that is not seen in the percent."""

    percent: str | None
    way: str


def write_rate(rate: Decimal) -> str:
    """Write a fee's rate: "0.10 %"."""
    percent = EXACT.multiply(rate, HUNDRED)
    return f"{percent:.{max(2, decimals_of(percent))}f} %"


def write_change(last: Decimal | None, first: Decimal | None) -> Change:
    """Write by how much a price has changed; nothing where one of them is missing."""
    if last is None or not first:
        return Change(None, "")
    change = round_to(EXACT.divide(EXACT.multiply(last - first, HUNDRED), first), 2)
    text = f"{change:+.2f} %" if change else "0.00 %"
    return Change(text.replace("-", "−"), "up" if change > 0 else "down" if change < 0 else "")
