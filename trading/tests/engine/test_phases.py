"""Test what each phase lets in, and how one follows another."""

import pytest

from orders.terms import CALL_PHASES, OrderType, Phase, TimeInForce
from trading.tests.engine.scene import Scene, ladder, market, stop, trailing

STANDSTILL = [Phase.CANCEL_ONLY, Phase.HALTED, Phase.CLOSED]
BOOK = """
    ask 101 | 1:5
    bid  99 | 2:5
"""
TIFS = {tif.value: {"time_in_force": tif} for tif in TimeInForce}
ORDERS = {
    "limit": {},
    **TIFS,
    "iceberg": {"display": 1},
    "post-only": {"post_only": True},
    "market": market(),
    "stop-limit": stop(OrderType.STOP_LIMIT, 110),
    "stop-limit IOC": stop(OrderType.STOP_LIMIT, 110, **TIFS["IOC"]),
    "stop-limit post-only": stop(OrderType.STOP_LIMIT, 110, post_only=True),
    "stop-market": stop(OrderType.STOP_MARKET, 110),
    "take-profit": stop(OrderType.TAKE_PROFIT, 90),
    "take-profit-limit": stop(OrderType.TAKE_PROFIT_LIMIT, 90),
    "trailing stop": trailing(500),
}
NOT_IN_A_CALL = {"IOC", "FOK", "post-only"}
TAKEN = {
    **{phase: set(ORDERS) - NOT_IN_A_CALL for phase in CALL_PHASES},
    Phase.CONTINUOUS: set(ORDERS),
    Phase.POST_ONLY: {"post-only"},
    **{phase: set() for phase in STANDSTILL},
}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("order", ORDERS)
def test_phase_takes_what_the_table_says(phase, order):
    scene = Scene(BOOK)
    scene.set_phase(phase)

    refused = scene.buy(5, at=100, **ORDERS[order]) == ["end Rejected market_halted, 5 dropped"]

    assert refused is (order not in TAKEN[phase])


@pytest.mark.parametrize("phase", [*STANDSTILL, Phase.POST_ONLY])
def test_refused_order_leaves_the_book_as_it_was(phase):
    scene = Scene(BOOK)

    assert scene.set_phase(phase) == [f"phase {phase}"]
    assert scene.buy(5, at=101) == ["end Rejected market_halted, 5 dropped"]
    assert scene.buy(None, budget=900, **market()) == ["end Rejected market_halted, 0 dropped"]
    assert scene.ladder() == ladder(BOOK)


@pytest.mark.parametrize("phase", CALL_PHASES)
def test_call_collects_orders_and_matches_none(phase):
    scene = Scene(BOOK)
    scene.set_phase(phase)

    assert scene.buy(5, at=102, order_id=3) == ["rest 5@102"]
    assert scene.sell(5, order_id=4, **market()) == ["park"]
    assert scene.buy(5, at=102, order_id=5, time_in_force=TimeInForce.AUCTION_ONLY) == ["park"]
    assert scene.ladder() == ladder("""
        ask 101 | 1:5
        bid 102 | 3:5
        bid 99  | 2:5
    """)
    assert scene.parked() == ["4:5", "5:5"]


def test_post_only_phase_takes_only_what_does_not_match():
    scene = Scene(BOOK)
    scene.set_phase(Phase.POST_ONLY)

    assert scene.buy(5, at=101, post_only=True) == ["end Rejected post_only_would_take, 5 dropped"]
    assert scene.buy(5, at=100, post_only=True) == ["rest 5@100"]


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.CONTINUOUS])
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


@pytest.mark.parametrize("phase", [Phase.HALTED, Phase.CLOSED, Phase.PRE_OPEN])
def test_market_that_stood_still_comes_back_through_a_call(phase):
    scene = Scene(BOOK)
    scene.set_phase(phase)

    assert scene.end_call() == ["phase Auction"]
    assert scene.engine.call_wanted
    assert scene.call() == ["call until 1"]
    assert not scene.engine.call_wanted
    assert scene.end_call() == ["phase Continuous"]


@pytest.mark.parametrize("phase", [Phase.CANCEL_ONLY, Phase.POST_ONLY])
def test_market_that_took_no_takers_comes_back_at_once(phase):
    scene = Scene(BOOK)
    scene.set_phase(phase)

    assert scene.end_call() == ["phase Continuous"]


def test_book_that_a_broken_off_call_left_crossed_comes_back_through_a_call():
    scene = Scene(BOOK)
    scene.call()
    scene.buy(5, at=101)
    scene.set_phase(Phase.CANCEL_ONLY)

    assert scene.end_call() == ["phase Auction"]


def test_market_order_that_a_broken_off_call_left_comes_back_through_a_call():
    scene = Scene(BOOK)
    scene.call()
    scene.buy(5, **market())
    scene.set_phase(Phase.CANCEL_ONLY)

    assert scene.end_call() == ["phase Auction"]


def test_order_for_auctions_alone_waits_on_and_brings_no_call_about():
    scene = Scene(BOOK)
    scene.buy(5, at=101, order_id=3, time_in_force=TimeInForce.AUCTION_ONLY)
    scene.set_phase(Phase.POST_ONLY)

    assert scene.end_call() == ["phase Continuous"]
    assert scene.parked() == ["3:5"]


@pytest.mark.parametrize("phase", [Phase.HALTED, Phase.CANCEL_ONLY, Phase.CLOSED, Phase.PRE_OPEN, Phase.AUCTION])
def test_crossed_book_that_is_told_to_go_on_directly_uncrosses_first(phase):
    for to in (Phase.CONTINUOUS, Phase.POST_ONLY):
        scene = Scene(BOOK)
        scene.call()
        scene.buy(5, at=101, order_id=3)
        scene.set_phase(phase)

        assert scene.set_phase(to) == [
            "uncross 5@101, surplus 0",
            "trade 5@101 3 with 1, 0 left",
            "end 3 Filled",
            f"phase {to}",
        ]
