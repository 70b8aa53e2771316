"""Test volatility interruptions: no trade too far from the reference, and a call instead of it."""

import pytest

from orders.terms import OrderType, Phase, SelfTradePrevention, TimeInForce
from trading.engine.commands import SetRules
from trading.tests.engine.scene import Scene, market, stop

BAND = {"reference_price": 100, "volatility_band": 10_000_000}
OWN = 7
ASKS = """
    ask 111 | 2:5
    ask 110 | 1:5
"""


def test_fills_so_far_stand_and_the_rest_enters_the_call():
    scene = Scene(ASKS, **BAND)

    told = scene.buy(8, at=120, order_id=9)

    assert told == ["trade 5@110 with 1, 0 left", "interrupt at 111", "phase Auction", "rest 3@120"]
    assert scene.engine.phase is Phase.AUCTION
    assert scene.engine.call_wanted
    assert scene.ladder() == ["ask 111 | 2:5", "bid 120 | 9:3"]


def test_falling_price_interrupts_too():
    scene = Scene("bid 89 | 1:5", **BAND)

    assert scene.sell(8, at=80) == ["interrupt at 89", "phase Auction", "rest 8@80"]


@pytest.mark.parametrize("price", [90, 110])
def test_trade_at_the_edge_of_the_band_happens(price):
    scene = Scene(**BAND)

    scene.sell(1, at=price)

    assert scene.buy(1, at=price) == [f"trade 1@{price} with 100, 0 left", "end Filled"]


@pytest.mark.parametrize(("price", "trades"), [(96, False), (97, True), (109, True), (110, False)])
def test_band_between_two_ticks_goes_to_the_nearer(price, trades):
    # 103 × 0.935 = 96.305, 103 × 1.065 = 109.695
    scene = Scene(reference_price=103, volatility_band=6_500_000)
    scene.sell(1, at=price)

    assert scene.buy(1, at=price)[0].startswith("trade" if trades else "interrupt")


def test_price_better_than_the_band_interrupts_too():
    scene = Scene("ask 89 | 1:5", **BAND)

    assert scene.buy(5, at=100) == ["interrupt at 89", "phase Auction", "rest 5@100"]


def test_price_beyond_the_takers_limit_does_not_interrupt():
    scene = Scene(ASKS, **BAND)

    assert scene.buy(8, at=110) == ["trade 5@110 with 1, 0 left", "rest 3@110"]


def test_taker_that_needs_no_more_does_not_interrupt():
    scene = Scene(ASKS, **BAND)

    assert scene.buy(5, at=120) == ["trade 5@110 with 1, 0 left", "end Filled"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"time_in_force": TimeInForce.IOC}, "end Expired ioc_remainder, 3 dropped"),
        (market(), "park"),
        ({"time_in_force": TimeInForce.DAY}, "rest 3@120"),
    ],
)
def test_rest_of_the_taker_enters_the_call_where_it_may(fields, told):
    scene = Scene(ASKS, **BAND)

    assert scene.buy(8, at=120, **fields)[2:] == ["phase Auction", told]


def test_budget_enters_the_call_with_what_is_left_of_it():
    scene = Scene(ASKS, **BAND)

    assert scene.buy(None, budget=1000, **market())[-1] == "park"
    assert scene.parked() == ["100:for 450"]


@pytest.mark.parametrize(("budget", "told"), [(110, "end Expired no_liquidity, 0 dropped"), (111, "park")])
def test_budget_that_buys_no_lot_at_the_price_does_not_interrupt(budget, told):
    scene = Scene("ask 111 | 2:5", **BAND)

    assert scene.buy(None, budget=budget, **market())[-1] == told


def test_budget_whose_rest_buys_no_lot_beyond_the_band_is_filled():
    scene = Scene(
        """
        ask 111 | 2:5
        ask 100 | 1:1
    """,
        **BAND,
    )

    assert scene.buy(None, budget=210, **market()) == ["trade 1@100 with 1, 0 left", "end Filled"]


@pytest.mark.parametrize(("lots", "told"), [(5, "end Filled"), (6, "end Expired fok_unfillable, 6 dropped")])
def test_fok_is_judged_within_the_band_and_does_not_interrupt(lots, told):
    scene = Scene(ASKS, **BAND)

    assert scene.buy(lots, at=120, time_in_force=TimeInForce.FOK)[-1] == told
    assert scene.engine.phase is Phase.CONTINUOUS


def test_own_order_outside_the_band_interrupts_like_any_other():
    scene = Scene("ask 111 | 1:5", owners={1: OWN}, **BAND)

    told = scene.buy(5, at=120, owner=OWN, self_trade_prevention=SelfTradePrevention.CANCEL_OLDEST)

    assert told == ["interrupt at 111", "phase Auction", "rest 5@120"]


def test_reference_is_the_last_trade_before_the_command():
    scene = Scene(**BAND)
    scene.trade_at(105)
    scene.fill_book("""
        ask 116 | 3:1
        ask 115 | 2:1
        ask 110 | 1:1
    """)

    assert scene.buy(3, at=120)[-3:] == ["interrupt at 116", "phase Auction", "rest 1@120"]


def test_without_a_reference_or_a_band_nothing_interrupts():
    for rules in ({"volatility_band": 10_000_000}, {"reference_price": 100}):
        scene = Scene(ASKS, **rules)

        assert scene.buy(10, at=120)[-1] == "end Filled"


def test_rules_hold_from_the_command_on_that_sets_them():
    scene = Scene(ASKS, **BAND)

    assert scene.do(SetRules(100, 20_000_000)) == ["rules"]
    assert scene.buy(10, at=120)[-1] == "end Filled"


def test_market_goes_on_by_the_uncross_of_the_call():
    scene = Scene(ASKS, **BAND)
    scene.buy(8, at=120, order_id=9)
    scene.call()

    assert scene.end_call() == [
        "uncross 3@111, surplus -2",
        "trade 3@111 9 with 2, 2 left",
        "end 9 Filled",
        "phase Continuous",
    ]


def test_triggered_stop_may_interrupt():
    scene = Scene("ask 112 | 2:5", **BAND)
    scene.buy(5, at=120, order_id=1, **stop(OrderType.STOP_LIMIT, 101))
    scene.trade_at(100, 101)

    assert scene.enter_triggered() == ["enter 1", "interrupt at 112", "phase Auction", "rest 5@120"]
