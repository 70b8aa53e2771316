"""What two callers may ask for at the same moment, and only one may get."""

import pytest
from rest_framework.test import APIClient

from accounts.models import Account, User
from accounts.sessions import issue_tokens
from accounts.tests.builders import make_trader
from accounts.tests.rivals import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def post_at_once(path, body, count=4):
    """Send the same request from several threads at once; returns the statuses."""
    return sorted(at_once([lambda: APIClient().post(path, body, format="json").status_code] * count))


def test_an_address_is_registered_once():
    body = {"email": "ada@example.com", "password": "correct horse battery"}
    assert post_at_once("/api/v1/auth/register", body) == [201, 400, 400, 400]
    assert (User.objects.count(), Account.objects.filter(kind="trader").count()) == (1, 1)


@pytest.mark.usefixtures("_limited")
def test_many_guesses_at_once_are_no_more_than_one_by_one():
    make_trader(email="ada@example.com", password="correct horse battery")
    body = {"email": "ada@example.com", "password": "nope"}
    assert post_at_once("/api/v1/auth/token", body, 8) == [401] * 5 + [429] * 3


def test_a_refresh_token_is_renewed_once():
    body = {"refresh": issue_tokens(make_trader()).refresh}
    assert post_at_once("/api/v1/auth/token/refresh", body) == [200, 401, 401, 401]
