"""Look after users and accounts in the back office."""

from decimal import Decimal
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from accounts.backoffice import COUNT_MAX, BoundedPaginator
from accounts.issuing import issue_key
from accounts.ledger import outside_world
from accounts.models import Account, ApiKey, Asset, Balance, Scope, Transfer, User
from accounts.tests.builders import make_asset, make_trader, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("operator@example.com", None))
    return client


def _messages(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def test_a_new_user_gets_an_account(operator: Client) -> None:
    form = {"email": "Alice@Example.com", "password1": "correct-horse", "password2": "correct-horse"}
    assert operator.post(reverse("admin:accounts_user_add"), form).status_code == 302
    user = User.objects.get(email="alice@example.com")
    assert user.check_password("correct-horse")
    assert user.accounts.get().kind == "trader"


def test_a_taken_email_is_refused_in_any_case(operator: Client) -> None:
    make_user(email="alice@example.com")
    form = {"email": "ALICE@example.com", "password1": "correct-horse", "password2": "correct-horse"}
    page = operator.post(reverse("admin:accounts_user_add"), form)
    assert "already exists" in page.content.decode()
    assert User.objects.count() == 2


def test_only_a_superuser_touches_powers(client: Client) -> None:
    staff = make_user(email="staff@example.com")
    User.objects.filter(id=staff.id).update(is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["change_user", "view_user"]))
    client.force_login(User.objects.get(id=staff.id))
    assert client.post(
        reverse("admin:accounts_user_change", args=[staff.id]),
        {"email": "staff@example.com", "is_active": "on", "is_staff": "on", "is_superuser": "on"},
    ).status_code in (200, 302)
    assert not User.objects.get(id=staff.id).is_superuser
    chief = User.objects.create_superuser("chief@example.com", None)
    for page in ("admin:accounts_user_change", "admin:auth_user_password_change"):
        assert client.post(reverse(page, args=[chief.id]), {"email": "mine@example.com"}).status_code == 403


@pytest.mark.parametrize(("action", "status"), [("freeze", "frozen"), ("activate", "active")])
def test_actions_set_traders_accounts_only(operator: Client, action: str, status: str) -> None:
    account, outside = make_trader(), outside_world()
    before = {"freeze": "active", "activate": "frozen"}[action]
    Account.objects.update(status=before)
    form = {"action": action, "_selected_action": [account.id, outside.id]}
    response = operator.post(reverse("admin:accounts_account_changelist"), form, follow=True)
    assert _messages(response) == [f"1 traders' accounts are {status} now."]
    assert dict(Account.objects.values_list("id", "status")) == {account.id: status, outside.id: before}
    assert LogEntry.objects.get().object_id == str(account.id)


def _deposit(client: Client, account: Account, amount: str, **headers: Any) -> Any:
    form = {"asset": make_asset("USD").id, "amount": amount, "reference": "wire 7", "_form_submitted": "True"}
    return client.post(reverse("admin:accounts_account_deposit", args=[account.id]), form, **headers)


def test_a_deposit_is_a_transfer(operator: Client) -> None:
    account = make_trader()
    response = _deposit(operator, account, "10.50", HTTP_HX_REQUEST="true")
    assert response.headers["HX-Redirect"] == reverse("admin:accounts_account_change", args=[account.id])
    assert _deposit(operator, account, "1").status_code == 302
    assert Balance.objects.get(account=account).available == Decimal("11.5")
    assert set(Transfer.objects.values_list("reference", flat=True)) == {"wire 7"}


@pytest.mark.parametrize("amount", ["0", "-1", "abc", "0.000000001", "", "1e3"])
def test_a_wrong_deposit_is_refused_in_the_form(operator: Client, amount: str) -> None:
    response = _deposit(operator, make_trader(), amount)
    assert response.status_code == 200
    assert response.context["form"].errors["amount"]
    assert not Transfer.objects.exists()


def test_the_venues_own_accounts_get_no_deposits(operator: Client) -> None:
    assert _deposit(operator, outside_world(), "1").status_code == 302
    assert not Transfer.objects.exists()


def test_only_a_superuser_says_what_operators_may_and_touches_others(client: Client) -> None:
    staff, other, trader = (make_user(email=f"{name}@example.com") for name in ("staff", "other", "trader"))
    User.objects.filter(id__in=[staff.id, other.id]).update(is_staff=True)
    group = Group.objects.create(name="clerks")
    staff.groups.add(group)
    codes = ["view_user", "change_user", "view_group", "add_group", "change_group", "delete_group"]
    staff.user_permissions.set(Permission.objects.filter(codename__in=codes))
    client.force_login(User.objects.get(id=staff.id))
    powers = {"name": "clerks", "permissions": [Permission.objects.get(codename="approve_withdrawal").id]}
    page = reverse("admin:auth_group_change", args=[group.id])
    assert [client.get(page).status_code, client.post(page, powers).status_code] == [200, 403]
    assert client.post(reverse("admin:auth_group_add"), powers | {"name": "more"}).status_code == 403
    assert client.post(reverse("admin:auth_group_delete", args=[group.id]), {"post": "yes"}).status_code == 403
    password = {"password1": "correct horse battery", "password2": "correct horse battery", "usable_password": "true"}
    statuses = [
        client.post(f"/admin/accounts/user/{user.id}/password/", password).status_code for user in (other, trader)
    ]
    assert statuses == [403, 302]


