"""Read the name of a candles' interval.

The law: any letter case, as of all terms, but `1M`, which elsewhere is a month and must not become a minute.
The intervals are trading/intervals.py's.
"""

from typing import Any

from accounts.bodies import term_reader
from accounts.errors import refusal
from trading.intervals import CandleInterval

_read_term = term_reader(CandleInterval)


def read_interval(field: str, value: Any) -> CandleInterval:
    """Read an interval. Raises DomainError invalid_value, naming those that there are."""
    if value == "1M":
        message = f"{field} must be one of {', '.join(CandleInterval)}; there are no months."
        raise refusal(
            "invalid_value", field, message, limit=[str(interval) for interval in CandleInterval], value=value
        )
    return _read_term(field, value)
