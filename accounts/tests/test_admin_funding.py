"""Decide deposits and withdrawals in the back office."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts import funding
from accounts.models import Account, Balance, Deposit, User, Withdrawal
from accounts.tests.builders import confirm_email, make_asset, make_trader, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def trader() -> Account:
    return confirm_email(make_trader(email="alice@example.com", funds={"USD": "100"}))


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("operator@example.com", None))
    return client


def ask(trader: Account, amount: str = "60") -> Withdrawal:
    return funding.request_withdrawal(
        account_id=trader.id, asset=make_asset("USD"), amount=Decimal(amount), destination="IBAN 1"
    )


def ask_deposit(trader: Account) -> Deposit:
    return funding.request_deposit(account_id=trader.id, asset=make_asset("USD"), amount=Decimal(5))


def act(client: Client, action: str, *rows: Any, **fields: str) -> Any:
    form = {"action": action, "_selected_action": [row.pk for row in rows], **fields}
    return client.post(reverse(f"admin:accounts_{rows[0]._meta.model_name}_changelist"), form, follow=True)


def press(client: Client, button: str, row: Any, **fields: str) -> Any:
    page = reverse(f"admin:accounts_{row._meta.model_name}_{button}", args=[row.pk])
    return client.post(page, {"_form_submitted": "True", **fields}, follow=True)


def told(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def statuses(*rows: Any) -> list[str]:
    return [type(row).objects.get(pk=row.pk).status for row in rows]


def test_several_are_approved_at_once_and_a_refusal_stops_none(operator: Client, trader: Account) -> None:
    first, second, third = ask(trader, "10"), ask(trader, "20"), ask(trader, "30")
    funding.cancel_withdrawal(account_id=trader.id, withdrawal_id=second.id)
    response = act(operator, "approve", first, second, third)
    assert told(response) == [
        f"Approved withdrawal {first.id}, 10 USD",
        f"withdrawal {second.id}: The withdrawal is Canceled already.",
        f"Approved withdrawal {third.id}, 30 USD",
    ]
    assert statuses(first, second, third) == ["Completed", "Canceled", "Completed"]
    assert {entry.object_id for entry in LogEntry.objects.all()} == {str(first.id), str(third.id)}
    assert Withdrawal.objects.get(id=first.id).decided_by.email == "operator@example.com"


def test_several_are_rejected_for_a_reason_that_is_asked_for_first(operator: Client, trader: Account) -> None:
    rows = [ask(trader, "10"), ask(trader, "20")]
    page = act(operator, "reject", *rows)
    assert "free again" in page.content.decode()
    assert statuses(*rows) == ["Pending", "Pending"]
    assert act(operator, "reject", *rows, confirmed="yes", reason="").context["form"].errors["reason"]
    response = act(operator, "reject", *rows, confirmed="yes", reason="No such bank.")
    assert told(response) == [f"Rejected withdrawal {row.id}, {row.amount:f} USD: No such bank." for row in rows]
    assert Balance.objects.get(account=trader).available == 100


def test_one_is_decided_on_its_own_page(operator: Client, trader: Account) -> None:
    deposit, withdrawal = ask_deposit(trader), ask(trader)
    change = reverse("admin:accounts_withdrawal_change", args=[withdrawal.id])
    button = reverse("admin:accounts_withdrawal_approve_this", args=[withdrawal.id])
    assert button in operator.get(change).content.decode()
    assert told(press(operator, "approve_this", deposit)) == [f"Approved deposit {deposit.id}, 5 USD"]
    response = press(operator, "reject_this", withdrawal, reason="No such bank.")
    assert told(response) == [f"Rejected withdrawal {withdrawal.id}, 60 USD: No such bank."]
    assert statuses(deposit, withdrawal) == ["Completed", "Rejected"]
    assert told(press(operator, "approve_this", withdrawal)) == [
        f"withdrawal {withdrawal.id}: The withdrawal is Rejected already."
    ]
    assert button not in operator.get(change).content.decode()


def test_opening_the_dialog_decides_nothing(operator: Client, trader: Account) -> None:
    row = ask_deposit(trader)
    for button in ("approve_this", "reject_this"):
        assert operator.get(reverse(f"admin:accounts_deposit_{button}", args=[row.id])).status_code == 200
    assert statuses(row) == ["Pending"]


def test_lists_are_searched_by_address_and_filtered_by_status(operator: Client, trader: Account) -> None:
    ask(trader)
    ask_deposit(trader)
    for name in ("withdrawal", "deposit"):
        page = reverse(f"admin:accounts_{name}_changelist")
        assert "alice@example.com" in operator.get(f"{page}?q=alice@example.com&status__exact=Pending").content.decode()
        assert "alice@example.com</td>" not in operator.get(f"{page}?status__exact=Completed").content.decode()


def test_frozen_account_sends_nothing(operator: Client, trader: Account) -> None:
    row = ask(trader)
    Account.objects.filter(id=trader.id).update(status="frozen")
    assert "is frozen" in told(act(operator, "approve", row))[0]
    assert statuses(row) == ["Pending"]


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_each_decision_needs_its_permission(client: Client, trader: Account, verb: str) -> None:
    staff = make_user()
    User.objects.filter(id=staff.id).update(is_staff=True)
    codes = ["view_withdrawal", "view_deposit", f"{verb}_withdrawal"]
    staff.user_permissions.set(Permission.objects.filter(codename__in=codes))
    client.force_login(User.objects.get(id=staff.id))
    row, deposit = ask(trader), ask_deposit(trader)
    other = {"approve": "reject", "reject": "approve"}[verb]
    assert press(client, f"{other}_this", row, reason="no").status_code == 403
    assert press(client, f"{verb}_this", deposit, reason="no").status_code == 403
    act(client, other, row, confirmed="yes", reason="no")
    act(client, verb, deposit, confirmed="yes", reason="no")
    assert statuses(row, deposit) == ["Pending", "Pending"]
    act(client, verb, row, confirmed="yes", reason="no")
    assert statuses(row) == [{"approve": "Completed", "reject": "Rejected"}[verb]]


def test_nobody_changes_or_deletes_one(operator: Client, trader: Account) -> None:
    row = ask(trader)
    assert operator.post(reverse("admin:accounts_withdrawal_change", args=[row.id]), {"amount": "1"}).status_code == 403
    assert operator.post(reverse("admin:accounts_withdrawal_delete", args=[row.id]), {"post": "yes"}).status_code == 403
    assert operator.get(reverse("admin:accounts_withdrawal_add")).status_code == 403
