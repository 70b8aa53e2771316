"""Change phases from the command line, with and without matching."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.times import render_time
from orders.models import Command, Market, MarketState
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


@pytest.mark.usefixtures("_matching")
def test_a_market_goes_on_through_a_call_and_it_says_until_when(
    market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("set_phase", "BTC/USD", "Halted")
    call_command("set_phase", "BTC/USD", "Continuous")
    ends_at = MarketState.objects.get().call_ends_at
    assert timedelta(seconds=110) < ends_at - datetime.now(UTC) < timedelta(seconds=151)
    said = f"BTC/USD is in Auction since sequence 2, until {render_time(ends_at)}; then it is Continuous.\n"
    assert capsys.readouterr().out.endswith(said)
    call_command("set_phase", "BTC/USD", "Continuous")
    assert capsys.readouterr().out == "BTC/USD is Continuous since sequence 4.\n"


@pytest.mark.usefixtures("_matching")
def test_all_markets_change_together(market: Market, capsys: pytest.CaptureFixture[str]) -> None:
    make_market("ETH/USD")
    call_command("set_phase", "ALL", "PostOnly")
    assert capsys.readouterr().out == "BTC/USD is PostOnly since sequence 1.\nETH/USD is PostOnly since sequence 1.\n"
    assert set(MarketState.objects.values_list("phase", flat=True)) == {"PostOnly"}


def test_what_is_pending_of_all_is_named(market: Market) -> None:
    make_market("ETH/USD", shard=1)
    message = r"BTC/USD, ETH/USD have not become Halted within 0\.1 s: command \d+, \d+ are in .* for shard 0, 1\."
    with pytest.raises(CommandError, match=message):
        call_command("set_phase", "all", "Halted", "--timeout", "0.1")


def test_without_matching_it_is_queued_and_fails(market: Market) -> None:
    with pytest.raises(CommandError, match=r"within 0\.1 s: command \d+ is in the journal"):
        call_command("set_phase", "BTC/USD", "Halted", "--timeout", "0.1")
    assert Command.objects.get().sequence is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["BTC/EUR", "Halted"], "There is no market BTC/EUR."),
        (["BTC/USD", "Lunch"], "phase must be one of PreOpen"),
        (["BTC/USD", "Halted", "--direct", "--reason", "x"], "--direct goes with Continuous"),
        (["BTC/USD", "Continuous", "--direct"], "--direct goes with Continuous and a --reason"),
    ],
)
def test_it_refuses(market: Market, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("set_phase", *arguments)
    assert not Command.objects.exists()
