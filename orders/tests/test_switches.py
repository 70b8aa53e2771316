"""Kill switches leave no order, also of those that were on their way, and say how many there were."""

import time
from collections.abc import Iterator
from contextlib import closing
from threading import Event

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from accounts.errors import DomainError
from accounts.models import Account, Balance
from accounts.tests.builders import make_trader, make_user
from accounts.tests.rivals import PATIENCE, Rival, another_connection, running
from orders.changes import ask_phase
from orders.models import OPEN, Command, Market, MarketState, Order
from orders.switches import Killed, kill_market, kill_user, kill_venue, lift_user
from orders.terms import Phase
from orders.tests.builders import make_market, place_order
from trading.matching import Shard
from trading.tests.builders import match

pytestmark = pytest.mark.django_db(transaction=True)

WHY = {"by": "ops@example.com", "reason": "drill"}


@pytest.fixture
def markets() -> list[Market]:
    return [make_market("BTC/USD"), make_market("ETH/USD")]


@pytest.fixture
def _matching(markets: list[Market]) -> Iterator[None]:
    def run(stop: Event) -> None:
        Shard(0).run(seconds=2 * PATIENCE, should_stop=stop.is_set)

    with running(run):
        yield


@pytest.fixture
def accounts(markets: list[Market]) -> tuple[Account, Account, Account]:
    """Two accounts of one user, and another's; each with an order in both markets."""
    user = make_user(email="alice@example.com")
    made = tuple(
        make_trader(user=owner, funds={"USD": "1000"}) for owner in (user, user, make_user(email="bob@example.com"))
    )
    for account in made:
        for market in markets:
            place_order(account, symbol=market.symbol)
    return made


def ends(*accounts: Account) -> set[tuple[str, str | None]]:
    return set(Order.objects.filter(account__in=accounts).values_list("status", "reason"))


def held(*accounts: Account) -> set[int]:
    return set(Balance.objects.filter(account__in=accounts).values_list("held", flat=True))


