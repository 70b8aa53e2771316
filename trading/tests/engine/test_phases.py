"""Test what each phase lets in."""

import pytest

from orders.terms import Phase
from trading.tests.engine.scene import Scene, ladder, market

CLOSED_TO_NEW = [phase for phase in Phase if phase is not Phase.CONTINUOUS]
BOOK = """
    ask 101 | 1:5
    bid  99 | 2:5
"""


@pytest.mark.parametrize("phase", CLOSED_TO_NEW)
def test_new_orders_are_rejected_and_the_book_stays(phase):
    scene = Scene(BOOK)

    assert scene.set_phase(phase) == [f"phase {phase}"]
    assert scene.buy(5, at=101) == ["end Rejected market_halted, 5 dropped"]
    assert scene.sell(5, at=120, post_only=True) == ["end Rejected market_halted, 5 dropped"]
    assert scene.buy(None, budget=900, **market()) == ["end Rejected market_halted, 0 dropped"]
    assert scene.ladder() == ladder(BOOK)


@pytest.mark.parametrize("phase", CLOSED_TO_NEW)
def test_cancel_and_reduce_are_let_in(phase):
    scene = Scene(BOOK)
    scene.set_phase(phase)

    assert scene.cancel(1) == ["end Canceled user_request, 5 dropped"]
    assert scene.reduce(2, to=1) == ["reduce 2 by 4, 1 left"]


def test_book_goes_on_where_it_stood_after_a_halt():
    scene = Scene(BOOK)
    scene.set_phase(Phase.HALTED)
    scene.set_phase(Phase.CONTINUOUS)

    assert scene.buy(5, at=101) == ["trade 5@101 with 1, 0 left", "end Filled"]
