"""Read and write times: RFC 3339, and what is written is UTC with six decimals.

The law: the public API writes a time in one way only, so that times compare as texts too; what it reads is never rounded.
What the time is, is the database's (its clock stamps rows) or the caller's.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from accounts.errors import refusal

_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII | re.IGNORECASE,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def render_time(time: datetime) -> str:
    """Write an aware time, e.g. 2026-01-31T12:00:00.000000Z."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def read_time(field: str, value: Any) -> datetime:
    """Read an RFC 3339 time. Raises DomainError invalid_value, naming the field, for anything else."""
    try:
        if isinstance(value, str) and _RFC_3339.fullmatch(value):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # such as the 31st of February
    message = f"{field} must be a time such as 2026-01-31T12:00:00Z, with at most six decimals."
    raise refusal("invalid_value", field, message, value=str(value)[:64])


def to_microseconds(time: datetime) -> int:
    """Turn an aware time into microseconds since 1970 UTC."""
    return (time - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """Turn microseconds since 1970 UTC into an aware time."""
    return _EPOCH + microseconds * _MICROSECOND
