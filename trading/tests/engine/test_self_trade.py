"""Test that no owner trades with themselves: CancelNewest."""

from orders.terms import TimeInForce
from trading.tests.engine.scene import Scene, ladder, market

OWN = 7


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
