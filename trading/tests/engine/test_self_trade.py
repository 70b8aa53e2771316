"""Test that no owner trades with themselves, in each mode; the taker's decides."""

import pytest

from orders.terms import SelfTradePrevention, TimeInForce
from trading.tests.engine.scene import Scene, ladder, market

OWN = 7
OLDEST = {"owner": OWN, "self_trade_prevention": SelfTradePrevention.CANCEL_OLDEST}
BOTH = {"owner": OWN, "self_trade_prevention": SelfTradePrevention.CANCEL_BOTH}
DECREMENT = {"owner": OWN, "self_trade_prevention": SelfTradePrevention.DECREMENT}


def test_cancel_newest_ends_the_rest_of_the_taker_and_leaves_the_makers():
    bids = """
        bid 12 | 1:12
        bid 11 | 2:13
        bid 10 | 3:81
    """
    scene = Scene(bids, owners={1: OWN, 2: OWN, 3: OWN})

    told = scene.sell(30, at=10, owner=OWN)

    assert told == ["prevent 12@12 with 1", "end Expired self_trade, 30 dropped"]
    assert scene.ladder() == ladder(bids)


def test_fills_before_the_own_order_stand():
    scene = Scene("ask 101 | 1:2 2:3 3:4", owners={2: OWN})

    told = scene.buy(9, at=101, owner=OWN)

    assert told == ["trade 2@101 with 1, 0 left", "prevent 3@101 with 2", "end Expired self_trade, 7 dropped"]
    assert scene.ladder() == ["ask 101 | 2:3 3:4"]


def test_own_order_behind_what_the_taker_needs_prevents_nothing():
    scene = Scene("ask 101 | 1:2 2:3", owners={2: OWN})

    assert scene.buy(2, at=101, owner=OWN) == ["trade 2@101 with 1, 0 left", "end Filled"]


def test_own_order_beyond_the_takers_price_prevents_nothing():
    scene = Scene("ask 102 | 1:2", owners={1: OWN})

    assert scene.buy(2, at=101, owner=OWN) == ["rest 2@101"]


def test_prevented_quantity_is_what_would_have_traded():
    scene = Scene("ask 101 | 1:9", owners={1: OWN})

    assert scene.buy(2, at=101, owner=OWN) == ["prevent 2@101 with 1", "end Expired self_trade, 2 dropped"]


def test_fok_that_would_meet_an_own_order_expires_without_a_trade():
    scene = Scene("ask 101 | 1:2 2:3 3:4", owners={2: OWN})

    told = scene.buy(9, at=101, owner=OWN, time_in_force=TimeInForce.FOK)

    assert told == ["end Expired fok_unfillable, 9 dropped"]
    assert scene.ladder() == ["ask 101 | 1:2 2:3 3:4"]


def test_fok_filled_before_the_own_order_trades():
    scene = Scene("ask 101 | 1:2 2:3", owners={2: OWN})

    told = scene.buy(2, at=101, owner=OWN, time_in_force=TimeInForce.FOK)

    assert told == ["trade 2@101 with 1, 0 left", "end Filled"]


def test_budget_that_meets_an_own_order_expires():
    scene = Scene("ask 100 | 1:2 2:3", owners={2: OWN})

    told = scene.buy(None, budget=450, owner=OWN, **market())

    assert told == ["trade 2@100 with 1, 0 left", "prevent 2@100 with 2", "end Expired self_trade, 0 dropped"]


def test_cancel_oldest_ends_each_own_order_met_and_the_taker_goes_on():
    scene = Scene(
        """
        bid 12 | 1:12
        bid 11 | 2:13
        bid 10 | 3:81
        """,
        owners={1: OWN, 2: OWN, 3: OWN},
    )

    assert scene.sell(30, at=10, order_id=4, **OLDEST) == [
        "prevent 12@12 with 1",
        "end 1 Expired self_trade, 12 dropped",
        "prevent 13@11 with 2",
        "end 2 Expired self_trade, 13 dropped",
        "prevent 30@10 with 3",
        "end 3 Expired self_trade, 81 dropped",
        "rest 30@10",
    ]
    assert scene.ladder() == ["ask 10 | 4:30"]


def test_cancel_both_ends_both():
    scene = Scene("bid 10 | 1:10 2:5", owners={1: OWN, 2: OWN})

    assert scene.sell(30, at=10, **BOTH) == [
        "prevent 10@10 with 1",
        "end 1 Expired self_trade, 10 dropped",
        "end Expired self_trade, 30 dropped",
    ]
    assert scene.ladder() == ["bid 10 | 2:5"]


