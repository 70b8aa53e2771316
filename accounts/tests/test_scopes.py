"""What each private operation needs of an API key: all of them, so that a new one does not come without a decision."""

import pytest
from django.urls import get_resolver

from accounts.callers import ALL_SCOPES, Trader
from accounts.issuing import issue_key
from accounts.models import Scope
from accounts.tests.builders import make_client, make_trader
from accounts.tests.signing import call
from accounts.tests.test_api_authentication import assert_problem
from orders.tests.builders import make_market

pytestmark = pytest.mark.django_db

METHODS = ("get", "post", "put", "patch", "delete")
TOKEN = "token"
"""What needs an access token."""

NEEDED = {
    ("GET", "account"): "read",
    ("GET", "balances"): "read",
    ("GET", "ledger"): "read",
    ("GET", "fees"): "read",
    ("GET", "deposits"): "read",
    ("POST", "deposits"): "trade",
    ("DELETE", "deposits/1"): "trade",
    ("GET", "withdrawals"): "read",
    ("POST", "withdrawals"): "withdraw",
    ("DELETE", "withdrawals/1"): "withdraw",
    ("GET", "orders"): "read",
    ("POST", "orders"): "trade",
    ("DELETE", "orders"): "trade",
    ("POST", "orders/test"): "trade",
    ("POST", "orders/batch"): "trade",
    ("POST", "orders/cancel-after"): "trade",
    ("GET", "orders/1"): "read",
    ("PATCH", "orders/1"): "trade",
    ("DELETE", "orders/1"): "trade",
    ("GET", "orders/1/events"): "read",
    ("GET", "market-maker-protection"): "read",
    ("PUT", "market-maker-protection"): "trade",
    ("DELETE", "market-maker-protection"): "trade",
    ("POST", "market-maker-protection/reset"): "trade",
    ("GET", "fills"): "read",
    ("GET", "preventions"): "read",
    ("GET", "auth/keys"): TOKEN,
    ("POST", "auth/keys"): TOKEN,
    ("DELETE", "auth/keys/1"): TOKEN,
}
PUBLIC = {
    ("POST", "auth/register"),
    ("POST", "auth/token"),
    ("POST", "auth/token/refresh"),
    ("POST", "auth/logout"),
}
"""What asks for no credentials in a header, but is no public data either: it takes a password or a refresh token in its body."""


def operations():
    """List the methods and paths below /api/v1/ with their views, each id being 1."""
    prefix = "api/v1/"
    for included in get_resolver().url_patterns:
        patterns = included.url_patterns if hasattr(included, "url_patterns") else [included]
        start = str(included.pattern) if hasattr(included, "url_patterns") else ""
        for pattern in patterns:
            path = start + str(pattern.pattern)
            view = getattr(pattern.callback, "view_class", None)
            if path.startswith(prefix) and view is not None:
                for name in list(pattern.pattern.converters):
                    path = path.replace(f"<int:{name}>", "1")
                for method in METHODS:
                    if hasattr(view, method):
                        yield method.upper(), path.removeprefix(prefix), view


def test_every_private_operation_is_listed_with_what_it_needs():
    private = {(method, path) for method, path, view in operations() if view.permission_classes}
    assert private == set(NEEDED)


def test_what_is_public_looks_at_no_credentials():
    public = {(method, path): view for method, path, view in operations() if not view.permission_classes}
    assert PUBLIC - set(public) == set()
    assert {method for method, _ in set(public) - PUBLIC} == {"GET"}
    assert all(list(view.authentication_classes) == [] for view in public.values())


@pytest.mark.parametrize(("operation", "needed"), NEEDED.items(), ids=str)
def test_an_operation_is_refused_without_its_scope_and_not_with_it(operation, needed):
    make_market()
    trader = make_trader()
    method, path = operation
    for scope in Scope:
        key = issue_key(account_id=trader.id, name="bot", scopes=[scope])
        response = call(key, method, f"/api/v1/{path}")
        if needed == scope:
            assert response.status_code in (200, 202, 400, 404), response.content
        elif needed == TOKEN:
            assert_problem(response, 403, "forbidden")
        else:
            (fault,) = assert_problem(response, 403, "forbidden", "scopes")["errors"]
            assert (fault["limit"], fault["value"]) == (needed, [scope])
    assert make_client(trader).generic(method, f"/api/v1/{path}").status_code not in (401, 403)


def test_a_token_has_all_scopes():
    assert Trader(1, 1).scopes == ALL_SCOPES == set(Scope)
