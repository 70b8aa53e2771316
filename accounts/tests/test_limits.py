"""Limits of signing up and in, and what becomes of them without Redis."""

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.builders import make_trader
from accounts.tests.test_api_authentication import PASSWORD, assert_problem, post
from exchange.cache import ForgivingCache

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_limited")]

ADA = {"email": "ada@example.com", "password": PASSWORD}


def fail(email, *, address="127.0.0.1"):
    client = APIClient(REMOTE_ADDR=address)
    return post("token", {"email": email, "password": "nope"}, client)


def assert_limited(response, limit):
    assert_problem(response, 429, "rate_limited")
    assert 0 < int(response["Retry-After"]) <= 300
    assert response["X-RateLimit-Reset"] == response["Retry-After"]
    assert (response["X-RateLimit-Limit"], response["X-RateLimit-Remaining"]) == (str(limit), "0")


def test_failures_of_an_address_of_mail_are_limited_whoever_tries():
    make_trader(**ADA)
    for number in range(5):
        host = {"HTTP_HOST": f"host-{number}.example"}
        body = {"email": "Ada@example.com", "password": "nope"}
        client = APIClient(REMOTE_ADDR=f"192.0.2.{number}", **host)
        assert post("token", body, client).status_code == 401
    assert_limited(post("token", ADA), 5)
    assert fail("bob@example.com").status_code == 401


def test_failures_of_a_client_are_limited_whomever_it_tries():
    for number in range(10):
        assert fail(f"user-{number}@example.com").status_code == 401
    assert_limited(fail("ada@example.com"), 10)
    assert fail("ada@example.com", address="192.0.2.1").status_code == 401


def test_the_right_password_is_never_limited():
    make_trader(**ADA)
    for _ in range(12):
        assert post("token", ADA).status_code == 200


def test_pages_and_api_share_the_limit(client):
    make_trader(**ADA)
    for _ in range(5):
        client.post("/account/login/", {"login": "ada@example.com", "password": "nope"})
    assert_limited(post("token", ADA), 5)


def test_sign_ups_are_limited(settings, mails):
    settings.ACCOUNT_RATE_LIMITS = {"signup": "1/m/ip"}
    assert post("register", ADA).status_code == 201
    assert_limited(post("register", ADA | {"email": "bob@example.com"}), 1)
    assert User.objects.count() == 1


def test_the_setting_turns_all_limits_off(settings):
    settings.ACCOUNT_RATE_LIMITS = False
    for _ in range(12):
        assert fail("ada@example.com").status_code == 401


@pytest.fixture
def _no_redis(settings, monkeypatch):
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1"}}
    monkeypatch.setattr(ForgivingCache, "_away_until", 0.0)


@pytest.mark.usefixtures("_no_redis")
def test_signing_in_needs_no_redis(client):
    make_trader(**ADA)
    for _ in range(6):
        assert fail("ada@example.com").status_code == 401
    assert post("token", ADA).status_code == 200
    form = {"login": "ada@example.com", "password": PASSWORD}
    assert client.post("/account/login/", form).status_code == 302
    assert client.session["_auth_user_id"] == str(User.objects.get().id)
