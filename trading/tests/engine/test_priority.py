"""Test price-time priority: who trades, at which price, and who keeps their place."""

from trading.tests.engine.scene import Scene, check_book, ladder


def test_best_price_trades_first_and_at_the_resting_orders_price():
    scene = Scene("""
        ask 103 | 1:5
        ask 101 | 2:5
        ask 102 | 3:5
    """)

    told = scene.buy(12, at=103)

    assert told == [
        "trade 5@101 with 2, 0 left",
        "trade 5@102 with 3, 0 left",
        "trade 2@103 with 1, 3 left",
        "end Filled",
    ]
    assert scene.ladder() == ["ask 103 | 1:3"]


def test_sell_walks_the_bids_from_the_highest_down():
    scene = Scene("""
        bid 99 | 1:2
        bid 98 | 2:2
        bid 97 | 3:2
    """)

    told = scene.sell(3, at=98)

    assert told == ["trade 2@99 with 1, 0 left", "trade 1@98 with 2, 1 left", "end Filled"]
    assert scene.ladder() == ladder("""
        bid 98 | 2:1
        bid 97 | 3:2
    """)


def test_at_one_price_the_earliest_trades_first():
    scene = Scene("ask 101 | 1:2 2:2 3:2")

    told = scene.buy(3, at=101)

    assert told == ["trade 2@101 with 1, 0 left", "trade 1@101 with 2, 1 left", "end Filled"]
    assert scene.ladder() == ["ask 101 | 2:1 3:2"]


def test_partial_fill_keeps_its_place_before_a_later_order():
    scene = Scene("ask 101 | 1:5")
    scene.buy(2, at=101)
    scene.sell(4, at=101, order_id=9)

    told = scene.buy(4, at=101)

    assert told == ["trade 3@101 with 1, 0 left", "trade 1@101 with 9, 3 left", "end Filled"]


def test_rest_of_a_taker_queues_behind_those_at_its_price():
    scene = Scene("bid 100 | 1:1")

    scene.buy(2, at=100, order_id=2)

    assert scene.ladder() == ["bid 100 | 1:1 2:2"]


def test_taker_rests_at_its_own_price_after_taking_better_ones():
    scene = Scene("ask 101 | 1:2")

    told = scene.buy(5, at=103, order_id=7)

    assert told == ["trade 2@101 with 1, 0 left", "rest 3@103"]
    assert scene.ladder() == ["bid 103 | 7:3"]
    check_book(scene.engine)


def test_price_just_short_of_the_other_side_rests():
    scene = Scene("ask 101 | 1:2")

    told = scene.buy(2, at=100, order_id=7)

    assert told == ["rest 2@100"]
    assert scene.ladder() == ladder("""
        ask 101 | 1:2
        bid 100 | 7:2
    """)


def test_priority_of_a_resting_order_is_its_sequence_and_the_position_of_its_event():
    scene = Scene("ask 101 | 1:1 2:1")

    scene.buy(5, at=101, order_id=7)

    resting = scene.engine.orders[7]
    assert (resting.sequence, resting.ordinal) == (3, 2)
