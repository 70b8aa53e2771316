"""Medians, percentiles and ratios are those of the textbook, and tables line up."""

import pytest

from bench.figures import figure, percentile, ratio, short, table


def test_figure_is_the_median_with_its_range() -> None:
    assert figure([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)
    assert figure([4.0, 1.0, 2.0, 3.0]) == (2.5, 1.0, 4.0)
    assert str(figure([1.0, 2.0, 4.0])) == "2 (1–4)"
    assert str(figure([1234.0])) == "1,234"


def test_ratios_are_taken_pair_by_pair() -> None:
    assert ratio([10.0, 30.0, 90.0], [10.0, 10.0, 10.0]) == (3.0, 1.0, 9.0)
    with pytest.raises(ValueError, match="shorter"):
        ratio([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (1, 1), (50, 50), (50.5, 51), (99, 99), (100, 100)])
def test_percentile_is_a_value_that_was_measured(percent: float, value: int) -> None:
    assert percentile(range(100, 0, -1), percent) == value


def test_percentile_of_one_value_is_that() -> None:
    assert percentile([7.0], 50) == percentile([7.0], 99) == 7.0


@pytest.mark.parametrize(
    ("value", "text"),
    [(1_234_567, "1.23 M"), (98_765.4, "98,765"), (99.96, "100"), (1.234, "1.23"), (0.01234, "0.0123"), (0, "0")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_tables_line_up() -> None:
    assert table(["what", "n"], [["a", "1,000"], ["longer", "2"]]) == "what        n\na       1,000\nlonger      2"
