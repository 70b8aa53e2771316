"""The account's own pages, and what a user is told by mail."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.issuing import issue_key, revoke_key
from accounts.models import ApiKey, NotificationSettings, Scope, SignInPlace
from accounts.notices import Notice, tell
from accounts.places import PLACES_MAX
from accounts.registration import register_trader
from accounts.tasks import clear_sessions
from accounts.tests.builders import make_user
from accounts.tests.signing import call
from accounts.tests.test_api_authentication import PASSWORD, post
from accounts.tests.test_identity import ADA, confirm, reauthenticate, sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mails")]

NEW = "/account/api-keys/new"
KEY = {"name": "my bot", "scopes": ["read", "trade"], "allowed_ips": "127.0.0.1\n10.0.0.0/8", "kind": "HMAC"}


@pytest.fixture
def ada(client):
    account = register_trader(email=ADA, password=PASSWORD)[1]
    sign_in(client)
    return account


def test_the_overview_says_what_is_and_is_not_confirmed(client, ada, mails):
    page = client.get("/account").content.decode()
    assert "not confirmed" in page
    assert f"<dd>{ada.id}</dd>" in page
    mails.clear()
    client.post("/account/email/", {"email": ADA, "action_send": ""})
    assert [mail.to for mail in mails] == [[ADA]]
    confirm(ada.user)
    assert "not confirmed" not in client.get("/account").content.decode()


@pytest.mark.parametrize("path", ["/account", "/account/api-keys", NEW, "/account/notifications"])
def test_a_page_of_ones_own_needs_a_sign_in(path):
    response = Client().get(path)
    assert (response.status_code, response["Location"]) == (302, f"/account/login/?next={path}")


def test_an_operator_has_no_keys_and_no_fault(client):
    client.force_login(make_user(email="operator@example.com"))
    assert client.get("/account").status_code == 200
    assert client.get("/account/api-keys").status_code == 403


def test_making_a_key_asks_for_the_password_again(client, ada):
    assert client.get(NEW)["Location"].startswith("/account/reauthenticate/")
    assert client.post(NEW, KEY)["Location"].startswith("/account/reauthenticate/")
    assert not ApiKey.objects.exists()


def test_a_secret_is_shown_once_and_kept_nowhere(client, ada):
    reauthenticate(client)
    answer = client.post(NEW, KEY)
    assert "no-store" in answer["Cache-Control"]
    secret = answer.context["secret"]
    assert secret in answer.content.decode()
    row = ApiKey.objects.get()
    assert (row.scopes, row.allowed_ips) == (["read", "trade"], ["127.0.0.1", "10.0.0.0/8"])
    listed = client.get("/account/api-keys").content.decode()
    assert row.key in listed
    assert secret not in listed
    assert all(secret not in str(session.get_decoded()) for session in Session.objects.all())
    issued = answer.context["key"]
    assert call(type("Issued", (), {"row": issued, "secret": secret}), "GET", "/api/v1/balances").status_code == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\tb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["admin"]}, "scopes"),
        ({"allowed_ips": "nowhere"}, "allowed_ips"),
        ({"allowed_ips": "\n".join(f"10.0.0.{n}" for n in range(51))}, "allowed_ips"),
        ({"public_key": "AAAA"}, "public_key"),
        ({"public_key": "AAAA", "kind": "Ed25519"}, "public_key"),
    ],
)
def test_a_faulty_form_names_the_field_and_keeps_what_was_typed(client, ada, changes, field):
    reauthenticate(client)
    answer = client.post(NEW, KEY | changes)
    assert list(answer.context["form"].errors) == [field]
    assert "10.0.0." in answer.content.decode() or field == "allowed_ips"
    assert not ApiKey.objects.exists()


def test_a_key_is_revoked_after_a_question_and_nobody_elses(client, ada):
    key = issue_key(account_id=ada.id, name="bot", scopes=[Scope.READ]).row
    bob = register_trader(email="bob@example.com", password=PASSWORD)[1]
    other = issue_key(account_id=bob.id, name="bob's", scopes=[Scope.READ]).row
    assert client.post(f"/account/api-keys/{other.id}/revoke").status_code == 404
    assert "Revoke bot?" in client.get(f"/account/api-keys/{key.id}/revoke").content.decode()
    assert client.post(f"/account/api-keys/{key.id}/revoke")["Location"] == "/account/api-keys"
    assert list(ApiKey.objects.all()) == [other]


# -- notices ---------------------------------------------------------------------------------------


def test_notices_follow_what_a_user_wants(client, ada, mails):
    confirm(ada.user)
    mails.clear()
    key = issue_key(account_id=ada.id, name="my bot", scopes=[Scope.READ, Scope.TRADE]).row
    revoke_key(account_id=ada.id, key_id=key.id)
    tell(ada.user_id, Notice.DEPOSIT, amount="1.50", asset="BTC", status="completed")
    tell(ada.user_id, Notice.WITHDRAWAL, amount="2", asset="BTC", status="requested", destination="<here>")
    assert [mail.subject for mail in mails] == [
        "Exchange: API key made", "Exchange: API key revoked", "Exchange: Deposit of 1.50 BTC", "Exchange: Withdrawal of 2 BTC",
    ]  # fmt: skip
    assert "my bot" in mails[0].body
    assert "read, trade" in mails[0].body
    assert "to <here> is requested" in mails[3].body
    mails.clear()
    assert client.post("/account/notifications", {"sign_ins": "on"}).status_code == 302
    assert NotificationSettings.objects.values_list("money", "api_keys", "sign_ins").get() == (False, False, True)
    issue_key(account_id=ada.id, name="bot", scopes=[Scope.READ])
    tell(ada.user_id, Notice.DEPOSIT, amount="1.50", asset="BTC", status="completed")
    assert mails == []


def test_who_has_not_confirmed_an_address_gets_no_notices(ada, mails):
    mails.clear()
    tell(ada.user_id, Notice.DEPOSIT, amount="1.50", asset="BTC", status="completed")
    assert mails == []


def test_a_sign_in_from_a_new_place_is_told_by_page_or_api(client, ada, mails):
    confirm(ada.user)
    mails.clear()
    sign_in(Client())
    assert mails == []
    sign_in(Client(headers={"user-agent": "Lynx/2.9"}))
    sign_in(Client(headers={"user-agent": "Lynx/2.9"}))
    post("token", {"email": ADA, "password": PASSWORD}, APIClient(REMOTE_ADDR="192.0.2.7"))
    assert [mail.subject for mail in mails] == ["Exchange: Sign-in from a new place"] * 2
    assert "Lynx/2.9" in mails[0].body
    assert "192.0.2.7" in mails[1].body


def test_only_the_latest_places_are_kept(ada):
    digests = [SignInPlace(user=ada.user, digest=str(number)) for number in range(PLACES_MAX + 5)]
    SignInPlace.objects.bulk_create(digests)
    sign_in(Client(headers={"user-agent": "another"}))
    assert SignInPlace.objects.count() == PLACES_MAX


def test_an_address_that_an_operator_changes_is_to_be_confirmed(client, ada):
    confirm(ada.user)
    make_user(email="chief@example.com")
    operator = type(ada.user).objects.create_superuser("root@example.com", None)
    client.force_login(operator)
    form = {"email": "ada@new.example", "is_active": "on"}
    inlines = {
        f"{name}-{field}": "0"
        for name in ("accounts", "emailaddress_set")
        for field in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    assert client.post(f"/admin/accounts/user/{ada.user_id}/change/", form | inlines).status_code == 302
    rows = EmailAddress.objects.filter(user=ada.user).values_list("email", "verified", "primary")
    assert list(rows) == [("ada@new.example", False, True)]


def test_the_back_office_signs_in_as_everybody_does(client, ada):
    assert Client().get("/admin/", follow=True).redirect_chain[-1][0].startswith("/account/login/?next=")
    assert client.get("/admin/login/").status_code == 403


def test_sessions_that_have_run_out_are_forgotten(client, django_user_model):
    for name in ("old", "new"):
        client.cookies.clear()
        client.force_login(django_user_model.objects.create_user(f"{name}@example.com"))
        client.get("/account")
    old, new = UserSession.objects.order_by("id").values_list("session_key", flat=True)
    Session.objects.filter(session_key=old).update(expire_date=timezone.now() - timedelta(seconds=1))
    clear_sessions()
    assert list(Session.objects.values_list("session_key", flat=True)) == [new]
    assert list(UserSession.objects.values_list("session_key", flat=True)) == [new]
