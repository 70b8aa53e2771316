"""Test that times are written in one way, and read exactly or not at all."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from accounts.errors import DomainError
from accounts.times import read_time, render_time, to_microseconds


def test_time_is_written_in_utc_with_six_decimals():
    noon = datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))

    assert render_time(noon) == "2026-01-31T10:00:00.000000Z"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31t12:00:00.1z", datetime(2026, 1, 31, 12, 0, 0, 100_000, tzinfo=UTC)),
        ("2026-01-31T12:00:00.000001+02:00", datetime(2026, 1, 31, 10, 0, 0, 1, tzinfo=UTC)),
    ],
)
def test_time_is_read_exactly(text, time):
    assert read_time("expires_at", text) == time
    assert read_time("expires_at", text).tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-31", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z", "2026-02-31T12:00:00Z", "2026-01-31T12:00:00.0000001Z",
        "0001-01-01T00:00:00+10:00", "20260131T120000Z", "", 1769860800, None,
    ],
)  # fmt: skip
def test_anything_else_is_refused(value):
    with pytest.raises(DomainError) as caught:
        read_time("expires_at", value)

    assert [(fault.field, fault.code) for fault in caught.value.errors] == [("expires_at", "invalid_value")]


def test_microseconds_are_exact():
    assert to_microseconds(datetime(2026, 1, 31, 12, 0, 0, 1, tzinfo=UTC)) == 1_769_860_800_000_001
