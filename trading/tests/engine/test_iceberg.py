"""Test icebergs: what they show, when the next part shows, and what the hidden rest does until then."""

import pytest

from orders.terms import SelfTradePrevention, TimeInForce
from trading.tests.engine.scene import Scene, check_book, ladder

OWN = 7


def test_iceberg_rests_with_all_its_lots_and_shows_its_first_part():
    scene = Scene()

    assert scene.sell(10, at=101, order_id=1, display=3) == ["rest 10@101"]
    assert scene.ladder() == ["ask 101 | 1:3+7"]
    assert scene.engine.asks.best().total == 3


def test_iceberg_smaller_than_its_part_shows_all_of_it():
    scene = Scene()
    scene.sell(2, at=101, order_id=1, display=3)

    assert scene.ladder() == ["ask 101 | 1:2"]


def test_next_part_shows_behind_the_others_once_the_shown_part_is_gone():
    scene = Scene("ask 101 | 1:3+7 2:5")

    assert scene.buy(3, at=101) == ["trade 3@101 with 1, 7 left", "show 3 of 1", "end Filled"]
    assert scene.ladder() == ["ask 101 | 2:5 1:3+4"]


def test_shown_part_that_is_not_used_up_keeps_its_place():
    scene = Scene("ask 101 | 1:3+7 2:5")

    assert scene.buy(2, at=101) == ["trade 2@101 with 1, 8 left", "end Filled"]
    assert scene.ladder() == ["ask 101 | 1:1+7 2:5"]


def test_hidden_rest_matches_after_the_other_shown_orders_at_its_price_and_before_the_next_price():
    scene = Scene("""
        ask 102 | 3:9
        ask 101 | 1:3+7 2:5
    """)

    assert scene.buy(17, at=102) == [
        "trade 3@101 with 1, 7 left",
        "show 3 of 1",
        "trade 5@101 with 2, 0 left",
        "trade 3@101 with 1, 4 left",
        "show 3 of 1",
        "trade 3@101 with 1, 1 left",
        "show 1 of 1",
        "trade 1@101 with 1, 0 left",
        "trade 2@102 with 3, 7 left",
        "end Filled",
    ]


def test_icebergs_at_one_price_take_turns():
    scene = Scene("bid 99 | 1:2+2 2:2+2")

    told = scene.sell(8, at=99)

    assert [line for line in told if line.startswith("trade")] == [
        "trade 2@99 with 1, 2 left",
        "trade 2@99 with 2, 2 left",
        "trade 2@99 with 1, 0 left",
        "trade 2@99 with 2, 0 left",
    ]


def test_priority_of_a_part_is_the_sequence_and_the_position_of_its_event():
    scene = Scene("ask 101 | 1:3+7 2:5")
    scene.buy(3, at=101)

    assert (scene.engine.orders[1].sequence, scene.engine.orders[1].ordinal) == (3, 1)


def test_iceberg_takes_with_all_its_lots():
    scene = Scene("ask 101 | 1:8")

    assert scene.buy(10, at=101, order_id=2, display=1) == ["trade 8@101 with 1, 0 left", "rest 2@101"]
    assert scene.ladder() == ["bid 101 | 2:1+1"]


@pytest.mark.parametrize(("quantity", "left"), [(8, "3+5"), (4, "3+1"), (3, "3"), (1, "1")])
def test_reduce_takes_hidden_lots_first_and_keeps_the_place(quantity, left):
    scene = Scene("ask 101 | 1:3+7 2:5")

    scene.reduce(1, to=quantity)

    assert scene.ladder() == [f"ask 101 | 1:{left} 2:5"]
    check_book(scene.engine)


def test_cancel_drops_what_is_hidden_too():
    scene = Scene("ask 101 | 1:3+7")

    assert scene.cancel(1) == ["end Canceled user_request, 10 dropped"]
    assert scene.ladder() == []


@pytest.mark.parametrize(("lots", "filled"), [(10, True), (15, True), (16, False)])
def test_fok_counts_hidden_lots(lots, filled):
    scene = Scene("ask 101 | 1:3+7 2:5")

    told = scene.buy(lots, at=101, time_in_force=TimeInForce.FOK)

    assert told[-1] == ("end Filled" if filled else f"end Expired fok_unfillable, {lots} dropped")


@pytest.mark.parametrize(("lots", "filled"), [(8, True), (9, False)])
def test_fok_meets_an_own_order_before_the_hidden_lots_of_others(lots, filled):
    scene = Scene("ask 101 | 1:3+7 2:5 3:1", owners={3: OWN})

    told = scene.buy(lots, at=101, time_in_force=TimeInForce.FOK, owner=OWN)

    assert (told[-1] == "end Filled") is filled


def test_decrement_that_uses_up_the_shown_part_shows_the_next():
    scene = Scene("ask 101 | 1:3+7 2:5", owners={1: OWN})

    told = scene.buy(3, at=101, owner=OWN, self_trade_prevention=SelfTradePrevention.DECREMENT)

    assert told == ["prevent 3@101 with 1", "show 3 of 1", "end Expired self_trade, 0 dropped"]
    assert scene.ladder() == ["ask 101 | 2:5 1:3+4"]


def test_cancel_oldest_ends_an_iceberg_with_all_its_lots():
    scene = Scene("ask 101 | 1:3+7 2:5", owners={1: OWN})

    told = scene.buy(3, at=101, owner=OWN, self_trade_prevention=SelfTradePrevention.CANCEL_OLDEST)

    assert told == [
        "prevent 3@101 with 1",
        "end 1 Expired self_trade, 10 dropped",
        "trade 3@101 with 2, 2 left",
        "end Filled",
    ]


def test_amended_iceberg_shows_a_whole_part_again():
    book = "ask 101 | 1:3+7 2:5"
    scene = Scene(book)
    scene.buy(2, at=101)

    assert scene.amend(1, to=10, at=101) == ["amend to 10@101", "rest 8@101"]
    assert scene.ladder() == ladder("ask 101 | 2:5 1:3+5")
