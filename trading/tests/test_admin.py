"""Open every page of the back office, and try to change there what is final."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import models
from django.test import Client
from django.urls import reverse

from accounts.models import Account, ApiKey, Balance, Deposit, Transfer, User, Withdrawal
from accounts.tests.builders import make_trader
from orders.intake import Placed, place
from orders.models import (
    Command,
    DeadManSwitch,
    DisconnectLease,
    FeeRate,
    Market,
    MarketMakerProtection,
    MarketState,
    Order,
)
from orders.requests import read_new_order
from orders.tests.builders import make_market
from trading.models import Batch, MaintenanceRun, Prevention, Trade

pytestmark = pytest.mark.django_db

FINAL = (
    Balance,
    Transfer,
    MarketState,
    Order,
    Command,
    DeadManSwitch,
    DisconnectLease,
    Trade,
    Prevention,
    Batch,
    MaintenanceRun,
)
OURS = [model for model in admin.site._registry if model is not LogEntry]


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("operator@example.com", None))
    return client


@pytest.fixture
def venue() -> Market:
    """One row, at least, of everything."""
    market = make_market("BTC/USD", tick_size="0.01", lot_size="0.00001", maker_fee=Decimal("0.001"))
    buyer, seller = make_trader(email="buyer@example.com", funds={"USD": "1000000"}), make_trader(funds={"BTC": "10"})
    asked = {"symbol": "BTC/USD", "order_type": "Limit", "quantity": "1", "price": "50000"}
    buy, sell = (
        _placed(account, {**asked, "side": side, "client_order_id": f"first-{side}"})
        for account, side in ((buyer, "Buy"), (seller, "Sell"))
    )
    match = {
        "market": market, "sequence": 2, "ordinal": 0, "price": Decimal("50000"), "quantity": Decimal(1),
        "maker_order": buy, "taker_order": sell, "maker_account": buyer, "taker_account": seller,
    }  # fmt: skip
    fees = {"maker_fee": Decimal(0), "taker_fee": Decimal(0)}
    Trade.objects.create(side="Sell", quote_amount=Decimal("50000"), **match, **fees)
    Prevention.objects.create(mode="CancelNewest", **match)
    Batch.objects.create(
        market=market, first_sequence=1, last_sequence=2, engine_version=1, trades=1, hash=b"\x01" * 32
    )
    MaintenanceRun.objects.create(kind="ledger", started_at=datetime(2024, 1, 1, tzinfo=UTC))
    FeeRate.objects.create(tier=1, **fees)
    DeadManSwitch.objects.create(account=buyer, expires_at=datetime(2100, 1, 1, tzinfo=UTC))
    DisconnectLease.objects.create(account=buyer, expires_at=datetime(2100, 1, 1, tzinfo=UTC))
    MarketMakerProtection.objects.create(account=buyer, market=market, window_ms=500, quantity_limit=Decimal(1))
    return market


def _placed(account: Account, body: dict[str, Any]) -> Order:
    (outcome,) = place(account.id, [read_new_order(body)])
    assert isinstance(outcome, Placed)
    return outcome.order


def _url(model: type[models.Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_every_page_opens(model: type[models.Model], operator: Client, venue: Market) -> None:
    assert operator.get(_url(model, "changelist")).status_code == 200
    assert operator.get(_url(model, "changelist"), {"q": "1 buyer@example.com"}).status_code == 200
    for row in model._default_manager.all()[:3]:
        assert operator.get(_url(model, "change", row.pk)).status_code == 200
    may_add = model not in (*FINAL, Account, ApiKey, Deposit, Withdrawal)
    assert operator.get(_url(model, "add")).status_code == (200 if may_add else 403)


@pytest.mark.parametrize("model", FINAL, ids=lambda model: model._meta.model_name)
def test_final_records_refuse_every_change(model: type[models.Model], operator: Client, venue: Market) -> None:
    rows = list(model._default_manager.values())
    for page in ("change", "delete"):
        assert operator.post(_url(model, page, rows[0][model._meta.pk.attname]), {"post": "yes"}).status_code == 403
    assert operator.post(_url(model, "add"), {}).status_code == 403
    delete = {
        "action": "delete_selected",
        "_selected_action": [row.pk for row in model._default_manager.all()],
        "post": "yes",
    }
    operator.post(_url(model, "changelist"), delete)
    assert list(model._default_manager.values()) == rows


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.model_name)
def test_lists_cost_few_queries(
    model: type[models.Model], operator: Client, venue: Market, django_assert_max_num_queries: Any
) -> None:
    """Session, user, filters' choices, a bounded count and one page: not one query a row."""
    for email in ("a@example.com", "b@example.com", "c@example.com"):
        make_trader(email=email, funds={"USD": "1"})
    operator.get(_url(model, "changelist"))  # that a session was used is noted once a minute
    with django_assert_max_num_queries(11):
        operator.get(_url(model, "changelist"))


@pytest.mark.parametrize(
    ("model", "query", "found"),
    [
        (Order, "buyer@example.com", 1),
        (Order, "BUYER@example.com", 1),
        (Order, "nobody@example.com", 0),
        (Order, "first-Sell", 1),
        (Order, "buyer@example.com first-Sell", 0),
        (Order, "first", 0),
        (Order, "99999999999999999999999", 0),
        (Trade, "buyer@example.com", 1),
        (Trade, "ORDER", 1),
        (Command, "ORDER", 1),
        (Transfer, "buyer@example.com", 1),
        (Balance, "buyer@example.com", 2),
    ],
)
def test_search_is_by_exact_keys(
    model: type[models.Model], query: str, found: int, operator: Client, venue: Market
) -> None:
    # Rows of other tables must not happen to have the order's id.
    order_id = str(Order.objects.order_by("id").values_list("id", flat=True)[0])
    Account.objects.filter(name="").update(name="trader")
    response = operator.get(_url(model, "changelist"), {"q": query.replace("ORDER", order_id)})
    shown = [row.pk for row in response.context["cl"].result_list]
    if query == "ORDER":
        key = "order_id" if model is Command else "maker_order_id"
        assert set(model._default_manager.filter(**{key: order_id}).values_list("pk", flat=True)) <= set(shown)
    else:
        assert len(shown) == found


def test_amounts_are_shown_without_padding(operator: Client, venue: Market) -> None:
    page = operator.get(_url(Trade, "changelist")).content.decode()
    assert ">50000<" in "".join(page.split())
    assert "50000.0000" not in page


def test_an_operator_signs_in_by_email(client: Client) -> None:
    User.objects.create_superuser("operator@example.com", "correct-horse")
    form = {"login": "Operator@Example.com", "password": "correct-horse", "next": "/admin/"}
    assert client.post(reverse("account_login"), form)["Location"] == "/admin/"
    assert client.get(reverse("admin:index")).status_code == 200


def test_a_trader_may_not_enter(client: Client, venue: Market) -> None:
    client.force_login(User.objects.get(email="buyer@example.com"))
    assert client.get(reverse("admin:index")).status_code == 302