def test_decrement_takes_the_lesser_quantity_off_both_and_the_other_keeps_its_place():
    scene = Scene("bid 20 | 1:60 2:5", owners={1: OWN})

    assert scene.sell(20, at=20, **DECREMENT) == ["prevent 20@20 with 1", "end Expired self_trade, 0 dropped"]
    assert scene.ladder() == ["bid 20 | 1:40 2:5"]


def test_decrement_ends_a_maker_that_has_no_more_and_the_taker_goes_on():
    scene = Scene("ask 101 | 1:2 2:3", owners={1: OWN})

    assert scene.buy(4, at=101, **DECREMENT) == [
        "prevent 2@101 with 1",
        "end 1 Expired self_trade, 0 dropped",
        "trade 2@101 with 2, 1 left",
        "end Filled",
    ]


def test_decrement_ends_both_where_they_are_equal_the_maker_first():
    scene = Scene("ask 101 | 1:2", owners={1: OWN})

    assert scene.buy(2, at=101, **DECREMENT) == [
        "prevent 2@101 with 1",
        "end 1 Expired self_trade, 0 dropped",
        "end Expired self_trade, 0 dropped",
    ]


def test_decremented_taker_rests_with_what_is_left():
    scene = Scene("ask 101 | 1:2", owners={1: OWN})

    assert scene.buy(5, at=101, order_id=2, **DECREMENT)[-1] == "rest 3@101"
    assert scene.amend(2, to=5, at=100) == ["amend to 5@100", "rest 3@100"]


def test_maker_that_was_decremented_is_filled_by_the_last_of_its_lots():
    scene = Scene("ask 101 | 1:5", owners={1: OWN})
    scene.buy(2, at=101, **DECREMENT)

    assert scene.buy(3, at=101) == ["trade 3@101 with 1, 0 left", "end Filled"]


def test_takers_mode_decides_whatever_the_makers_is():
    scene = Scene()
    scene.sell(5, at=101, order_id=1, **OLDEST)

    assert scene.buy(5, at=101, owner=OWN)[-1] == "end Expired self_trade, 5 dropped"
    assert scene.ladder() == ["ask 101 | 1:5"]


@pytest.mark.parametrize(
    ("fields", "lots", "filled"),
    [
        (OLDEST, 6, True),
        (OLDEST, 7, False),
        (BOTH, 2, True),
        (BOTH, 3, False),
        (DECREMENT, 2, True),
        (DECREMENT, 3, False),
    ],
)
def test_fok_is_judged_on_what_it_would_really_get(fields, lots, filled):
    book = "ask 101 | 1:2 2:3 3:4"
    scene = Scene(book, owners={2: OWN})

    told = scene.buy(lots, at=101, time_in_force=TimeInForce.FOK, **fields)

    assert told[-1] == ("end Filled" if filled else f"end Expired fok_unfillable, {lots} dropped")
    if not filled:
        assert scene.ladder() == [book]


def test_budget_loses_what_the_prevented_lots_would_have_cost():
    scene = Scene("ask 100 | 1:2 2:3", owners={1: OWN})

    assert scene.buy(None, budget=450, **market(**DECREMENT)) == [
        "prevent 2@100 with 1",
        "end 1 Expired self_trade, 0 dropped",
        "trade 2@100 with 2, 1 left",
        "end Filled",
    ]


@pytest.mark.parametrize(
    ("budget", "end"),
    [
        (450, "end Expired self_trade, 0 dropped"),
        (499, "end Expired self_trade, 0 dropped"),
        (600, "end Expired no_liquidity, 0 dropped"),
    ],
)
def test_budget_whose_last_lots_were_prevented_expires(budget, end):
    scene = Scene("ask 100 | 1:2 2:2", owners={2: OWN})

    assert scene.buy(None, budget=budget, **market(**DECREMENT))[-1] == end


@pytest.mark.parametrize(("budget", "end"), [(249, "end Filled"), (250, "end Expired no_liquidity, 0 dropped")])
def test_budget_that_an_own_order_was_canceled_before_ends_by_what_it_could_buy_there(budget, end):
    scene = Scene(
        """
        ask 150 | 2:2
        ask 100 | 1:1
        """,
        owners={2: OWN},
    )

    assert scene.buy(None, budget=budget, **market(**OLDEST))[-1] == end
