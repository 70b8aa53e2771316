"""Write times: RFC 3339, UTC, always six decimals.

The law: the public API writes a time in one way only, so that times compare as texts too.
What the time is, is the database's (its clock stamps rows) or the caller's.
"""

from datetime import UTC, datetime


def render_time(time: datetime) -> str:
    """Write an aware time, e.g. 2026-01-31T12:00:00.000000Z."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
