"""Fractions in percent, as pages show them and static/js writes them too."""

from decimal import Decimal

import pytest

from trading.pages.percents import write_change, write_rate


@pytest.mark.parametrize(
    ("last", "first", "shown"),
    [
        ("110", "100", ("+10.00 %", "up")),
        ("95", "100", ("−5.00 %", "down")),
        ("100.004", "100", ("0.00 %", "")),
        (None, "100", (None, "")),
        ("100", None, (None, "")),
    ],
)
def test_a_change_has_its_sign_and_its_way(last: str | None, first: str | None, shown: tuple[str | None, str]) -> None:
    assert write_change(last and Decimal(last), first and Decimal(first)) == shown  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rate", "shown"), [("0.001", "0.10 %"), ("0", "0.00 %"), ("0.00205", "0.205 %"), ("-0.0001", "-0.01 %")]
)
def test_a_rate_has_the_decimals_that_it_needs(rate: str, shown: str) -> None:
    assert write_rate(Decimal(rate)) == shown
