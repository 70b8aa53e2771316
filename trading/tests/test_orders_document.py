"""Test that docs/ORDERS.md says what the engine does."""

import re

import pytest

from orders.terms import STATUS_OF_REASON, Phase
from trading.tests.order_tables import DOCUMENT, NO_ORDERS, PHASES, document_with, table, taken_in


def test_table_of_types_times_and_phases_is_the_engines():
    assert DOCUMENT.read_text() == document_with(table()), "python -m trading.tests.order_tables writes it anew"


@pytest.mark.parametrize("phase", NO_ORDERS)
def test_phase_that_is_not_in_the_table_takes_no_order(phase):
    assert not taken_in(phase)


def test_every_phase_is_in_the_table_or_takes_no_order():
    assert {*PHASES.values(), *NO_ORDERS, Phase.PRE_OPEN} == {*Phase}


def test_every_reason_is_in_the_table_with_its_status():
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", DOCUMENT.read_text(), re.MULTILINE)

    assert len(rows) == len(STATUS_OF_REASON)
    assert dict(rows) == {str(reason): str(status) for reason, status in STATUS_OF_REASON.items()}
