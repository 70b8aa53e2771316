"""Read and write exact decimals.

The law: a decimal is a string in the public API, in and out; no float is ever made. Amounts inside hot code are whole
numbers of an asset's smallest unit (10^-scale); the two functions at the end go between the two.
"""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from accounts.errors import refusal
from accounts.models import AMOUNT_LIMIT

EXACT = Context(prec=100)
"""Wide enough that no product of two stored amounts is ever rounded."""

DECIMAL_LENGTH_MAX = 40
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)", re.ASCII)


def parse_positive(field: str, text: Any) -> Decimal:
    """Read a decimal string that must be more than zero.

    Raises DomainError invalid_value, naming the field, for anything but a plain decimal string of at most 40 characters
    with 0 < value < 10^18.
    """
    if not isinstance(text, str):
        raise refusal("invalid_value", field, f'{field} must be a decimal string such as "1.5".', value=_shown(text))
    if len(text) > DECIMAL_LENGTH_MAX:
        message = f"{field} must have at most {DECIMAL_LENGTH_MAX} characters."
        raise refusal("invalid_value", field, message, limit=DECIMAL_LENGTH_MAX, value=len(text))
    if not _DECIMAL.fullmatch(text):
        message = f"{field} must be a plain decimal number, without an exponent."
        raise refusal("invalid_value", field, message, value=text)
    value = Decimal(text)
    if value <= 0:
        raise refusal("invalid_value", field, f"{field} must be more than 0.", limit="0", value=text)
    if value >= AMOUNT_LIMIT:
        raise refusal(
            "invalid_value", field, f"{field} must be less than 10^18.", limit=f"{AMOUNT_LIMIT:f}", value=text
        )
    return value


def _shown(value: Any) -> Any:
    """Show a refused value, but not a nested or endless one."""
    return value if value is None or (isinstance(value, bool | int) and abs(value) < 10**18) else str(value)[:64]


def decimals_of(step: Decimal) -> int:
    """Count the decimals that multiples of a tick or a lot are written with."""
    exponent = step.normalize(EXACT).as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


def render(value: Decimal | None, decimals: int) -> str | None:
    """Write an amount with a fixed number of decimals."""
    return None if value is None else f"{value:.{decimals}f}"


def round_to(value: Decimal, decimals: int) -> Decimal:
    """Round half-even; for figures that inform, such as an average price, never for money that moves."""
    return value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN, EXACT)


def to_units(amount: Decimal, scale: int) -> int:
    """Turn an amount that fits the scale into whole units of 10^-scale."""
    return int(amount.scaleb(scale, EXACT))


def from_units(units: int, scale: int) -> Decimal:
    """Turn whole units of 10^-scale into an amount."""
    return Decimal(units).scaleb(-scale, EXACT)
