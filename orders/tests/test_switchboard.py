"""Change phases and throw kill switches in the back office."""

from collections.abc import Iterator
from functools import partial
from threading import Event
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from accounts.tests.builders import make_trader, make_user
from accounts.tests.rivals import PATIENCE, running
from orders import switchboard
from orders.models import OPEN, Command, Market, MarketState, Order
from orders.switchboard import USERS_AT_ONCE_MAX
from orders.switches import kill_markets
from orders.tests.builders import make_market, place_order
from trading.matching import Shard

pytestmark = pytest.mark.django_db

BY = "operator@example.com"


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser(BY, None))
    return client


@pytest.fixture
def markets() -> list[Market]:
    return [make_market("BTC/USD"), make_market("ETH/USD")]


@pytest.fixture
def _matching(transactional_db: None, markets: list[Market]) -> Iterator[None]:
    def run(stop: Event) -> None:
        Shard(0).run(seconds=2 * PATIENCE, should_stop=stop.is_set)

    with running(run):
        yield


def staff(client: Client, *permissions: str) -> Client:
    user = make_user()
    User.objects.filter(id=user.id).update(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(User.objects.get(id=user.id))
    return client


def act(client: Client, action: str, rows: list[Any], **form: str) -> Any:
    meta = rows[0]._meta
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    return client.post(url, {"action": action, "_selected_action": [row.pk for row in rows], **form}, follow=True)


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("halt", {"phase": "Halted"}),
        ("cancel_only", {"phase": "CancelOnly"}),
        ("pre_open", {"phase": "PreOpen"}),
        ("resume", {"phase": "Continuous", "through_call": True}),
    ],
)
def test_phases_change_by_journaled_commands(operator, markets, action, payload):
    response = act(operator, action, markets)

    said_first = f"Asked for phase {payload['phase']}: BTC/USD, ETH/USD."
    assert said(response) == [f"{said_first} It takes effect once matching has taken it."]
    expected = payload | {"reason": "back office", "by": BY}
    commands = list(Command.objects.order_by("id"))
    assert [(command.market_id, command.kind, command.payload) for command in commands] == [
        (market.id, "phase", expected) for market in markets
    ]
    assert set(MarketState.objects.values_list("phase", flat=True)) == {"Continuous"}
    assert set(LogEntry.objects.values_list("object_id", flat=True)) == {str(market.id) for market in markets}
    assert LogEntry.objects.count() == len(markets)


@pytest.mark.parametrize(
    ("action", "phase", "effect"),
    [("post_only", "PostOnly", "A call ends at once"), ("close", "Closed", "every DAY order")],
)
def test_what_ends_orders_is_asked_about_first(operator, markets, action, phase, effect):
    assert effect in act(operator, action, markets).content.decode()
    assert not Command.objects.exists()

    act(operator, action, markets, confirmed="yes", reason="the day is over")

    expected = {"phase": phase, "reason": "the day is over", "by": BY}
    assert [command.payload for command in Command.objects.all()] == [expected] * 2
    assert LogEntry.objects.first().change_message.startswith(f"Asked for phase {phase} (the day is over)")


def test_an_auction_is_started_with_an_end(operator, markets):
    act(operator, "start_auction", markets[:1])
    payload = Command.objects.get().payload
    assert payload["phase"] == "Auction"
    assert payload["ends_at"] > 0


def test_a_market_resumes_directly_only_with_a_reason(operator, markets):
    page = act(operator, "resume_directly", markets)
    assert "without an auction" in page.content.decode()
    assert "BTC/USD" in page.content.decode()
    refused = act(operator, "resume_directly", markets, confirmed="yes", reason="")
    assert "This field is required" in refused.content.decode()
    assert not Command.objects.exists()

    act(operator, "resume_directly", markets, confirmed="yes", reason="the auction has no sense")

    expected = {"phase": "Continuous", "reason": "the auction has no sense", "by": BY}
    assert [command.payload for command in Command.objects.all()] == [expected] * 2
    assert "directly (the auction has no sense)" in LogEntry.objects.first().change_message


