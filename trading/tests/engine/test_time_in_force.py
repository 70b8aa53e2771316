"""Test what becomes of a limit order's rest: GTC, IOC, FOK and post-only, against every kind of book."""

import pytest

from orders.terms import TimeInForce
from trading.tests.engine.scene import Scene, ladder

ASKS = """
    ask 102 | 2:5
    ask 101 | 1:5
"""


@pytest.mark.parametrize(
    ("time_in_force", "lots", "price", "told", "left_in_book"),
    [
        ("GTC", 5, 101, ["trade 5@101 with 1, 0 left", "end Filled"], ["ask 102 | 2:5"]),
        ("GTC", 7, 101, ["trade 5@101 with 1, 0 left", "rest 2@101"], ["ask 102 | 2:5", "bid 101 | 100:2"]),
        ("GTC", 1, 100, ["rest 1@100"], ["ask 102 | 2:5", "ask 101 | 1:5", "bid 100 | 100:1"]),
        ("IOC", 5, 101, ["trade 5@101 with 1, 0 left", "end Filled"], ["ask 102 | 2:5"]),
        ("IOC", 7, 101, ["trade 5@101 with 1, 0 left", "end Expired ioc_remainder, 2 dropped"], ["ask 102 | 2:5"]),
        ("IOC", 1, 100, ["end Expired ioc_remainder, 1 dropped"], ["ask 102 | 2:5", "ask 101 | 1:5"]),
        ("FOK", 10, 102, ["trade 5@101 with 1, 0 left", "trade 5@102 with 2, 0 left", "end Filled"], []),
        ("FOK", 6, 102, ["trade 5@101 with 1, 0 left", "trade 1@102 with 2, 4 left", "end Filled"], ["ask 102 | 2:4"]),
        ("FOK", 6, 101, ["end Expired fok_unfillable, 6 dropped"], ["ask 102 | 2:5", "ask 101 | 1:5"]),
        ("FOK", 11, 200, ["end Expired fok_unfillable, 11 dropped"], ["ask 102 | 2:5", "ask 101 | 1:5"]),
        ("FOK", 1, 100, ["end Expired fok_unfillable, 1 dropped"], ["ask 102 | 2:5", "ask 101 | 1:5"]),
    ],
)
def test_time_in_force_decides_what_becomes_of_the_rest(time_in_force, lots, price, told, left_in_book):
    scene = Scene(ASKS)

    assert scene.buy(lots, at=price, time_in_force=TimeInForce(time_in_force)) == told
    assert scene.ladder() == left_in_book


@pytest.mark.parametrize("time_in_force", ["IOC", "FOK"])
def test_immediate_order_on_an_empty_book_expires(time_in_force):
    scene = Scene()

    (told,) = scene.sell(1, at=100, time_in_force=TimeInForce(time_in_force))

    assert told.startswith("end Expired")
    assert scene.ladder() == []


def test_fok_counts_what_is_left_of_orders_and_not_what_they_were():
    scene = Scene("ask 101 | 1:5 2:5")
    scene.buy(3, at=101)
    scene.cancel(2)

    assert scene.buy(3, at=101, time_in_force=TimeInForce.FOK) == ["end Expired fok_unfillable, 3 dropped"]
    assert scene.ladder() == ["ask 101 | 1:2"]


def test_post_only_rests_where_nothing_matches():
    scene = Scene(ASKS)

    assert scene.buy(3, at=100, post_only=True) == ["rest 3@100"]


@pytest.mark.parametrize("price", [101, 105])
def test_post_only_that_would_take_is_rejected_and_nothing_else_happens(price):
    scene = Scene(ASKS)

    assert scene.buy(3, at=price, post_only=True) == ["end Rejected post_only_would_take, 3 dropped"]
    assert scene.ladder() == ladder(ASKS)


def test_post_only_sell_that_would_take_is_rejected():
    scene = Scene("bid 99 | 1:5")

    assert scene.sell(3, at=99, post_only=True) == ["end Rejected post_only_would_take, 3 dropped"]
    assert scene.sell(3, at=100, post_only=True) == ["rest 3@100"]


def test_post_only_that_would_take_its_own_order_is_rejected_too():
    scene = Scene("ask 101 | 1:5", owners={1: 7})

    assert scene.buy(3, at=101, post_only=True, owner=7) == ["end Rejected post_only_would_take, 3 dropped"]
