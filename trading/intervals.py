"""Name the intervals that candles are kept for.

The law: an interval is a fixed number of seconds and begins at UTC's round times, a week on Monday; each one's bounds are
bounds of all shorter ones too. Days without their clock's changes: there are none in UTC.
This module is plain Python: the database's CHECK constraints, the statements and the API's schema are made from it.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum


class CandleInterval(StrEnum):
    MINUTE = "1m"
    FIVE_MINUTES = "5m"
    QUARTER = "15m"
    HALF_HOUR = "30m"
    HOUR = "1h"
    FOUR_HOURS = "4h"
    DAY = "1d"
    WEEK = "1w"


STEPS = {
    CandleInterval.MINUTE: timedelta(minutes=1),
    CandleInterval.FIVE_MINUTES: timedelta(minutes=5),
    CandleInterval.QUARTER: timedelta(minutes=15),
    CandleInterval.HALF_HOUR: timedelta(minutes=30),
    CandleInterval.HOUR: timedelta(hours=1),
    CandleInterval.FOUR_HOURS: timedelta(hours=4),
    CandleInterval.DAY: timedelta(days=1),
    CandleInterval.WEEK: timedelta(days=7),
}

ORIGIN = datetime(1970, 1, 5, tzinfo=UTC)
"""A Monday, from which all intervals are counted."""

ORIGIN_SQL = f"timestamptz '{ORIGIN.isoformat()}'"

# Seconds, and not days: to a time with a zone PostgreSQL adds those by the session's clock.
INTERVALS_SQL = "VALUES " + ", ".join(
    f"('{interval}', interval '{step // timedelta(seconds=1)} seconds')" for interval, step in STEPS.items()
)
"""Rows of name and step, for a FROM clause."""
