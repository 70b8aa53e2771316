"""Registration, sessions and tokens through the HTTP API."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from accounts.api.authentication import authenticate_token
from accounts.models import Account, User
from accounts.sessions import issue_tokens
from accounts.tests.builders import make_client, make_trader, make_user

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


def post(path, body, client=None):
    return (client or APIClient()).post(f"/api/v1/auth/{path}", body, format="json")


def assert_problem(response, status, code, *fields):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert set(body) == {"type", "title", "status", "code", "detail", "request_id", "errors"}
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == response["X-Request-Id"]
    assert [fault["field"] for fault in body["errors"]] == list(fields)
    return body


def test_registering_creates_a_user_with_one_trading_account():
    response = post("register", {"email": "Ada@Example.com", "password": PASSWORD})
    assert response.status_code == 201
    user = User.objects.get()
    account = Account.objects.get(user=user)
    assert response.json() == {"user_id": user.id, "account_id": account.id, "email": "ada@example.com"}


def test_registering_a_taken_address_is_refused_and_creates_nothing():
    make_user(email="ada@example.com")
    response = post("register", {"email": "ADA@example.com", "password": PASSWORD})
    assert_problem(response, 400, "invalid_value", "email")
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "code", "fields"),
    [
        ({}, "missing_field", ["email", "password"]),
        ({"email": "x@example.com", "password": PASSWORD, "admin": True}, "unknown_field", ["admin"]),
        ({"email": "x@example.com", "password": 5}, "invalid_value", ["password"]),
        ({"email": "x@example.com", "password": "short"}, "invalid_value", ["password"]),
        ({"email": "no address", "password": PASSWORD}, "invalid_value", ["email"]),
        ({"email": "nul\0@example.com", "password": PASSWORD}, "invalid_value", ["email"]),
        ([], "malformed", []),
    ],
)
def test_registering_with_a_faulty_body_is_refused(body, code, fields):
    assert_problem(post("register", body), 400, code, *fields)
    assert not User.objects.exists()


def test_a_refused_password_is_not_repeated():
    body = post("register", {"email": "x@example.com", "password": "short"}).content
    assert b"short" not in body.replace(b"too short", b"")


def test_signing_in_gives_tokens_that_open_the_account():
    account = make_trader(email="ada@example.com", password=PASSWORD)
    response = post("token", {"email": "Ada@Example.com", "password": PASSWORD, "otp": None})
    assert response.status_code == 200
    assert set(response.json()) == {"access", "refresh"}
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {response.json()['access']}")
    assert client.get("/api/v1/account").json() == {
        "id": account.id,
        "email": "ada@example.com",
        "status": "active",
        "fee_tier": 0,
        "limits": {"max_open_orders": None},
    }


def test_signing_in_with_a_wrong_password_or_address_is_refused_alike():
    make_trader(email="ada@example.com", password=PASSWORD)
    wrong = assert_problem(post("token", {"email": "ada@example.com", "password": "nope"}), 401, "unauthenticated")
    unknown = assert_problem(post("token", {"email": "eve@example.com", "password": "nope"}), 401, "unauthenticated")
    assert wrong["detail"] == unknown["detail"]


def test_signing_in_as_an_inactive_user_is_refused():
    make_trader(email="ada@example.com", password=PASSWORD)
    User.objects.update(is_active=False)
    assert_problem(post("token", {"email": "ada@example.com", "password": PASSWORD}), 401, "unauthenticated")


def test_a_one_time_password_that_nothing_checks_is_refused():
    make_trader(email="ada@example.com", password=PASSWORD)
    body = {"email": "ada@example.com", "password": PASSWORD, "otp": "123456"}
    assert_problem(post("token", body), 400, "invalid_value", "otp")
    # Who does not know the password learns nothing about a second factor.
    assert_problem(post("token", body | {"password": "nope"}), 401, "unauthenticated")


def test_signing_in_without_a_trading_account_is_forbidden():
    user = make_user(password=PASSWORD)
    assert_problem(post("token", {"email": user.email, "password": PASSWORD}), 403, "forbidden")


def test_refreshing_works_once_a_token():
    first = issue_tokens(make_trader())
    second = post("token/refresh", {"refresh": first.refresh})
    assert second.status_code == 200
    assert_problem(post("token/refresh", {"refresh": first.refresh}), 401, "unauthenticated")
    assert post("token/refresh", {"refresh": second.json()["refresh"]}).status_code == 200


def test_refreshing_for_an_inactive_user_is_refused():
    tokens = issue_tokens(make_trader())
    User.objects.update(is_active=False)
    assert_problem(post("token/refresh", {"refresh": tokens.refresh}), 401, "unauthenticated")


def test_refreshing_with_an_access_token_is_refused():
    assert_problem(post("token/refresh", {"refresh": issue_tokens(make_trader()).access}), 401, "unauthenticated")


def test_signing_out_revokes_the_refresh_token():
    tokens = issue_tokens(make_trader())
    response = post("logout", {"refresh": tokens.refresh})
    assert (response.status_code, response.content) == (204, b"")
    assert_problem(post("token/refresh", {"refresh": tokens.refresh}), 401, "unauthenticated")


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic YTpi", "Token x"])
def test_a_private_operation_without_a_valid_token_is_refused(header):
    client = APIClient()
    if header is not None:
        client.credentials(HTTP_AUTHORIZATION=header)
    response = client.get("/api/v1/balances")
    assert_problem(response, 401, "unauthenticated")
    assert response["WWW-Authenticate"] == "Bearer"


def test_an_expired_token_is_refused():
    account = make_trader()
    token = AccessToken()
    token["user_id"] = str(account.user_id)
    token["account_id"] = account.id
    token.set_exp(lifetime=timedelta(seconds=-1))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert_problem(client.get("/api/v1/balances"), 401, "unauthenticated")


def test_a_refresh_token_opens_nothing():
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_tokens(make_trader()).refresh}")
    assert_problem(client.get("/api/v1/balances"), 401, "unauthenticated")


def test_verifying_a_token_asks_no_database():
    account = make_trader()
    access = issue_tokens(account).access
    with CaptureQueriesContext(connection) as queries:
        trader, _ = authenticate_token(access)
    assert len(queries) == 0
    assert (trader.user_id, trader.account_id) == (account.user_id, account.id)


def test_a_private_read_costs_its_own_query_only(django_assert_num_queries):
    client = make_client(make_trader())
    with django_assert_num_queries(1):
        assert client.get("/api/v1/balances").status_code == 200
