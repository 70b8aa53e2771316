"""When the demo's traders act, and what they do about refusals and absence."""

import socket

import pytest

from trading.simulation.running import AWAY_SECONDS_MAX, REFUSED_SECONDS_MAX, Login, Simulation, _Act
from trading.simulation.trader import Away, Refused


class Troubles:
    """Something to do that fails as it is told to."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)

    def __call__(self) -> None:
        error = self.errors.pop(0)
        if error is not None:
            raise error


@pytest.mark.parametrize(
    ("error", "most"),
    [(Refused("market_halted", "halted"), REFUSED_SECONDS_MAX), (Away("no answer"), AWAY_SECONDS_MAX)],
)
def test_failures_are_waited_out_longer_each_time_up_to_a_bound(error, most, caplog):
    act = _Act("the maker", Troubles(None, *[error] * 8, None, error), lambda: 1.5)
    caplog.set_level("INFO")
    waits = [act.run() for _ in range(11)]
    assert waits == [1.5, 1.5, *(min(2.0**n, most) for n in range(1, 8)), 1.5, 1.5]
    assert caplog.messages == [f"the maker: {error}", "the maker goes on", f"the maker: {error}"]


def test_who_is_told_when_to_come_again_does_not_come_before():
    assert _Act("the taker", Troubles(Refused("rate_limited", "slower", 9.0)), lambda: 1.0).run() == 9.0


def test_a_venue_that_is_not_there_yet_is_waited_for_until_the_end_is_asked_for():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/api/v1"
        waits = []

        def stop(seconds: float) -> bool:
            waits.append(seconds)
            return len(waits) == 3

        login = Login("maker@example.com", "")
        Simulation(url, login, login, symbols=(), seed=1, pace=1.0).run(stop)
    assert waits == [0.5] * 3