def soon(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.usefixtures("_matching")
class TestWhileMatchingRuns:
    def test_all_of_a_users_orders_end_and_none_is_taken(self, accounts):
        first, second, other = accounts

        killed = kill_user(first.user, **WHY)

        assert killed.canceled == 4
        assert 0 < killed.seconds < PATIENCE
        assert ends(first, second) == {("Canceled", "kill_switch")}
        assert held(first, second) == {0}
        assert not Order.objects.filter(OPEN, account=first).exists()
        assert Order.objects.filter(OPEN, account=other).count() == 2
        for account in (first, second):
            with pytest.raises(DomainError) as refused:
                place_order(account)
            assert refused.value.code == "account_frozen"
        place_order(other)

    def test_a_user_who_is_lifted_trades_again(self, accounts):
        first, second, _ = accounts
        kill_user(first.user, **WHY)
        lift_user(first.user, by="ops@example.com")
        place_order(first)
        place_order(second)

    def test_to_throw_it_again_does_no_harm(self, accounts):
        kill_user(accounts[0].user, **WHY)
        assert kill_user(accounts[0].user, **WHY).canceled == 0

    def test_an_order_that_was_in_flight_when_entry_was_blocked_ends_too(self, accounts):
        first, second, _ = accounts
        other = make_trader(user=first.user, funds={"USD": "1000"})
        with transaction.atomic():
            late = place_order(other)
            switch = Rival(lambda: kill_user(first.user, **WHY))
            soon(lambda: Account.objects.get(id=other.id).status == "frozen")
            soon(lambda: ends(first, second) == {("Canceled", "kill_switch")})
        killed = switch.result()

        assert killed.canceled == 5
        late.refresh_from_db()
        assert (late.status, late.reason) == ("Canceled", "kill_switch")

    def test_one_that_only_reads_is_not_waited_for(self, accounts):
        with closing(another_connection()) as backup:
            backup.set_session(isolation_level="REPEATABLE READ", readonly=True)
            backup.cursor().execute("SELECT count(*) FROM orders")
            killed = kill_user(accounts[0].user, **WHY)
        assert killed.canceled == 4
        assert 1 <= killed.seconds < 5

    def test_one_that_does_not_end_is_said(self, accounts):
        first, second, _ = accounts
        other = make_trader(user=first.user, funds={"USD": "1000"})
        with transaction.atomic():
            place_order(other)
            switch = Rival(lambda: kill_user(first.user, timeout=1.5, **WHY))
            with pytest.raises(DomainError, match=r"alice@example.com is frozen, .*Throw the switch again") as stuck:
                switch.result()
        assert stuck.value.code == "unavailable"
        assert ends(first, second) == {("Canceled", "kill_switch")}
        assert kill_user(first.user, **WHY).canceled == 1

    def test_a_market_only_cancels_and_has_no_order(self, accounts, markets):
        btc, eth = markets

        killed = kill_market(btc, **WHY)

        assert killed.canceled == 3
        assert set(Order.objects.filter(market=btc).values_list("status", "reason")) == {("Canceled", "kill_switch")}
        assert Order.objects.filter(OPEN, market=eth).count() == 3
        phases = MarketState.objects.order_by("market_id").values_list("phase", flat=True)
        assert list(phases) == ["CancelOnly", "Continuous"]
        with pytest.raises(DomainError) as refused:
            place_order(accounts[0])
        assert refused.value.code == "market_halted"
        phase, cancel_all = Command.objects.filter(market=btc, kind__in=["phase", "cancel_all"]).order_by("sequence")
        assert phase.payload == {"phase": "CancelOnly", "reason": "drill", "by": "ops@example.com"}
        assert cancel_all.payload == {"reason": "kill_switch", "by": "ops@example.com"}

    def test_an_order_in_flight_to_a_market_is_gone_too(self, accounts, markets):
        other = make_trader(funds={"USD": "1000"})
        with transaction.atomic():
            late = place_order(other)
            switch = Rival(lambda: kill_market(markets[0], **WHY))
            soon(lambda: MarketState.objects.get(market=markets[0]).phase == "CancelOnly")
        assert switch.result().canceled == 3
        late.refresh_from_db()
        assert (late.status, late.reason) == ("Rejected", "market_halted")

    def test_the_whole_venue(self, accounts):
        assert kill_venue(**WHY).canceled == 6
        assert ends(*accounts) == {("Canceled", "kill_switch")}
        assert set(MarketState.objects.values_list("phase", flat=True)) == {"CancelOnly"}

    @pytest.mark.parametrize(
        ("scope", "said"),
        [
            (["--user", "Alice@example.com"], "alice@example.com is frozen; 4 orders canceled in "),
            (["--market", "btc-usd"], "BTC/USD is CancelOnly; 3 orders canceled in "),
            (["--venue"], "All markets are CancelOnly; 6 orders canceled in "),
        ],
    )
    def test_from_the_command_line(self, accounts, scope, said, capsys):
        call_command("kill_switch", *scope, "--reason", "drill")
        assert capsys.readouterr().out.startswith(said)


def test_orders_that_were_not_yet_taken_end_as_well(accounts):
    """Of those that wait in the journal some trade before the end, as they would have without it; none is left."""
    first, _, other = accounts
    switch = Rival(lambda: kill_user(first.user, **WHY))
    soon(lambda: Command.objects.filter(kind="cancel_all").count() == 2)
    match()
    assert switch.result().canceled == 4
    assert Order.objects.filter(OPEN, account=other).count() == 2


@pytest.mark.parametrize(
    ("throw", "said"),
    [
        (lambda account, market: kill_user(account.user, timeout=0.1, **WHY), "alice@example.com is frozen, "),
        (lambda account, market: kill_market(market, timeout=0.1, **WHY), "BTC/USD is to be CancelOnly, "),
        (lambda account, market: kill_venue(timeout=0.1, **WHY), "BTC/USD, ETH/USD is to be CancelOnly, "),
    ],
)
def test_without_matching_it_says_how_far_it_has_come(accounts, markets, throw, said):
    match()
    with pytest.raises(DomainError, match="matching has not taken") as stuck:
        throw(accounts[0], markets[0])
    assert stuck.value.code == "unavailable"
    assert stuck.value.detail.startswith(said)
    assert match() > 0
    assert ends(accounts[0]) == {("Canceled", "kill_switch")} or Order.objects.filter(OPEN).exists()


def test_a_user_without_orders_is_frozen_at_once(markets):
    account = make_trader()
    assert isinstance(kill_user(account.user, **WHY), Killed)
    account.refresh_from_db()
    assert (account.status, Command.objects.count()) == ("frozen", 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--user", "nobody@example.com", "--reason", "x"], "There is no user nobody@example.com."),
        (["--market", "BTC/EUR", "--reason", "x"], "There is no market BTC/EUR."),
        (["--venue"], "required: --reason"),
        (["--reason", "x"], "one of the arguments --user --market --venue is required"),
        (["--venue", "--market", "BTC/USD", "--reason", "x"], "not allowed with argument"),
        (["--venue", "--reason", "x", "--timeout", "0.1"], "matching has not taken"),
    ],
)
def test_the_command_refuses_in_one_line(markets, arguments, message):
    with pytest.raises(CommandError, match=message) as refused:
        call_command("kill_switch", *arguments)
    assert "\n" not in str(refused.value)


def test_a_killed_market_goes_on_when_its_phase_says_so(accounts, markets):
    switch = Rival(lambda: kill_market(markets[0], **WHY))
    soon(lambda: Command.objects.filter(kind="cancel_all").exists())
    match()
    switch.result()
    ask_phase(markets[0], Phase.CONTINUOUS, reason="drill is over", by="ops@example.com", direct=True)
    match()
    place_order(accounts[0])
