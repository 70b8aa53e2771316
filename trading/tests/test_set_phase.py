"""Change phases from the command line, with and without matching."""

from collections.abc import Iterator
from threading import Event, Thread

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from orders.models import Command, Market
from orders.tests.builders import make_market
from trading.matching import Shard

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def market() -> Market:
    return make_market("BTC/USD")


@pytest.fixture
def _matching() -> Iterator[None]:
    stop = Event()

    def run() -> None:
        Shard(0).run(seconds=30, should_stop=stop.is_set)
        connection.close()

    thread = Thread(target=run)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.mark.usefixtures("_matching")
def test_it_returns_once_matching_has_taken_it(market: Market, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("set_phase", "btc-usd", "halted", "--reason", "bank holiday")
    market.state.refresh_from_db()
    assert market.state.phase == "Halted"
    assert Command.objects.get().payload == {"phase": "Halted", "reason": "bank holiday", "by": "set_phase"}
    call_command("set_phase", "BTC/USD", "Continuous", "--direct", "--reason", "it is over")
    assert capsys.readouterr().out == "BTC/USD is Halted since sequence 1.\nBTC/USD is Continuous since sequence 2.\n"


def test_without_matching_it_is_queued_and_fails(market: Market) -> None:
    with pytest.raises(CommandError, match=r"within 0\.1 s: command \d+ is in the journal"):
        call_command("set_phase", "BTC/USD", "Halted", "--timeout", "0.1")
    assert Command.objects.get().sequence is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["BTC/EUR", "Halted"], "There is no market BTC/EUR."),
        (["BTC/USD", "Lunch"], "phase must be one of Continuous"),
        (["BTC/USD", "Halted", "--direct", "--reason", "x"], "--direct goes with Continuous"),
        (["BTC/USD", "Continuous", "--direct"], "--direct goes with Continuous and a --reason"),
    ],
)
def test_it_refuses(market: Market, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("set_phase", *arguments)
    assert not Command.objects.exists()