@pytest.mark.usefixtures("_matching")
class TestKillSwitches:
    def test_a_market_is_killed_after_a_page_that_says_what_will_happen(self, operator, markets):
        account = make_trader(funds={"USD": "1000"})
        for symbol in ("BTC/USD", "BTC/USD", "ETH/USD"):
            place_order(account, symbol=symbol)

        page = act(operator, "kill", markets[:1]).content.decode()
        assert "These markets become CancelOnly, and every order in them is canceled (2 are open now)." in page
        assert "BTC/USD" in page
        assert "ETH/USD" not in page.split("<form")[-1]
        assert not Command.objects.filter(kind="cancel_all").exists()

        response = act(operator, "kill", markets[:1], confirmed="yes", reason="drill")

        (message,) = said(response)
        assert message.startswith("BTC/USD: 2 orders canceled in ")
        assert Order.objects.filter(OPEN).count() == 1
        entry = LogEntry.objects.get()
        assert (entry.object_id, entry.user.email) == (str(markets[0].id), BY)
        assert "Threw the kill switch (drill): 2 orders canceled" in entry.change_message

    def test_all_markets_are_the_venue(self, operator, markets):
        account = make_trader(funds={"USD": "1000"})
        for symbol in ("BTC/USD", "ETH/USD"):
            place_order(account, symbol=symbol)
        page = act(operator, "kill", markets[:1], select_across="1", index="0").content.decode()
        assert "All markets become CancelOnly" in page

        (message,) = said(act(operator, "kill", markets, confirmed="yes", reason="drill"))

        assert message.startswith("BTC/USD, ETH/USD: 2 orders canceled in ")
        assert set(MarketState.objects.values_list("phase", flat=True)) == {"CancelOnly"}
        assert LogEntry.objects.count() == 2

    def test_users_are_killed_and_lifted(self, operator, markets):
        accounts = [
            make_trader(email=f"{name}@example.com", funds={"USD": "1000"}) for name in ("alice", "bob", "carol")
        ]
        for account in accounts:
            place_order(account)
        users = [account.user for account in accounts[:2]]

        page = act(operator, "kill", users).content.decode()
        assert "accounts are frozen, and all their orders are canceled (2 are open now)" in page
        assert not Command.objects.filter(kind="cancel_all").exists()
        messages = said(act(operator, "kill", users, confirmed="yes", reason="drill"))

        assert [message.split(" in ")[0] for message in messages] == [
            "alice@example.com: 1 orders canceled",
            "bob@example.com: 1 orders canceled",
        ]
        statuses = Account.objects.filter(kind="trader").order_by("id").values_list("status", flat=True)
        assert list(statuses) == ["frozen", "frozen", "active"]
        assert Order.objects.get(OPEN).account_id == accounts[2].id

        response = act(operator, "lift", users)
        assert said(response) == ["May trade again: alice@example.com, bob@example.com."]
        assert set(Account.objects.filter(kind="trader").values_list("status", flat=True)) == {"active"}
        assert LogEntry.objects.count() == 4


def test_who_may_not_change_markets_gets_no_switch(client, markets):
    act(staff(client, "view_market"), "kill", markets, confirmed="yes", reason="drill")
    act(client, "halt", markets)
    assert not Command.objects.exists()


@pytest.mark.parametrize("permission", ["change_user", "change_account"])
def test_who_may_not_change_users_and_accounts_gets_no_switch(client, permission):
    account = make_trader()
    act(staff(client, "view_user", permission), "kill", [account.user], confirmed="yes", reason="drill")
    account.refresh_from_db()
    assert account.status == "active"


def test_only_a_superuser_touches_a_superuser(client):
    chief = User.objects.create_superuser("chief@example.com", None)
    account = make_trader(user=chief)
    staff(client, "view_user", "change_user", "change_account")
    response = act(client, "kill", [chief], confirmed="yes", reason="drill")
    assert said(response) == ["Only a superuser may touch chief@example.com."]
    account.refresh_from_db()
    assert account.status == "active"


def test_users_are_killed_a_few_at_a_time(operator):
    users = [make_user() for _ in range(USERS_AT_ONCE_MAX + 1)]
    response = act(operator, "kill", users, confirmed="yes", reason="drill")
    assert said(response) == [f"At most {USERS_AT_ONCE_MAX} users at once."]


def test_what_matching_does_not_take_is_said_and_logged(operator, transactional_db, markets, monkeypatch):
    monkeypatch.setattr(switchboard, "kill_markets", partial(kill_markets, timeout=0.5))
    (message,) = said(act(operator, "kill", markets[:1], confirmed="yes", reason="drill"))
    assert message.startswith(
        "BTC/USD: BTC/USD is to be CancelOnly, and the commands that end the orders are in the journal"
    )
    assert "They take effect once it runs" in LogEntry.objects.get().change_message
    assert Command.objects.filter(sequence=None).count() == 2
