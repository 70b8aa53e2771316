"""Test how resting orders end or shrink on request."""

from trading.tests.engine.scene import Scene, ladder


def test_cancel_takes_the_order_off_the_book():
    scene = Scene("ask 101 | 1:5 2:5")

    assert scene.cancel(1) == ["end Canceled user_request, 5 dropped"]
    assert scene.ladder() == ["ask 101 | 2:5"]
    assert list(scene.engine.orders) == [2]


def test_cancel_of_a_partly_filled_order_drops_what_is_left():
    scene = Scene("ask 101 | 1:5")
    scene.buy(2, at=101)

    assert scene.cancel(1) == ["end Canceled user_request, 3 dropped"]


def test_cancel_of_an_order_that_rests_no_more_does_nothing():
    scene = Scene("ask 101 | 1:5")
    scene.buy(5, at=101)

    assert scene.cancel(1) == []
    assert scene.cancel(12345) == []


def test_canceled_order_is_passed_over_by_the_next_taker():
    scene = Scene("ask 101 | 1:5 2:5 3:5")
    scene.cancel(2)

    told = scene.buy(6, at=101)

    assert told == ["trade 5@101 with 1, 0 left", "trade 1@101 with 3, 4 left", "end Filled"]


def test_canceling_the_last_order_of_the_best_price_uncovers_the_next():
    scene = Scene("""
        ask 102 | 2:5
        ask 101 | 1:5
    """)
    scene.cancel(1)

    assert scene.buy(1, at=102) == ["trade 1@102 with 2, 4 left", "end Filled"]


def test_price_left_by_all_its_orders_can_be_used_again():
    scene = Scene("ask 101 | 1:5")
    scene.cancel(1)

    scene.sell(3, at=101, order_id=2)

    assert scene.ladder() == ["ask 101 | 2:3"]


def test_reduce_keeps_the_orders_place():
    scene = Scene("ask 101 | 1:5 2:5")

    assert scene.reduce(1, to=2) == ["reduce 1 by 3, 2 left"]
    assert scene.ladder() == ["ask 101 | 1:2 2:5"]


def test_reduce_counts_the_filled_part():
    scene = Scene("ask 101 | 1:5")
    scene.buy(2, at=101)

    assert scene.reduce(1, to=4) == ["reduce 1 by 1, 2 left"]
    assert scene.reduce(1, to=3) == ["reduce 1 by 1, 1 left"]


def test_reduce_to_the_filled_part_or_less_ends_the_order():
    for quantity in (2, 1):
        scene = Scene("ask 101 | 1:5")
        scene.buy(2, at=101)

        assert scene.reduce(1, to=quantity) == ["end Canceled amended_below_filled, 3 dropped"]
        assert scene.ladder() == []


def test_reduce_that_is_not_lower_is_ignored():
    scene = Scene("ask 101 | 1:5")

    assert scene.reduce(1, to=5) == []
    assert scene.reduce(1, to=6) == []
    assert scene.ladder() == ["ask 101 | 1:5"]


def test_second_reduce_is_compared_with_the_first():
    scene = Scene("ask 101 | 1:5")
    scene.reduce(1, to=3)

    assert scene.reduce(1, to=4) == []
    assert scene.ladder() == ["ask 101 | 1:3"]


def test_reduce_of_an_order_that_rests_no_more_does_nothing():
    scene = Scene("bid 99 | 1:5")
    scene.cancel(1)

    assert scene.reduce(1, to=2) == []
    assert scene.ladder() == ladder("")
