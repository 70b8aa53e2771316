"""Test that every reason for which an order can end is given by somebody, and by whom."""

import re

import pytest

from orders.terms import STATUS_OF_REASON, OrderType, Phase, Reason, TimeInForce
from trading.engine.commands import Cancel, CancelAll, Protect
from trading.tests.engine.scene import Scene, market, stop

OWN = 7


def _halted(scene: Scene) -> list[str]:
    scene.set_phase(Phase.HALTED)
    return scene.buy(1, at=101)


def _protected(scene: Scene) -> list[str]:
    scene.do(Protect(3, on=True))
    return scene.buy(1, at=101, account=3, market_maker_protection=True)


def _expired(scene: Scene, time_in_force: TimeInForce) -> list[str]:
    scene.buy(1, at=99, order_id=2, time_in_force=time_in_force, expires_at=1)
    return scene.expire(1)


def _wrong_side(scene: Scene) -> list[str]:
    scene.buy(1, at=101)
    return scene.buy(1, **stop(OrderType.STOP_MARKET, 101))


def _left_by_an_auction(scene: Scene) -> list[str]:
    scene.call()
    scene.sell(1, order_id=2, **market())
    return scene.uncross()[:1]


GIVEN_BY_THE_ENGINE = {
    Reason.USER_REQUEST: lambda scene: scene.cancel(1),
    Reason.MASS_CANCEL: lambda scene: scene.do(CancelAll()),
    Reason.DEAD_MAN: lambda scene: scene.do(CancelAll(Reason.DEAD_MAN)),
    Reason.DISCONNECT: lambda scene: scene.do(Cancel(1, Reason.DISCONNECT)),
    Reason.KILL_SWITCH: lambda scene: scene.do(CancelAll(Reason.KILL_SWITCH)),
    Reason.MARKET_MAKER_PROTECTION: _protected,
    Reason.AMENDED_BELOW_FILLED: lambda scene: (scene.buy(2, at=101), scene.reduce(1, to=1))[1],
    Reason.IOC_REMAINDER: lambda scene: scene.buy(9, at=101, time_in_force=TimeInForce.IOC),
    Reason.FOK_UNFILLABLE: lambda scene: scene.buy(9, at=101, time_in_force=TimeInForce.FOK),
    Reason.NO_LIQUIDITY: lambda scene: scene.sell(1, **market()),
    Reason.PROTECTION_PRICE: lambda scene: scene.buy(1, at=100, **market()),
    Reason.SELF_TRADE: lambda scene: scene.buy(1, at=101, owner=OWN),
    Reason.EXPIRED_TIME: lambda scene: _expired(scene, TimeInForce.GTD),
    Reason.SESSION_CLOSE: lambda scene: _expired(scene, TimeInForce.DAY),
    Reason.AUCTION_END: _left_by_an_auction,
    Reason.STOP_WOULD_TRIGGER: _wrong_side,
    Reason.POST_ONLY_WOULD_TAKE: lambda scene: scene.buy(1, at=101, post_only=True),
    Reason.MARKET_HALTED: _halted,
}
REFUSED_BY_THE_ENGINE = {Reason.INSUFFICIENT_FUNDS}
GIVEN_BY_MATCHING = {Reason.INTERNAL_ERROR}


@pytest.mark.parametrize("reason", GIVEN_BY_THE_ENGINE)
def test_engine_gives_the_reason(reason):
    scene = Scene("ask 101 | 1:5", owners={1: OWN})

    told = GIVEN_BY_THE_ENGINE[reason](scene)

    assert re.match(rf"end (\d+ )?{STATUS_OF_REASON[reason]} {reason},", told[-1])


def test_every_reason_is_given_by_somebody():
    assert set(Reason) == set(GIVEN_BY_THE_ENGINE) | REFUSED_BY_THE_ENGINE | GIVEN_BY_MATCHING


def test_every_reason_has_a_status():
    assert set(STATUS_OF_REASON) == set(Reason)