def test_an_address_that_is_wished_for_goes_with_the_password_that_is_replaced(operator: Client) -> None:
    user = make_user(email="alice@example.com")
    EmailAddress.objects.create(user=user, email="alice@example.com", primary=True, verified=True)
    EmailAddress.objects.create(user=user, email="thief@example.com")
    password = {"password1": "correct horse battery", "password2": "correct horse battery", "usable_password": "true"}
    assert operator.post(f"/admin/accounts/user/{user.id}/password/", password).status_code == 302
    assert EmailAddress.objects.get().email == "alice@example.com"


def test_operators_change_their_password_where_guesses_are_limited(operator: Client) -> None:
    assert operator.post("/admin/password_change/")["Location"] == reverse("account_change_password")


def test_a_deposit_needs_its_permission(client: Client) -> None:
    staff = make_user()
    User.objects.filter(id=staff.id).update(is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["change_account", "view_account"]))
    client.force_login(User.objects.get(id=staff.id))
    assert _deposit(client, make_trader(), "1").status_code == 403
    assert not Transfer.objects.exists()


def test_an_assets_scale_is_fixed_once_used(operator: Client) -> None:
    asset = make_asset("USD")
    page = reverse("admin:accounts_asset_change", args=[asset.id])
    operator.post(page, {"code": "USD", "name": "", "scale": "2"})
    assert Asset.objects.get().scale == 2
    make_trader(funds={"USD": "1"})
    operator.post(page, {"code": "EUR", "name": "Dollar", "scale": "4"})
    assert Asset.objects.values_list("code", "name", "scale").get() == ("USD", "Dollar", 2)


def test_nobody_is_deleted(operator: Client) -> None:
    account = make_trader()
    assert (
        operator.post(reverse("admin:accounts_user_delete", args=[account.user_id]), {"post": "yes"}).status_code == 403
    )
    assert (
        operator.post(reverse("admin:accounts_account_delete", args=[account.id]), {"post": "yes"}).status_code == 403
    )


def test_a_count_reads_no_more_than_its_bound(django_assert_num_queries: Any) -> None:
    make_trader()
    with django_assert_num_queries(1) as queries:
        assert BoundedPaginator(Account.objects.order_by("-id"), 50).count == 1
    assert f"LIMIT {COUNT_MAX}" in queries[0]["sql"]
    assert "ORDER BY" not in queries[0]["sql"]


def _issued_key() -> Any:
    return issue_key(account_id=make_trader(email="bot@example.com").id, name="bot", scopes=[Scope.READ])


def test_a_key_is_shown_without_what_it_signs_with(operator: Client) -> None:
    issued = _issued_key()
    pages = [
        reverse("admin:accounts_apikey_changelist"),
        reverse("admin:accounts_apikey_changelist") + "?q=bot@example.com",
        reverse("admin:accounts_apikey_change", args=[issued.row.id]),
        reverse("admin:accounts_account_change", args=[issued.row.account_id]),
    ]
    for page in pages:
        shown = operator.get(page).content.decode()
        assert issued.row.key in shown
        assert issued.secret not in shown
        assert bytes(issued.row.sealed_secret).decode() not in shown
        assert "sealed" not in shown


def test_a_key_is_revoked_by_deleting_it_and_not_made_or_changed(operator: Client) -> None:
    row = _issued_key().row
    assert operator.get(reverse("admin:accounts_apikey_add")).status_code == 403
    change = reverse("admin:accounts_apikey_change", args=[row.id])
    assert operator.post(change, {"scopes": "read,withdraw"}).status_code == 403
    assert operator.post(reverse("admin:accounts_apikey_delete", args=[row.id]), {"post": "yes"}).status_code == 302
    assert not ApiKey.objects.exists()
    assert LogEntry.objects.get().object_id == str(row.id)


def test_keys_are_revoked_by_those_who_may(client: Client) -> None:
    row = _issued_key().row
    staff = make_user(email="staff@example.com")
    User.objects.filter(id=staff.id).update(is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename="view_apikey"))
    client.force_login(User.objects.get(id=staff.id))
    assert client.get(reverse("admin:accounts_apikey_change", args=[row.id])).status_code == 200
    assert client.post(reverse("admin:accounts_apikey_delete", args=[row.id]), {"post": "yes"}).status_code == 403
    assert ApiKey.objects.exists()
