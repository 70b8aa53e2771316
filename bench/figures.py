"""Medians with their ranges, percentiles, and tables of them.

The law: no figure is printed without the range it came from; a percentile is a value that was measured, not one between two.

What the figures are of is said by those who measure.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Figure(NamedTuple):
    """The median of some runs, the least and the most."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        if self.low == self.high:
            return short(self.median)
        return f"{short(self.median)} ({short(self.low)}–{short(self.high)})"


def figure(values: Iterable[float]) -> Figure:
    """Sum up runs, of which there is at least one."""
    ordered = sorted(values)
    return Figure(statistics.median(ordered), ordered[0], ordered[-1])


def ratio(values: Sequence[float], beside: Sequence[float]) -> Figure:
    """Compare runs with those taken beside them, pair by pair."""
    return figure(value / other for value, other in zip(values, beside, strict=True) if other)


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the least value that so many percent of the values are not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def short(value: float) -> str:
    """Write a number with the three digits that may mean something."""
    if value >= 1_000_000:
        return f"{value / 1_000_000:.2f} M"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 else f"{value:g}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Align columns: words to the left, as the first is, figures to the right."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(line, widths, strict=True)) for line in lines)
    )
