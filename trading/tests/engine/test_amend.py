"""Test amendments: new terms cost an order its place, and are matched like those of a new one."""

import pytest

from orders.terms import OrderType, Phase, SelfTradePrevention, TimeInForce
from trading.tests.engine.scene import Scene, ladder, market, stop

OWN = 7
BOOK = """
    ask 102 | 3:5
    ask 101 | 1:5 2:5
    bid 99  | 4:5 5:5
"""


def test_new_price_moves_the_order_behind_those_at_it():
    scene = Scene(BOOK)

    assert scene.amend(1, to=5, at=102) == ["amend to 5@102", "rest 5@102"]
    assert scene.ladder() == ladder("""
        ask 102 | 3:5 1:5
        ask 101 | 2:5
        bid 99  | 4:5 5:5
    """)


def test_more_quantity_moves_the_order_behind_the_others():
    scene = Scene(BOOK)

    assert scene.amend(1, to=6, at=101, extra=1) == ["amend to 6@101", "rest 6@101"]
    assert scene.ladder()[1] == "ask 101 | 2:5 1:6"


def test_amended_order_matches_like_a_new_one():
    scene = Scene(BOOK)

    assert scene.amend(4, to=12, at=101, extra=999) == [
        "amend to 12@101",
        "trade 5@101 with 1, 0 left",
        "trade 5@101 with 2, 0 left",
        "rest 2@101",
    ]


def test_amended_order_may_be_filled():
    scene = Scene(BOOK)

    told = scene.amend(4, to=5, at=101, extra=10)

    assert told == ["amend to 5@101", "trade 5@101 with 1, 0 left", "end Filled"]
    assert 4 not in scene.engine.orders


def test_amended_order_meets_its_owners_others_as_its_mode_says():
    scene = Scene("ask 101 | 1:5", owners={1: OWN})
    scene.buy(5, at=99, order_id=2, owner=OWN, self_trade_prevention=SelfTradePrevention.CANCEL_OLDEST)

    told = scene.amend(2, to=5, at=101, extra=10)

    assert told == ["amend to 5@101", "prevent 5@101 with 1", "end 1 Expired self_trade, 5 dropped", "rest 5@101"]


def test_what_is_filled_stays_filled():
    scene = Scene("ask 101 | 1:5")
    scene.buy(2, at=101)

    assert scene.amend(1, to=6, at=102, extra=1) == ["amend to 6@102", "rest 4@102"]


def test_what_is_prevented_stays_used_up():
    scene = Scene("ask 101 | 1:5", owners={1: OWN})
    scene.buy(2, at=101, owner=OWN, self_trade_prevention=SelfTradePrevention.DECREMENT)

    assert scene.amend(1, to=6, at=102, extra=1) == ["amend to 6@102", "rest 4@102"]


@pytest.mark.parametrize("quantity", [1, 2])
def test_amend_to_the_filled_part_or_less_ends_the_order(quantity):
    scene = Scene("ask 101 | 1:5")
    scene.buy(2, at=101)

    assert scene.amend(1, to=quantity, at=102) == ["end Canceled amended_below_filled, 3 dropped"]


@pytest.mark.parametrize(("quantity", "price", "needs"), [(5, 101, 10), (6, 99, 99), (8, 60, 0), (3, 160, 0)])
def test_buy_needs_what_its_new_terms_cost_beyond_the_old(quantity, price, needs):
    scene = Scene("bid 99 | 4:5")

    if needs:
        assert scene.amend(4, to=quantity, at=price, extra=needs - 1) == ["refuse insufficient_funds"]
        assert scene.ladder() == ["bid 99 | 4:5"]
    assert scene.amend(4, to=quantity, at=price, extra=needs)[0] == f"amend to {quantity}@{price}"


