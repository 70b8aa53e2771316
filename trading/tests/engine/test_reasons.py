"""Test that every reason for which an order can end is given by somebody, and by whom."""

import pytest

from orders.terms import STATUS_OF_REASON, Phase, Reason, TimeInForce
from trading.engine.commands import Cancel
from trading.tests.engine.scene import Scene, market

OWN = 7


def _halted(scene: Scene) -> list[str]:
    scene.set_phase(Phase.HALTED)
    return scene.buy(1, at=101)


GIVEN_BY_THE_ENGINE = {
    Reason.USER_REQUEST: lambda scene: scene.cancel(1),
    Reason.MASS_CANCEL: lambda scene: scene.do(Cancel(1, Reason.MASS_CANCEL)),
    Reason.AMENDED_BELOW_FILLED: lambda scene: (scene.buy(2, at=101), scene.reduce(1, to=1))[1],
    Reason.IOC_REMAINDER: lambda scene: scene.buy(9, at=101, time_in_force=TimeInForce.IOC),
    Reason.FOK_UNFILLABLE: lambda scene: scene.buy(9, at=101, time_in_force=TimeInForce.FOK),
    Reason.NO_LIQUIDITY: lambda scene: scene.sell(1, **market()),
    Reason.PROTECTION_PRICE: lambda scene: scene.buy(1, at=100, **market()),
    Reason.SELF_TRADE: lambda scene: scene.buy(1, at=101, owner=OWN),
    Reason.POST_ONLY_WOULD_TAKE: lambda scene: scene.buy(1, at=101, post_only=True),
    Reason.MARKET_HALTED: _halted,
}
GIVEN_BY_MATCHING = {Reason.INTERNAL_ERROR}


@pytest.mark.parametrize("reason", GIVEN_BY_THE_ENGINE)
def test_engine_gives_the_reason(reason):
    scene = Scene("ask 101 | 1:5", owners={1: OWN})

    told = GIVEN_BY_THE_ENGINE[reason](scene)

    assert told[-1].startswith(f"end {STATUS_OF_REASON[reason]} {reason},")


def test_every_reason_is_given_by_somebody():
    assert set(Reason) == set(GIVEN_BY_THE_ENGINE) | GIVEN_BY_MATCHING


def test_every_reason_has_a_status():
    assert set(STATUS_OF_REASON) == set(Reason)
