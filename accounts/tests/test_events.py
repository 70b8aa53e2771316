"""Test what accounts are told: that it is numbered without a gap, told in the transaction that brings it about, and pruned in time."""

import json
from decimal import Decimal

import pytest
from django.db import connection, transaction

from accounts import events
from accounts.events import StoredEvent, append, first_kept, last_sequences, note, prune, read_after
from accounts.ledger import deposit, open_balances, outside_world, post_balances
from accounts.models import Account, AccountEvent, AccountKind, AccountStream, Channel
from accounts.tasks import prune_events
from accounts.tests.builders import make_asset, make_client, make_trader

pytestmark = pytest.mark.django_db


def told(account: Account) -> list[str]:
    """Tell all that an account was told, as in "2 orders [1]"."""
    stored = read_after({account.id: 0}, 1000)[account.id]
    return [f"{event.sequence} {event.channel} {event.payload}" for event in stored]


def tell(account: Account, *members: int) -> None:
    for member in members:
        append([note(account.id, Channel.ORDERS, [member])])


def make_older(hours: float, *, account: Account, until: int) -> None:
    """Let an account have been told its first events so many hours earlier."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE account_events SET created_at = created_at - make_interval(secs => %s)"
            " WHERE account_id = %s AND sequence <= %s",
            [hours * 3600, account.id, until],
        )
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_deposit_is_told_as_the_api_shows_balances():
    account, asset = make_trader(funds={"USD": "5"}), make_asset("BTC")

    deposit(account=account, asset=asset, amount=Decimal("1.5"))

    first, second = read_after({account.id: 0}, 10)[account.id]
    assert (first.sequence, first.channel, second.sequence, second.channel) == (1, "balances", 2, "balances")
    told_now = {balance["asset"]: balance for event in (first, second) for balance in json.loads(event.payload)}
    shown = make_client(account).get("/api/v1/balances").json()["results"]
    assert told_now == {balance["asset"]: balance for balance in shown}


def test_events_of_an_account_are_numbered_over_all_channels():
    account, other = make_trader(), make_trader()

    last = append(
        [
            note(account.id, Channel.ORDERS, [1]),
            note(other.id, Channel.ORDERS, [2]),
            note(account.id, Channel.ORDERS, [3]),
            note(account.id, Channel.FILLS, [4]),
        ]
    )
    again = append([note(account.id, Channel.FILLS, [5])])

    assert (last, again) == ({account.id: 3, other.id: 1}, {account.id: 4})
    assert told(account) == ["1 orders [1]", "2 orders [3]", "3 fills [4]", "4 fills [5]"]
    assert told(other) == ["1 orders [2]"]


def test_posting_tells_its_notes_before_the_balances_that_changed_and_those_that_were_asked_for():
    account, usd, btc = make_trader(funds={"USD": "1", "BTC": "2"}), make_asset("USD"), make_asset("BTC")

    last = post_balances({}, notes=[note(account.id, Channel.FILLS, ["fill"])], told=[(account.id, usd.id)])
    both = post_balances({}, told=[(account.id, btc.id), (account.id, usd.id), (account.id, usd.id)])

    assert (last, both) == ({account.id: 4}, {account.id: 5})
    *_, fills, one, two = read_after({account.id: 0}, 10)[account.id]
    assert (fills.channel, fills.payload) == ("fills", '["fill"]')
    assert [balance["asset"] for balance in json.loads(one.payload)] == ["USD"]
    assert [balance["asset"] for balance in json.loads(two.payload)] == ["BTC", "USD"]


def test_outside_world_and_fee_accounts_are_told_nothing():
    fees, asset = Account.objects.create(kind=AccountKind.FEES), make_asset()
    open_balances(fees.id, [asset.id])

    assert append([note(fees.id, Channel.ORDERS, [1])], [(fees.id, asset.id), (outside_world().id, asset.id)]) == {}

    assert (AccountStream.objects.count(), AccountEvent.objects.count()) == (0, 0)


def test_nothing_to_tell_costs_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert append([]) == {}
        assert read_after({}, 10) == {}


def test_payload_with_the_separators_of_copy_is_stored_as_given():
    account = make_trader()
    text = 'tab\there, line\nthere, back\\slash, \\N, quote " ünï'

    append([note(account.id, Channel.ORDERS, [text])])

    (event,) = read_after({account.id: 0}, 10)[account.id]
    assert json.loads(event.payload) == [text]


def test_what_is_rolled_back_was_never_told_and_leaves_no_gap():
    account = make_trader()
    tell(account, 1)

    with transaction.atomic():
        tell(account, 2)
        transaction.set_rollback(True)
    tell(account, 3)

    assert told(account) == ["1 orders [1]", "2 orders [3]"]


def test_reading_goes_on_after_each_accounts_cursor_in_one_statement(django_assert_num_queries):
    accounts = [make_trader() for _ in range(3)]
    for account in accounts:
        tell(account, 1, 2, 3)

    first, second, third = (account.id for account in accounts)
    with django_assert_num_queries(1):
        found = read_after({first: 1, second: 3, third: 0}, 2)

    assert found == {
        first: [StoredEvent(2, "orders", "[2]"), StoredEvent(3, "orders", "[3]")],
        second: [],
        third: [StoredEvent(1, "orders", "[1]"), StoredEvent(2, "orders", "[2]")],
    }


def test_last_and_first_kept_sequences_are_told_of_those_too_who_were_never_told_anything():
    account, silent = make_trader(), make_trader()
    tell(account, 1, 2)

    assert last_sequences([account.id, silent.id]) == {account.id: 2, silent.id: 0}
    assert first_kept([account.id, silent.id]) == {account.id: 1, silent.id: 1}


def test_what_was_told_two_hours_ago_is_pruned_and_the_counter_goes_on():
    account, other = make_trader(), make_trader()
    tell(account, 1, 2, 3)
    tell(other, 1)
    make_older(2.1, account=account, until=2)
    make_older(1.9, account=account, until=3)
    make_older(2.1, account=other, until=1)

    prune_events()

    assert (told(account), told(other)) == (["3 orders [3]"], [])
    assert first_kept([account.id, other.id]) == {account.id: 3, other.id: 2}
    assert append([note(other.id, Channel.ORDERS, [2])]) == {other.id: 2}


def test_pruning_goes_on_in_short_statements_until_all_is_done(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(events, "PRUNED_A_STATEMENT", 2)
    account = make_trader()
    tell(account, 1, 2, 3, 4, 5, 6)
    make_older(3, account=account, until=5)

    with django_assert_num_queries(3):
        assert prune() == 5

    assert told(account) == ["6 orders [6]"]


def test_pruning_leaves_no_gap_after_the_clock_was_set_back():
    account = make_trader()
    tell(account, 1, 2, 3)
    make_older(-1, account=account, until=1)
    make_older(4, account=account, until=2)

    assert prune() == 2

    assert told(account) == ["3 orders [3]"]
