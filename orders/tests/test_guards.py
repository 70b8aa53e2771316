"""Keep a dead man's switch and a market maker's protection by the API."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from accounts.errors import DomainError
from accounts.ledger import deposit
from accounts.models import Account, AccountStatus
from accounts.tests.builders import make_asset, make_client, make_trader
from orders.models import Command, DeadManSwitch, Market, MarketMakerProtection
from orders.tests.builders import make_market, place_order
from trading.tests.builders import check_books_and_ledger, match, told

pytestmark = pytest.mark.django_db

CANCEL_AFTER = "/api/v1/orders/cancel-after"
PROTECTION = "/api/v1/market-maker-protection"
LIMITS = {"symbol": "BTC/USD", "window_ms": 500, "quantity_limit": "2.5"}
SHOWN = {"symbol": "BTC/USD", "window_ms": 500, "quantity_limit": "2.50000", "tripped_at": None}


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def account() -> Account:
    return make_trader()


@pytest.fixture
def client(account: Account) -> APIClient:
    return make_client(account)


def trip(account: Account) -> None:
    own = MarketMakerProtection.objects.filter(account=account)
    own.update(tripped_at=datetime(2026, 1, 31, tzinfo=UTC), tripped_sequence=7)


def test_the_countdown_starts_anew_with_each_call(client, account):
    ends = []
    for seconds in (60, 86_400, 1):
        response = client.post(CANCEL_AFTER, {"timeout_seconds": seconds}, format="json")
        assert response.status_code == 200
        ends.append(datetime.fromisoformat(response.json()["expires_at"]))
        assert timedelta(0) <= datetime.now(UTC) + timedelta(seconds=seconds) - ends[-1] < timedelta(seconds=5)
    assert DeadManSwitch.objects.values_list("account_id", "expires_at").get() == (account.id, ends[-1])


def test_zero_turns_it_off_however_often(client):
    client.post(CANCEL_AFTER, {"timeout_seconds": 60}, format="json")
    for _ in range(2):
        response = client.post(CANCEL_AFTER, {"timeout_seconds": 0}, format="json")
        assert (response.status_code, response.json()) == (200, {"expires_at": None})
    assert not DeadManSwitch.objects.exists()


def test_everybody_has_their_own_switch(client, account):
    other = make_trader()
    make_client(other).post(CANCEL_AFTER, {"timeout_seconds": 60}, format="json")
    client.post(CANCEL_AFTER, {"timeout_seconds": 60}, format="json")
    client.post(CANCEL_AFTER, {"timeout_seconds": 0}, format="json")
    assert DeadManSwitch.objects.get().account_id == other.id


def test_a_frozen_account_keeps_its_guards(client, account, market):
    Account.objects.filter(id=account.id).update(status=AccountStatus.FROZEN)
    assert client.post(CANCEL_AFTER, {"timeout_seconds": 60}, format="json").status_code == 200
    assert client.put(PROTECTION, LIMITS, format="json").status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing_field"),
        ({"timeout_seconds": None}, "missing_field"),
        ({"timeout_seconds": -1}, "invalid_value"),
        ({"timeout_seconds": 86_401}, "invalid_value"),
        ({"timeout_seconds": 1.5}, "invalid_value"),
        ({"timeout_seconds": True}, "invalid_value"),
        ({"timeout_seconds": "soon"}, "invalid_value"),
        ({"timeout_seconds": 60, "symbol": "BTC/USD"}, "unknown_field"),
    ],
)
def test_a_wrong_time_is_refused(client, body, code):
    response = client.post(CANCEL_AFTER, body, format="json")
    assert (response.status_code, response.json()["code"]) == (400, code)
    assert not DeadManSwitch.objects.exists()


def test_guards_need_a_caller(market):
    client = APIClient()
    assert client.post(CANCEL_AFTER, {"timeout_seconds": 60}, format="json").status_code == 401
    for call in (client.get, client.put, client.delete):
        assert call(PROTECTION).status_code == 401
    assert client.post(f"{PROTECTION}/reset").status_code == 401


def test_a_protection_is_set_changed_listed_and_given_up(client, market):
    assert client.get(PROTECTION).json() == {"results": []}
    assert client.put(PROTECTION, LIMITS, format="json").json() == SHOWN
    assert client.put(PROTECTION, LIMITS | {"window_ms": 3_600_000}, format="json").json()["window_ms"] == 3_600_000
    assert client.get(PROTECTION).json() == {"results": [SHOWN | {"window_ms": 3_600_000}]}
    response = client.delete(f"{PROTECTION}?symbol=btc-usd")
    assert (response.status_code, response.content) == (204, b"")
    assert client.get(PROTECTION).json() == {"results": []}


def test_protections_leave_the_rules_of_the_market_as_they_are_for_everybody_else(client, market):
    client.put(PROTECTION, LIMITS, format="json")
    client.delete(f"{PROTECTION}?symbol=BTC/USD")
    assert Market.objects.get().rules_version == market.rules_version


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"window_ms": 0}, 400, "invalid_value"),
        ({"window_ms": 3_600_001}, 400, "invalid_value"),
        ({"quantity_limit": "0"}, 400, "invalid_value"),
        ({"quantity_limit": "1e3"}, 400, "invalid_value"),
        ({"quantity_limit": None}, 400, "missing_field"),
        ({"quantity_limit": "0.000001"}, 422, "quantity_off_lot"),
        ({"symbol": "BTC/EUR"}, 404, "unknown_symbol"),
        ({"wish": 1}, 400, "unknown_field"),
    ],
)
def test_wrong_limits_are_refused(client, market, change, status, code):
    response = client.put(PROTECTION, LIMITS | change, format="json")
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not MarketMakerProtection.objects.exists()


def test_one_that_has_tripped_says_so_and_stays_until_it_is_reset(client, account, market):
    client.put(PROTECTION, LIMITS, format="json")
    trip(account)
    shown = client.get(PROTECTION).json()["results"][0]
    assert shown["tripped_at"] == "2026-01-31T00:00:00.000000Z"
    response = client.delete(f"{PROTECTION}?symbol=BTC/USD")
    assert (response.status_code, response.json()["code"]) == (409, "protection_tripped")
    assert client.put(PROTECTION, LIMITS | {"quantity_limit": "3"}, format="json").json() == shown | {
        "quantity_limit": "3.00000"
    }


def test_a_reset_is_a_command(client, account, market):
    client.put(PROTECTION, LIMITS, format="json")
    trip(account)
    response = client.post(f"{PROTECTION}/reset", {"symbol": "BTC-USD"}, format="json")
    assert response.status_code == 202
    assert response.json()["tripped_at"] is not None
    command = Command.objects.get()
    assert (command.kind, command.market_id, command.account_id, command.payload) == (
        "protect",
        market.id,
        account.id,
        {"on": False},
    )


def test_nobody_touches_anothers_protection(client, market):
    other = make_trader()
    make_client(other).put(PROTECTION, LIMITS, format="json")
    assert client.get(PROTECTION).json() == {"results": []}
    assert client.delete(f"{PROTECTION}?symbol=BTC/USD").json()["code"] == "not_found"
    assert client.post(f"{PROTECTION}/reset", {"symbol": "BTC/USD"}, format="json").json()["code"] == "not_found"
    assert MarketMakerProtection.objects.get().quantity_limit == Decimal("2.5")
    assert not Command.objects.exists()


@pytest.mark.parametrize("query", ["", "?symbol=", "?symbols=BTC/USD"])
def test_which_one_is_given_up_must_be_said(client, market, query):
    assert client.delete(f"{PROTECTION}{query}").status_code == 400


def test_a_protection_trips_refuses_and_is_reset(client, account, market):
    """From the first fill too many to the first order taken again."""
    deposit(account=account, asset=make_asset("BTC"), amount=Decimal(100))
    taker = make_trader(funds={"USD": "10000"})
    sell = {"side": "Sell", "market_maker_protection": True}
    client.put(PROTECTION, LIMITS, format="json")
    filled, left = place_order(account, **sell, quantity="3"), place_order(account, **sell, price="101")
    other = place_order(account, side="Sell", price="102")
    match()
    assert client.get(PROTECTION).json() == {"results": [SHOWN]}

    place_order(taker, quantity="3")
    match()

    assert told(filled) == "Filled 3 of 3 for 300"
    assert told(left) == "Canceled 0 of 1 for 0: market_maker_protection"
    assert told(other) == "New 0 of 1 for 0"
    assert client.get(PROTECTION).json()["results"][0]["tripped_at"] is not None
    with pytest.raises(DomainError) as refused:
        place_order(account, **sell)
    assert refused.value.code == "market_maker_protection"

    client.post(f"{PROTECTION}/reset", {"symbol": "BTC/USD"}, format="json")
    match()

    assert client.get(PROTECTION).json() == {"results": [SHOWN]}
    taken = place_order(account, **sell)
    match()
    assert told(taken) == "New 0 of 1 for 0"
    assert client.delete(f"{PROTECTION}?symbol=BTC/USD").status_code == 204
    check_books_and_ledger()
