"""Tokens for the scripts of pages: who gets one, and what it cannot do."""

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils.timezone import now
from rest_framework.test import APIClient

from accounts.api.authentication import authenticate_token
from accounts.api_keys import still_valid
from accounts.callers import PAGE_SCOPES
from accounts.errors import DomainError
from accounts.models import Scope, User
from accounts.tests.builders import make_client, make_trader, make_user
from accounts.tests.test_api_authentication import PASSWORD, assert_problem, post

pytestmark = pytest.mark.django_db

URL = "/session/token"


@pytest.fixture
def trader(client):
    account = make_trader()
    client.force_login(account.user)
    return account


def api_client(client):
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {client.post(URL).json()['access']}")
    return api


def test_a_page_gets_a_token_that_reads_and_trades(client, trader):
    answer = client.post(URL)
    assert "no-store" in answer["Cache-Control"]
    body = answer.json()
    assert (body["account_id"], body["expires_in"]) == (trader.id, 300)
    caller, token = authenticate_token(body["access"])
    assert (caller.account_id, caller.scopes, caller.is_page, caller.auth_at) == (trader.id, PAGE_SCOPES, True, None)
    assert token["exp"] - token["iat"] <= 300
    assert api_client(client).get("/api/v1/balances").status_code == 200


def test_it_manages_no_keys_and_does_nothing_sensitive(client, trader):
    api = api_client(client)
    body = {"name": "bot", "scopes": ["read"]}
    for response in (
        api.get("/api/v1/auth/keys"),
        api.post("/api/v1/auth/keys", body, format="json"),
        api.delete("/api/v1/auth/keys/1"),
    ):
        assert_problem(response, 403, "forbidden")
    caller, _ = authenticate_token(client.post(URL).json()["access"])
    for forbidden in (caller.require_token, caller.require_recent, lambda: caller.require(Scope.WITHDRAW)):
        with pytest.raises(DomainError):
            forbidden()


def test_it_cannot_be_renewed(client, trader):
    access = client.post(URL).json()["access"]
    assert_problem(post("token/refresh", {"refresh": access}), 401, "unauthenticated")


def test_a_token_of_the_api_gets_none(client):
    account = make_trader()
    assert make_client(account).post(URL).status_code == 401
    assert_problem(client.post(URL), 401, "unauthenticated")


def test_it_needs_proof_that_a_page_of_ours_asks(trader):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(trader.user)
    assert strict.post(URL).status_code == 403
    assert strict.get(URL).status_code == 405
    strict.get("/account/login/?next=/")
    strict.get("/account/password/reset/")
    secret = strict.cookies["csrftoken"].value
    assert strict.post(URL, HTTP_X_CSRFTOKEN=secret).status_code == 200


@pytest.mark.parametrize(
    "end",
    [
        lambda: Session.objects.all().delete(),
        lambda: User.objects.update(is_active=False),
        lambda: User.objects.update(password="another"),
    ],
)
def test_none_is_given_once_the_session_has_ended(client, trader, end):
    assert client.post(URL).status_code == 200
    end()
    assert_problem(client.post(URL), 401, "unauthenticated")


@pytest.mark.parametrize(
    "end",
    [
        lambda: Session.objects.all().delete(),
        lambda: Session.objects.update(expire_date=now()),
        lambda: UserSession.objects.get().end(),
        lambda: User.objects.update(password="another"),
    ],
)
def test_whoever_goes_on_by_one_does_so_while_the_session_does(client, trader, end, django_assert_max_num_queries):
    caller, _ = authenticate_token(client.post(URL).json()["access"])
    with django_assert_max_num_queries(3):
        assert still_valid(caller)
    end()
    assert not still_valid(caller)


def test_an_operator_has_no_account_to_get_one_for(client):
    client.force_login(make_user(password=PASSWORD))
    assert_problem(client.post(URL), 403, "forbidden")
