"""Sign up, in and out on the pages; mails and where they lead; what is asked again, and what ends."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.test import Client
from rest_framework.test import APIClient

from accounts.issuing import issue_key
from accounts.models import Account, ApiKey, Scope, User
from accounts.registration import register_trader
from accounts.sessions import issue_tokens
from accounts.tests.builders import make_trader
from accounts.tests.codes import code_of, recovery_codes, turn_on
from accounts.tests.mails import links_in, path_in
from accounts.tests.test_api_authentication import PASSWORD, assert_problem, post

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mails")]

ADA = "ada@example.com"
FORM = {"email": "Ada@Example.com", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def ada():
    return register_trader(email=ADA, password=PASSWORD)[1]


def confirm(user):
    EmailAddress.objects.filter(user=user).update(verified=True)


def sign_in(client, **changes):
    return client.post("/account/login/", {"login": ADA, "password": PASSWORD} | changes)


def signed_in(client):
    return client.get("/account").status_code == 200


def reauthenticate(client):
    assert client.post("/account/reauthenticate/", {"password": PASSWORD}).status_code == 302


def test_signing_up_makes_a_trader_and_sends_a_mail_that_confirms_the_address(client, mails):
    assert client.post("/account/signup/", FORM).headers["Location"] == "/"
    user = User.objects.get()
    assert (user.email, user.check_password(PASSWORD)) == (ADA, True)
    assert Account.objects.get().user == user
    assert signed_in(client)
    (mail,) = mails
    assert mail.to == [ADA]
    assert client.post(path_in(mail)).status_code == 302
    assert list(EmailAddress.objects.values_list("email", "verified", "primary")) == [(ADA, True, True)]


def test_registering_by_the_api_sends_it_too(mails, client):
    assert post("register", {"email": ADA, "password": PASSWORD}).status_code == 201
    assert client.get(path_in(mails[0])).status_code == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"password1": "short", "password2": "short"}, "password1"),
        ({"password1": "x" * 1025, "password2": "x" * 1025}, "password1"),
        ({"password2": "another one"}, "password2"),
        ({"email": "ADA@example.com"}, "email"),
        ({"email": "no address"}, "email"),
    ],
)
def test_the_rules_are_those_of_the_api(client, changes, field):
    make_trader(email=ADA)
    response = client.post("/account/signup/", FORM | {"email": "eve@example.com"} | changes)
    assert field in response.context["form"].errors
    assert User.objects.count() == 1


def test_mails_lead_to_the_pages_and_not_where_a_host_header_says(mails, settings):
    settings.PUBLIC_URL = "https://exchange.example/"
    make_trader(email=ADA, password=PASSWORD)
    Client(headers={"host": "evil.example"}).post("/account/password/reset/", {"email": ADA})
    (link,) = links_in(mails[0])
    assert link.startswith("https://exchange.example/account/password/reset/key/")
    assert "evil" not in mails[0].body + mails[0].subject


def test_links_in_mails_are_whole_where_what_speaks_https_says_nothing_of_it(client, mails, settings):
    settings.ACCOUNT_DEFAULT_HTTP_PROTOCOL, settings.SECURE = "https", True
    make_trader(email=ADA, password=PASSWORD)
    for settings.PUBLIC_URL, origin in (
        ("https://exchange.example", "https://exchange.example"),
        ("", "https://testserver"),
    ):
        mails.clear()
        client.post("/account/password/reset/", {"email": ADA})
        assert links_in(mails[0])[0].startswith(f"{origin}/account/password/reset/key/")


def test_mails_of_the_apis_port_lead_to_the_pages_port(mails):
    post("register", {"email": ADA, "password": PASSWORD}, APIClient(HTTP_HOST="localhost:8080"))
    assert links_in(mails[0])[0].startswith("http://localhost:5173/account/confirm-email/")


def test_a_redis_that_is_away_costs_the_mail_and_not_the_sign_up(client, monkeypatch, settings):
    from exchange.celery import app

    monkeypatch.setitem(app.conf.changes, "task_always_eager", False)
    monkeypatch.setattr("accounts.tasks.send_mail.apply_async", _no_broker)
    assert client.post("/account/signup/", FORM).status_code == 302
    assert User.objects.exists()


def _no_broker(**_):
    from kombu.exceptions import OperationalError

    raise OperationalError


def test_resetting_a_password_says_nothing_about_who_is_known(client, mails, ada):
    known = client.post("/account/password/reset/", {"email": ADA})
    unknown = client.post("/account/password/reset/", {"email": "eve@example.com"})
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert [mail.to for mail in mails] == [[ADA], ["eve@example.com"]]


def test_a_reset_password_ends_sessions_tokens_and_what_a_squatter_made(client, mails, ada):
    sign_in(client)
    tokens = issue_tokens(ada)
    issue_key(account_id=ada.id, name="squatter's", scopes=[Scope.WITHDRAW])
    mails.clear()
    owner = Client()
    owner.post("/account/password/reset/", {"email": ADA})
    form = owner.get(path_in(mails[0]))["Location"]
    new = "another battery staple"
    assert owner.post(form, {"password1": new, "password2": new}).status_code == 302
    assert not signed_in(client)
    assert_problem(post("token/refresh", {"refresh": tokens.refresh}), 401, "unauthenticated")
    assert not ApiKey.objects.exists()
    assert sign_in(owner, password=new)["Location"] == "/"


def test_a_reset_leaves_the_keys_of_a_confirmed_address(client, mails, ada):
    confirm(ada.user)
    issue_key(account_id=ada.id, name="bot", scopes=[Scope.READ])
    client.post("/account/password/reset/", {"email": ADA})
    form = client.get(path_in(mails[-1]))["Location"]
    client.post(form, {"password1": "another battery staple", "password2": "another battery staple"})
    assert ApiKey.objects.count() == 1


def test_a_changed_password_keeps_this_session_and_ends_the_others(client, ada):
    other = Client()
    sign_in(client)
    sign_in(other)
    form = {"oldpassword": PASSWORD, "password1": "another battery staple", "password2": "another battery staple"}
    reauthenticate(client)
    assert client.post("/account/password/change/", form).status_code == 302
    assert (signed_in(client), signed_in(other)) == (True, False)


def test_two_factor_is_turned_on_after_the_password_and_asked_for_from_then_on(client, ada):
    other = Client()
    confirm(ada.user)
    sign_in(client)
    sign_in(other)
    assert "/reauthenticate/" in client.get("/account/2fa/totp/activate/")["Location"]
    reauthenticate(client)
    secret = client.get("/account/2fa/totp/activate/").context["form"].secret
    assert client.post("/account/2fa/totp/activate/", {"code": code_of(secret)}).status_code == 302
    assert (signed_in(client), signed_in(other)) == (True, False)
    assert sign_in(other)["Location"] == "/account/2fa/authenticate/"
    assert not signed_in(other)
    assert other.post("/account/2fa/authenticate/", {"code": "000000"}).status_code == 200
    code = code_of(secret)
    assert other.post("/account/2fa/authenticate/", {"code": code}).status_code == 302
    assert signed_in(other)
    # What a page has taken, the API does not.
    assert_problem(post("token", {"email": ADA, "password": PASSWORD, "otp": code}), 401, "unauthenticated", "otp")


def test_two_factor_waits_for_a_confirmed_address(client, ada):
    sign_in(client)
    reauthenticate(client)
    assert client.get("/account/2fa/totp/activate/")["Location"] == "/account/2fa/"
    assert not Authenticator.objects.exists()


def test_a_recovery_code_signs_in_once(client, ada):
    turn_on(ada.user)
    code = recovery_codes(ada.user)[0]
    for expected in (302, 200):
        fresh = Client()
        sign_in(fresh)
        assert fresh.post("/account/2fa/authenticate/", {"code": code}).status_code == expected


@pytest.mark.usefixtures("_limited")
def test_codes_cannot_be_tried_for_long(client, ada):
    secret = turn_on(ada.user)
    sign_in(client)
    for _ in range(5):
        client.post("/account/2fa/authenticate/", {"code": "000000"})
    refused = client.post("/account/2fa/authenticate/", {"code": code_of(secret)})
    assert "Too many" in str(refused.context["form"].errors)


def test_a_session_is_another_after_signing_in(client, ada):
    client.get("/account/login/")
    session = client.session
    session["planted"] = "by somebody"
    session.save()
    before = session.session_key
    client.cookies["sessionid"] = before
    sign_in(client)
    assert client.session.session_key != before


def test_sessions_are_listed_and_ended(client, ada):
    other = Client(headers={"user-agent": "Lynx/2.9"})
    sign_in(client)
    sign_in(other)
    assert "Lynx/2.9" in client.get("/account/sessions/").content.decode()
    client.post("/account/sessions/")
    assert (signed_in(client), signed_in(other)) == (True, False)
    assert UserSession.objects.count() == 1


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_sent_elsewhere_after_signing_in(client, ada, target):
    assert sign_in(client, next=target)["Location"] == "/"


def test_a_new_address_is_taken_once_it_is_confirmed(client, mails, ada):
    confirm(ada.user)
    sign_in(client)
    reauthenticate(client)
    client.post("/account/email/", {"email": "ada@new.example", "action_add": ""})
    assert User.objects.get().email == ADA
    client.post(path_in(mails[-1]))
    assert User.objects.get().email == "ada@new.example"
    assert list(EmailAddress.objects.values_list("email", "verified")) == [("ada@new.example", True)]


@pytest.mark.parametrize("how", ["change", "reset"])
def test_an_address_that_is_wished_for_goes_with_the_old_password(client, mails, ada, how):
    confirm(ada.user)
    thief, owner = Client(), client
    for browser in (thief, owner):
        sign_in(browser)
        reauthenticate(browser)
    thief.post("/account/email/", {"email": "thief@example.com", "action_add": ""})
    trap = path_in(mails[-1])
    new = {"password1": "another battery staple", "password2": "another battery staple"}
    if how == "change":
        form = "/account/password/change/"
    else:
        owner.logout()
        mails.clear()
        owner.post("/account/password/reset/", {"email": ADA})
        form = owner.get(path_in(mails[0]))["Location"]
    assert owner.post(form, {"oldpassword": PASSWORD} | new).status_code == 302
    Client().post(trap)
    assert list(EmailAddress.objects.values_list("email", "user__email")) == [(ADA, ADA)]


def test_who_has_confirmed_no_address_keeps_it_until_another_is_confirmed(client, mails, ada):
    bob = register_trader(email="bob@example.com", password=PASSWORD)[0]
    for browser, login, wishes in (
        (client, ADA, ("one@new.example", "two@new.example")),
        (Client(), bob.email, ("bob@new.example",)),
    ):
        sign_in(browser, login=login)
        reauthenticate(browser)
        for wish in wishes:
            assert browser.post("/account/email/", {"email": wish, "action_add": ""}).status_code == 302
    assert list(User.objects.order_by("id").values_list("email", flat=True)) == [ADA, bob.email]
    assert sign_in(Client())["Location"] == "/"
    wished = [mail for mail in mails if mail.to == ["two@new.example"]]
    client.post(path_in(wished[0]))
    assert list(EmailAddress.objects.filter(user=ada.user).values_list("email", "verified", "primary")) == [
        ("two@new.example", True, True)
    ]
    assert User.objects.get(id=ada.user_id).email == "two@new.example"


def test_an_address_that_another_user_got_meanwhile_is_not_confirmed(client, mails, ada):
    confirm(ada.user)
    sign_in(client)
    reauthenticate(client)
    client.post("/account/email/", {"email": "bob@example.com", "action_add": ""})
    path = path_in(mails[-1])
    # An address that is only wished for keeps nobody from it.
    register_trader(email="bob@example.com", password=PASSWORD)
    client.post(path)
    assert User.objects.get(id=ada.user_id).email == ADA


def test_a_deactivated_user_is_let_in_nowhere(client, ada):
    sign_in(client)
    User.objects.update(is_active=False)
    assert not signed_in(client)
    assert not signed_in(Client())
    assert sign_in(Client())["Location"] == "/account/inactive/"


PAGES = (
    "login/", "signup/", "password/reset/", "password/reset/done/", "password/change/", "email/", "2fa/", "2fa/webauthn/",
    "2fa/webauthn/add/", "2fa/totp/activate/", "2fa/totp/deactivate/", "2fa/recovery-codes/", "2fa/recovery-codes/generate/",
    "sessions/", "reauthenticate/", "2fa/reauthenticate/", "2fa/reauthenticate/webauthn/", "logout/", "inactive/", "confirm-email/",
    "confirm-email/nonsense/", "password/reset/key/x-set-password/", "password/reset/key/done/",
)  # fmt: skip


@pytest.mark.parametrize("with_app", [False, True])
def test_every_page_of_allauths_has_our_looks_and_no_script_or_style_inside(client, ada, with_app):
    confirm(ada.user)
    for here in (Client(), client):
        if here is client:
            if with_app:
                secret = turn_on(ada.user)
            sign_in(here)
            if with_app:
                here.post("/account/2fa/authenticate/", {"code": code_of(secret)})
            reauthenticate(here)
        for page in PAGES:
            response = here.get(f"/account/{page}", follow=True)
            assert response.status_code in (200, 404), page
            html = response.content.decode()
            assert "css/exchange.css" in html, page
            assert " style=" not in html, page
            assert " onclick=" not in html, page
            inside = [tag for tag in html.split("<script")[1:] if " src=" not in tag.split(">")[0]]
            assert all("application/json" in tag.split(">")[0] for tag in inside), page
