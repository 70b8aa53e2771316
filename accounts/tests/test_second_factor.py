"""Sign in to the API with a second factor; tokens that last as long as what they were given for; sensitive acts."""

import time
from contextlib import contextmanager

import pytest
from allauth.mfa.models import Authenticator
from django.db import connection
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from accounts.api.authentication import authenticate_token
from accounts.api_keys import still_valid
from accounts.callers import RECENT_SECONDS, Trader
from accounts.errors import DomainError
from accounts.models import Scope, User
from accounts.second_factor import accept_code
from accounts.sessions import issue_tokens
from accounts.tests.builders import make_trader
from accounts.tests.codes import code_of, recovery_codes, turn_on
from accounts.tests.test_api_authentication import PASSWORD, assert_problem, post

pytestmark = pytest.mark.django_db

ADA = {"email": "ada@example.com", "password": PASSWORD}


@pytest.fixture
def ada():
    return make_trader(**ADA)


def refused(**changes):
    return assert_problem(post("token", ADA | changes), 401, "unauthenticated", "otp")["errors"][0]


def test_a_password_alone_is_not_enough_and_says_so_only_if_it_is_right(ada):
    turn_on(ada.user)
    assert refused()["code"] == "missing_field"
    assert_problem(post("token", ADA | {"password": "nope"}), 401, "unauthenticated")


def test_a_code_of_the_app_works_once_in_any_spacing(ada):
    code = code_of(turn_on(ada.user))
    assert post("token", ADA | {"otp": f" {code[:3]} {code[3:]} "}).status_code == 200
    assert refused(otp=code)["code"] == "invalid_value"


def test_only_newer_codes_than_the_last_one_count(ada):
    secret = turn_on(ada.user)
    assert accept_code(ada.user, code_of(secret, 1)) is not None
    assert accept_code(ada.user, code_of(secret)) is None
    assert accept_code(ada.user, code_of(secret, 5)) is None


def test_a_recovery_code_works_once(ada):
    turn_on(ada.user)
    first, second, *_ = recovery_codes(ada.user)
    assert post("token", ADA | {"otp": f"{first[:4]}-{first[4:]}"}).status_code == 200
    assert refused(otp=first)["code"] == "invalid_value"
    assert post("token", ADA | {"otp": second}).status_code == 200


@pytest.mark.parametrize("otp", ["", "000000000", "²²²²²²", "x" * 64, " "])
def test_what_is_no_code_is_refused(ada, otp):
    turn_on(ada.user)
    assert post("token", ADA | {"otp": otp}).status_code in (400, 401)


def test_a_passkey_is_a_second_factor_too(ada):
    Authenticator.objects.create(user=ada.user, type="webauthn", data={})
    assert refused()["code"] == "missing_field"
    assert refused(otp="123456")["code"] == "invalid_value"


@pytest.mark.usefixtures("_limited")
def test_wrong_codes_are_failed_sign_ins(ada):
    secret = turn_on(ada.user)
    for _ in range(5):
        refused(otp="000000")
    assert_problem(post("token", ADA | {"otp": code_of(secret)}), 429, "rate_limited")


def change_password(user):
    user.set_password("another battery staple")
    user.save()


@pytest.mark.parametrize(
    "change",
    [
        change_password,
        turn_on,
        lambda user: Authenticator.objects.create(user=user, type="webauthn", data={}),
    ],
)
def test_refresh_tokens_end_with_what_they_were_given_for(ada, change):
    tokens = issue_tokens(ada)
    change(User.objects.get())
    assert_problem(post("token/refresh", {"refresh": tokens.refresh}), 401, "unauthenticated")


@contextmanager
def changed_before_the_account_is_read(user):
    """Change the password in the middle of what reads the user first and the account after."""
    is_done = False

    def watch(execute, sql, *rest):
        nonlocal is_done
        if 'FROM "accounts"' in sql and not is_done:
            is_done = True
            change_password(User.objects.get(id=user.id))
        return execute(sql, *rest)

    with connection.execute_wrapper(watch):
        yield
    assert is_done


def test_a_password_that_changes_while_a_token_is_renewed_ends_the_new_one(ada):
    tokens = issue_tokens(ada)
    with changed_before_the_account_is_read(ada.user):
        renewed = post("token/refresh", {"refresh": tokens.refresh})
    assert_problem(post("token/refresh", {"refresh": renewed.json()["refresh"]}), 401, "unauthenticated")


def test_a_password_that_changes_while_it_signs_in_gives_nothing_that_lasts(ada):
    with changed_before_the_account_is_read(ada.user):
        tokens = post("token", ADA)
    assert_problem(post("token/refresh", {"refresh": tokens.json()["refresh"]}), 401, "unauthenticated")


@pytest.mark.parametrize("change", [change_password, turn_on])
def test_whoever_goes_on_by_a_token_does_so_while_that_holds(ada, change):
    caller, _ = authenticate_token(issue_tokens(ada).access)
    assert still_valid(caller)
    change(User.objects.get())
    assert not still_valid(caller)


def test_turning_two_factor_off_ends_refresh_tokens(ada):
    turn_on(ada.user)
    tokens = issue_tokens(ada)
    Authenticator.objects.all().delete()
    assert_problem(post("token/refresh", {"refresh": tokens.refresh}), 401, "unauthenticated")


def test_when_the_password_was_given_is_kept_through_refreshes(ada):
    then = int(time.time()) - 1000
    renewed = post("token/refresh", {"refresh": issue_tokens(ada, auth_at=then).refresh}).json()
    again = post("token/refresh", {"refresh": renewed["refresh"]}).json()
    assert AccessToken(again["access"])["auth_at"] == then


def make_key(account, scopes, *, auth_at):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_tokens(account, auth_at=auth_at).access}")
    return client.post("/api/v1/auth/keys", {"name": "bot", "scopes": scopes}, format="json")


@pytest.mark.parametrize("scope", [Scope.TRADE, Scope.WITHDRAW])
def test_a_key_that_can_do_harm_needs_a_recent_password(ada, scope):
    long_ago = int(time.time()) - RECENT_SECONDS - 1
    (fault,) = assert_problem(make_key(ada, [scope], auth_at=long_ago), 403, "forbidden", "auth_at")["errors"]
    assert (fault["limit"], fault["value"]) == (RECENT_SECONDS, long_ago)
    assert make_key(ada, [Scope.READ], auth_at=long_ago).status_code == 201
    assert make_key(ada, [scope], auth_at=long_ago + 60).status_code == 201


def test_a_token_that_does_not_say_when_is_not_recent():
    with pytest.raises(DomainError, match="sign in again"):
        Trader(1, 1).require_recent()
    Trader(1, 1, frozenset({Scope.WITHDRAW}), api_key_id=1).require_recent()
