"""Deposits and withdrawals through the HTTP API."""

import time
from decimal import Decimal

import pytest

from accounts import funding
from accounts.callers import RECENT_SECONDS, Trader
from accounts.errors import DomainError
from accounts.issuing import issue_key
from accounts.models import Account, Balance, Deposit, Scope, Withdrawal
from accounts.tests.builders import confirm_email, make_asset, make_client, make_trader, make_user
from accounts.tests.signing import call
from accounts.tests.test_api_authentication import assert_problem

pytestmark = pytest.mark.django_db

DEPOSITS, WITHDRAWALS = "/api/v1/deposits", "/api/v1/withdrawals"
WITHDRAWAL = {"asset": "usd", "amount": "60.5", "destination": "IBAN 1"}


@pytest.fixture
def trader() -> Account:
    make_asset("USD", scale=2)
    return confirm_email(make_trader(funds={"USD": "100"}))


def post(account: Account, path: str, body: object, scope: Scope = Scope.WITHDRAW):
    """Ask with an API key, which needs no recent sign-in."""
    return call(issue_key(account_id=account.id, name="bot", scopes=[scope]), "POST", path, body)


def test_withdrawal_is_held_listed_and_taken_back(trader):
    response = post(trader, WITHDRAWALS, WITHDRAWAL)
    assert response.status_code == 201, response.content
    made = response.json()
    assert {name: made[name] for name in ("asset", "amount", "status", "destination", "reason")} == {
        "asset": "USD", "amount": "60.50", "status": "Pending", "destination": "IBAN 1", "reason": None,
    }  # fmt: skip
    assert set(made) == {"id", "asset", "amount", "status", "destination", "reason", "created_at", "updated_at"}
    assert Balance.objects.get(account=trader).held == Decimal("60.5")

    client = make_client(trader)
    assert client.get(WITHDRAWALS).json() == {"results": [made], "next_cursor": None}
    canceled = client.delete(f"{WITHDRAWALS}/{made['id']}")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "Canceled")
    assert Balance.objects.get(account=trader).held == 0
    (fault,) = assert_problem(client.delete(f"{WITHDRAWALS}/{made['id']}"), 409, "not_pending", "status")["errors"]
    assert (fault["limit"], fault["value"]) == ("Pending", "Canceled")


def test_deposit_is_listed_and_taken_back(trader):
    client = make_client(trader)
    response = client.post(DEPOSITS, {"asset": "USD", "amount": "12.34"}, format="json")
    assert response.status_code == 201, response.content
    made = response.json()
    assert (made["amount"], made["status"], made["destination"]) == ("12.34", "Pending", None)
    assert client.get(DEPOSITS).json() == {"results": [made], "next_cursor": None}
    assert client.delete(f"{DEPOSITS}/{made['id']}").json()["status"] == "Canceled"
    assert_problem(client.delete(f"{DEPOSITS}/{made['id']}"), 409, "not_pending", "status")


def test_lists_are_filtered_and_paged_newest_first_by_one_query(trader, django_assert_num_queries):
    make_asset("BTC")
    asked = [
        funding.request_deposit(account_id=trader.id, asset=make_asset("USD"), amount=Decimal(amount)).id
        for amount in (1, 2, 3)
    ]
    funding.reject_deposit(asked[1], by=make_user(), reason="Nothing came.")
    client = make_client(trader)
    with django_assert_num_queries(1):
        page = client.get(f"{DEPOSITS}?limit=2").json()
    assert [row["id"] for row in page["results"]] == asked[:0:-1]
    rest = client.get(f"{DEPOSITS}?limit=2&cursor={page['next_cursor']}").json()
    assert ([row["id"] for row in rest["results"]], rest["next_cursor"]) == (asked[:1], None)
    (rejected,) = client.get(f"{DEPOSITS}?status=rejected&asset=usd").json()["results"]
    assert rejected["reason"] == "Nothing came."
    assert client.get(f"{DEPOSITS}?asset=BTC").json()["results"] == []
    assert make_client(make_trader()).get(DEPOSITS).json()["results"] == []


@pytest.mark.parametrize(
    ("path", "change", "field", "limit", "value"),
    [
        (WITHDRAWALS, {"amount": "-1"}, "amount", "0", "-1"),
        (WITHDRAWALS, {"amount": "0"}, "amount", "0", "0"),
        (WITHDRAWALS, {"amount": "NaN"}, "amount", None, "NaN"),
        (WITHDRAWALS, {"amount": "1e3"}, "amount", None, "1e3"),
        (WITHDRAWALS, {"amount": 1.5}, "amount", None, "1.5"),
        (WITHDRAWALS, {"amount": "9" * 41}, "amount", 40, 41),
        (WITHDRAWALS, {"amount": "1" + "0" * 18}, "amount", "1" + "0" * 18, "1" + "0" * 18),
        (WITHDRAWALS, {"amount": "1.001"}, "amount", 2, "1.001"),
        (WITHDRAWALS, {"destination": ""}, "destination", 256, ""),
        (WITHDRAWALS, {"destination": "x" * 257}, "destination", 256, "x" * 64),
        (WITHDRAWALS, {"destination": "a\nb"}, "destination", 256, "a\\nb"),
        (WITHDRAWALS, {"asset": "XXX"}, "asset", None, "XXX"),
        (DEPOSITS, {"amount": "1.001"}, "amount", 2, "1.001"),
        (DEPOSITS, {"asset": None}, "asset", None, None),
    ],
)
def test_what_is_wrong_is_named_with_limit_and_value(trader, path, change, field, limit, value):
    body = {name: text for name, text in WITHDRAWAL.items() if path == WITHDRAWALS or name != "destination"} | change
    response = post(trader, path, body, Scope.WITHDRAW if path == WITHDRAWALS else Scope.TRADE)
    code = "missing_field" if change.get("asset", "") is None else "invalid_value"
    (fault,) = assert_problem(response, 400, code, field)["errors"]
    assert (fault.get("limit"), fault.get("value")) == (limit, value)
    assert (Withdrawal.objects.count(), Deposit.objects.count()) == (0, 0)


def test_refusals_of_withdrawals(trader):
    (fault,) = assert_problem(
        post(trader, WITHDRAWALS, WITHDRAWAL | {"amount": "100.01"}), 422, "insufficient_funds", "amount"
    )["errors"]
    assert (fault["limit"], fault["value"]) == ("100.00", "100.01")
    assert_problem(post(make_trader(funds={"USD": "100"}), WITHDRAWALS, WITHDRAWAL), 403, "forbidden", "email")


def test_token_needs_a_sign_in_of_a_short_while_ago(trader):
    for auth_at in (None, int(time.time()) - RECENT_SECONDS - 5):
        with pytest.raises(DomainError):
            Trader(trader.user_id, trader.id, auth_at=auth_at).require_recent()
    Trader(trader.user_id, trader.id, auth_at=int(time.time())).require_recent()


@pytest.mark.parametrize("path", [DEPOSITS, WITHDRAWALS])
def test_what_is_anothers_is_not_there(trader, path):
    usd = make_asset("USD")
    if path == DEPOSITS:
        row = funding.request_deposit(account_id=trader.id, asset=usd, amount=Decimal(1))
    else:
        row = funding.request_withdrawal(account_id=trader.id, asset=usd, amount=Decimal(1), destination="IBAN 1")
    for request_id in (row.pk, 2**63):
        assert_problem(make_client(make_trader()).delete(f"{path}/{request_id}"), 404, "not_found")