def test_cost_of_what_is_filled_is_not_counted():
    scene = Scene("bid 99 | 4:5")
    scene.sell(2, at=99)

    assert scene.amend(4, to=5, at=100, extra=2) == ["refuse insufficient_funds"]
    assert scene.amend(4, to=5, at=100, extra=3)[0] == "amend to 5@100"


def test_sell_needs_its_lots_at_any_price():
    scene = Scene("ask 101 | 1:5")

    assert scene.amend(1, to=7, at=101, extra=1) == ["refuse insufficient_funds"]
    assert scene.amend(1, to=5, at=500) == ["amend to 5@500", "rest 5@500"]


def test_refused_amendment_leaves_the_order_in_its_place():
    scene = Scene(BOOK)

    assert scene.amend(1, to=6, at=101) == ["refuse insufficient_funds"]
    assert scene.ladder() == ladder(BOOK)


@pytest.mark.parametrize(("price", "told"), [(101, "refuse post_only_would_take"), (100, "amend to 5@100")])
def test_post_only_is_not_amended_to_take(price, told):
    scene = Scene(BOOK)
    scene.buy(5, at=98, order_id=9, post_only=True)

    assert scene.amend(9, to=5, at=price, extra=99)[0] == told


@pytest.mark.parametrize("phase", [Phase.POST_ONLY, Phase.CANCEL_ONLY, Phase.HALTED, Phase.CLOSED])
def test_order_is_not_amended_in_a_phase_that_would_not_take_it(phase):
    scene = Scene(BOOK)
    scene.set_phase(phase)

    assert scene.amend(1, to=5, at=102) == ["refuse market_halted"]


@pytest.mark.parametrize("phase", [Phase.POST_ONLY, Phase.AUCTION])
def test_post_only_order_is_amended_where_it_would_be_taken(phase):
    scene = Scene(BOOK)
    scene.buy(5, at=98, order_id=9, post_only=True)
    scene.set_phase(phase)

    assert scene.amend(9, to=5, at=97)[0] == ("amend to 5@97" if phase is Phase.POST_ONLY else "refuse market_halted")


def test_order_amended_in_a_call_may_cross_the_book():
    scene = Scene(BOOK)
    scene.call()

    assert scene.amend(4, to=5, at=103, extra=99) == ["amend to 5@103", "rest 5@103"]
    assert scene.ladder()[2:] == ["bid 103 | 4:5", "bid 99 | 5:5"]


def test_amendment_may_interrupt():
    scene = Scene("bid 99 | 4:5", reference_price=100, volatility_band=10_000_000)
    scene.sell(5, at=111)

    assert scene.amend(4, to=5, at=111, extra=99) == [
        "amend to 5@111",
        "interrupt at 111",
        "phase Auction",
        "rest 5@111",
    ]


def test_amendment_may_trigger_stops():
    scene = Scene(BOOK)
    scene.buy(1, order_id=9, **stop(OrderType.STOP_MARKET, 101))

    assert scene.amend(4, to=5, at=101, extra=10)[-1] == "trigger 9 at 101"


def test_stop_limit_enters_with_its_amended_terms():
    scene = Scene()
    scene.buy(5, at=101, order_id=1, **stop(OrderType.STOP_LIMIT, 105))
    scene.amend(1, to=6, at=103, extra=200)
    scene.trade_at(105)

    assert scene.enter_triggered() == ["enter 1", "rest 6@103"]


def test_amended_order_keeps_its_time():
    scene = Scene()
    scene.buy(5, at=101, order_id=1, time_in_force=TimeInForce.GTD, expires_at=5)
    scene.amend(1, to=5, at=100)

    assert scene.expire(5) == ["end 1 Expired expired_time, 5 dropped"]


def test_nothing_that_has_gone_or_that_has_a_budget_is_amended():
    scene = Scene()
    scene.call()
    scene.buy(None, budget=900, order_id=1, **market())

    assert scene.amend(1, to=5, at=101) == []
    assert scene.reduce(1, to=5) == []
    assert scene.amend(12345, to=5, at=101) == []
