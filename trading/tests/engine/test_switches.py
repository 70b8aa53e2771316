"""Test what ends many orders at once: a mass cancel, a market maker's protection, and time."""

import pytest

from orders.terms import OrderType, Phase, Reason, TimeInForce
from trading.engine.commands import CancelAll, Protect
from trading.tests.engine.scene import Scene, market, stop

FLAGGED = {"market_maker_protection": True}


@pytest.fixture
def scene() -> Scene:
    """Set up orders in every home, of two accounts of one owner and one of another."""
    scene = Scene()
    scene.set_phase(Phase.AUCTION)
    scene.buy(5, at=99, order_id=9, owner=1, account=11)
    scene.buy(4, order_id=8, owner=1, account=12, **stop(OrderType.STOP_MARKET, 105))
    scene.sell(3, order_id=7, owner=1, account=11, **market())
    scene.sell(2, at=101, order_id=6, owner=2, account=21, display=1)
    scene.buy(None, budget=900, order_id=5, owner=2, account=21, **market())
    return scene


def ended(*lots: tuple[int, int], reason: Reason = Reason.MASS_CANCEL) -> list[str]:
    return [f"end {order_id} Canceled {reason}, {dropped} dropped" for order_id, dropped in lots]


def test_all_orders_end_in_order_of_priority_wherever_they_are(scene):
    assert scene.do(CancelAll()) == ended((9, 5), (8, 4), (7, 3), (6, 2), (5, 0))
    assert (scene.ladder(), scene.parked(), scene.awaiting()) == ([], [], [])


def test_orders_of_one_account_end(scene):
    assert scene.do(CancelAll(account=11)) == ended((9, 5), (7, 3))


def test_orders_of_one_owner_end_with_the_reason_that_was_given(scene):
    told = scene.do(CancelAll(Reason.KILL_SWITCH, owner=1))

    assert told == ended((9, 5), (8, 4), (7, 3), reason=Reason.KILL_SWITCH)


def test_account_of_another_owner_has_no_orders_to_end(scene):
    assert scene.do(CancelAll(account=11, owner=2)) == []


@pytest.mark.parametrize("phase", Phase)
def test_mass_cancel_is_let_in_by_every_phase(phase):
    scene = Scene("ask 101 | 1:5")
    scene.set_phase(phase)

    assert scene.do(CancelAll()) == ended((1, 5))


def test_protection_ends_the_accounts_flagged_orders_and_takes_no_more_until_it_ends():
    scene = Scene()
    scene.buy(5, at=99, order_id=1, account=11, **FLAGGED)
    scene.buy(5, at=98, order_id=2, account=11)
    scene.buy(5, at=97, order_id=3, account=12, **FLAGGED)
    scene.buy(5, at=96, order_id=4, account=11, **stop(OrderType.STOP_LIMIT, 120), **FLAGGED)

    assert scene.do(Protect(11, on=True)) == [
        *ended((1, 5), (4, 5), reason=Reason.MARKET_MAKER_PROTECTION),
        "protect 11 on",
    ]
    assert scene.buy(5, at=99, account=11, **FLAGGED) == ["end Canceled market_maker_protection, 5 dropped"]
    assert scene.buy(5, at=99, account=11) == ["rest 5@99"]
    assert scene.buy(5, at=99, account=12, **FLAGGED) == ["rest 5@99"]
    assert scene.do(Protect(11, on=False)) == ["protect 11 off"]
    assert scene.buy(5, at=99, account=11, **FLAGGED) == ["rest 5@99"]


def test_phase_is_judged_before_the_protection():
    scene = Scene()
    scene.do(Protect(11, on=True))
    scene.set_phase(Phase.HALTED)

    assert scene.buy(5, at=99, account=11, **FLAGGED) == ["end Rejected market_halted, 5 dropped"]


def test_orders_whose_time_is_up_end_by_that_time_then_by_priority():
    scene = Scene()
    for order_id, expires_at in ((1, 5), (2, 4), (3, 6), (4, 5)):
        scene.buy(order_id, at=99, order_id=order_id, time_in_force=TimeInForce.GTD, expires_at=expires_at)
    scene.buy(9, at=99, order_id=9)

    assert scene.expire(3) == []
    assert scene.expire(5) == [f"end {order_id} Expired expired_time, {order_id} dropped" for order_id in (2, 1, 4)]
    assert scene.ladder() == ["bid 99 | 3:3 9:9"]


def test_orders_of_the_day_end_with_it():
    scene = Scene()
    scene.buy(5, at=99, time_in_force=TimeInForce.DAY, expires_at=5)

    assert scene.expire(5) == ["end 100 Expired session_close, 5 dropped"]


def test_stops_expire_and_so_do_limit_orders_that_they_have_become():
    scene = Scene()
    for order_id, stop_price in ((1, 105), (2, 110)):
        fields = {"time_in_force": TimeInForce.GTD, "expires_at": 5}
        scene.buy(5, at=90, order_id=order_id, **stop(OrderType.STOP_LIMIT, stop_price, **fields))
    scene.trade_at(105)
    scene.enter_triggered()

    assert scene.expire(5) == [f"end {order_id} Expired expired_time, 5 dropped" for order_id in (2, 1)]


def test_filled_order_does_not_expire():
    scene = Scene()
    scene.buy(5, at=99, time_in_force=TimeInForce.GTD, expires_at=5)
    scene.sell(5, at=99)

    assert scene.expire(5) == []


@pytest.mark.parametrize("phase", Phase)
def test_orders_expire_in_every_phase(phase):
    scene = Scene()
    scene.buy(5, at=99, time_in_force=TimeInForce.GTD, expires_at=5)
    scene.set_phase(phase)

    assert scene.expire(5) == ["end 100 Expired expired_time, 5 dropped"]


def test_close_ends_the_orders_of_the_day_before_the_phase_changes():
    scene = Scene()
    scene.buy(5, at=99, order_id=2, time_in_force=TimeInForce.DAY)
    scene.buy(4, at=99, order_id=3)
    scene.buy(3, at=99, order_id=1, **stop(OrderType.STOP_LIMIT, 105, time_in_force=TimeInForce.DAY))

    assert scene.set_phase(Phase.CLOSED) == [
        "end 2 Expired session_close, 5 dropped",
        "end 1 Expired session_close, 3 dropped",
        "phase Closed",
    ]
    assert scene.ladder() == ["bid 99 | 3:4"]
