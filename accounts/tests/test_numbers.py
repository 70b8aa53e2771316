"""Test that decimals are read exactly or not at all."""

from decimal import Decimal

import pytest

from accounts.errors import DomainError
from accounts.numbers import decimals_of, from_units, parse_positive, render, round_to, to_units


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", "1"),
        ("1.50", "1.5"),
        ("+2", "2"),
        (".5", "0.5"),
        ("5.", "5"),
        ("007", "7"),
        ("0.000000000000000001", "1E-18"),
        ("999999999999999999.999999999999999999", "999999999999999999.999999999999999999"),
        ("0." + "0" * 37 + "1", "1E-38"),
    ],
)
def test_plain_decimal_is_read_exactly(text, value):
    assert parse_positive("price", text) == Decimal(value)


@pytest.mark.parametrize("text", ["0", "0.00", "-0", "-1", "-0.000000000000000001"])
def test_zero_or_less_is_refused_with_its_limit(text):
    error = refused(text)

    assert (error.limit, error.value) == ("0", text)


@pytest.mark.parametrize("text", ["1000000000000000000", "1" + "0" * 39])
def test_number_that_no_column_holds_is_refused_with_its_limit(text):
    error = refused(text)

    assert (error.limit, error.value) == ("1000000000000000000", text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        " 1",
        "1 ",
        "1e5",
        "1E5",
        "NaN",
        "nan",
        "Infinity",
        "-inf",
        "sNaN",
        "1_000",
        "1,5",
        "0x10",
        "--1",
        "١٢",
        "1\n",
        "½",
    ],
)
def test_what_is_no_plain_decimal_is_refused_with_what_was_got(text):
    assert refused(text).value == text


@pytest.mark.parametrize("value", [1, 1.5, True, None, ["1"], {"a": "1"}, Decimal(1), b"1"])
def test_what_is_no_string_is_refused(value):
    refused(value)


def test_more_than_forty_characters_are_refused_by_length():
    error = refused("1." + "0" * 39)

    assert (error.limit, error.value) == (40, 41)


def test_units_and_amounts_turn_into_each_other_exactly():
    widest = Decimal("999999999999999999.999999999999999999")

    assert to_units(widest, 18) == 10**36 - 1
    assert from_units(10**36 - 1, 18) == widest
    assert to_units(Decimal("1.5"), 8) == 150_000_000
    assert from_units(1, 18) == Decimal("0.000000000000000001")
    assert from_units(7, 0) == 7


@pytest.mark.parametrize(
    ("step", "decimals"), [("0.01", 2), ("0.010000000000000000", 2), ("1", 0), ("100", 0), ("0.25", 2), ("1E-18", 18)]
)
def test_decimals_of_a_step_pay_no_heed_to_how_it_is_written(step, decimals):
    assert decimals_of(Decimal(step)) == decimals


def test_render_writes_a_fixed_number_of_decimals():
    assert render(Decimal("1E-8"), 8) == "0.00000001"
    assert render(Decimal("50000"), 2) == "50000.00"
    assert render(Decimal("123456789012345678.123456789012345678"), 18) == "123456789012345678.123456789012345678"
    assert render(None, 2) is None


def test_round_to_rounds_half_to_even():
    assert round_to(Decimal("0.125"), 2) == Decimal("0.12")
    assert round_to(Decimal("0.135"), 2) == Decimal("0.14")


def refused(value):
    """Read what must be refused; returns the fault."""
    with pytest.raises(DomainError) as caught:
        parse_positive("price", value)
    (fault,) = caught.value.errors
    assert (caught.value.code, caught.value.status, fault.field, fault.code) == (
        "invalid_value",
        400,
        "price",
        "invalid_value",
    )
    return fault
