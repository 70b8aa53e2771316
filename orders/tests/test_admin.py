"""Look after markets in the back office."""

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from accounts.models import Account, User
from accounts.tests.builders import make_asset, make_trader
from orders.intake import place
from orders.models import Command, FeeRate, Market, MarketMakerProtection
from orders.protection import set_protection
from orders.requests import read_new_order
from orders.rules import rules_of_market
from orders.tests.builders import make_market

pytestmark = pytest.mark.django_db

FORM = {
    "tick_size": "0.01", "lot_size": "0.00001", "protection_band": "0.1", "maker_fee": "0.001", "taker_fee": "0.002",
    "order_types": ["Limit", "Market"], "call_seconds": "120", "call_random_seconds": "30", "shard": "0",
}  # fmt: skip


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("operator@example.com", None))
    return client


def _add(client: Client, **changes: Any) -> Any:
    form = FORM | {"base": make_asset("BTC").id, "quote": make_asset("USD").id} | changes
    return client.post(reverse("admin:orders_market_add"), form)


def _change(client: Client, market: Market, **changes: Any) -> Any:
    return client.post(reverse("admin:orders_market_change", args=[market.id]), FORM | changes)


def test_a_market_is_added_with_all_it_needs(operator: Client) -> None:
    response = _add(operator)
    assert response.status_code == 302
    market = Market.objects.get()
    assert (market.symbol, market.fee_account.kind, market.state.phase) == ("BTC/USD", "fees", "Continuous")
    assert LogEntry.objects.get().object_id == str(market.id)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("tick_size", "0.0001", "would have to be rounded"),
        ("tick_size", "0", "Must be more than 0"),
        ("lot_size", "abc", "Enter a number"),
        ("maker_fee", "1", "less than 1"),
        ("price_band", "2", "less than 1"),
        ("min_quantity", "0.000001", "Must be a positive multiple of 0.00001"),
        ("order_types", [], "required"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(operator: Client, field: str, value: Any, message: str) -> None:
    response = _add(operator, **{field: value})
    assert message in " ".join(response.context["adminform"].form.errors[field])
    assert not Market.objects.exists()
    market = make_market("BTC/USD")
    response = _change(operator, market, **{field: value})
    assert message in " ".join(response.context["adminform"].form.errors[field])


def test_a_change_of_the_rules_raises_their_version(operator: Client) -> None:
    market = make_market("BTC/USD")
    assert _change(operator, market, price_band="0.2", max_open_orders="7").status_code == 302
    changed = Market.objects.get()
    assert (changed.price_band, changed.max_open_orders, changed.tick_size) == (Decimal("0.2"), 7, Decimal("0.01"))
    assert changed.rules_version == market.rules_version + 1


def test_tick_and_lot_are_only_shown_once_there_are_orders(operator: Client) -> None:
    market = make_market("BTC/USD")
    assert _change(operator, market, tick_size="0.1").status_code == 302
    assert Market.objects.get().tick_size == Decimal("0.1")
    body = {"symbol": "BTC/USD", "side": "Buy", "order_type": "Limit", "price": "10", "quantity": "1"}
    make_market("ETH/USD")
    place(make_trader(funds={"USD": "1000"}).id, [read_new_order(body)])
    assert _change(operator, market, tick_size="1", base=make_asset("ETH").id, taker_fee="0.003").status_code == 302
    changed = Market.objects.get(id=market.id)
    assert (changed.tick_size, changed.symbol, changed.taker_fee) == (Decimal("0.1"), "BTC/USD", Decimal("0.003"))
    page = operator.get(reverse("admin:orders_market_change", args=[market.id]))
    assert "tick_size" not in page.context["adminform"].form.fields


def test_a_market_gets_hours_calls_and_bands(operator: Client) -> None:
    market = make_market("BTC/USD")
    wanted = {
        "opens_at": "08:00",
        "closes_at": "16:30",
        "volatility_band": "0.05",
        "auction_band": "0.1",
        "call_seconds": "60",
    }
    assert _change(operator, market, **wanted, max_stop_orders="5", max_iceberg_orders="3").status_code == 302
    changed = Market.objects.get()
    assert (changed.opens_at, changed.closes_at) == (time(8), time(16, 30))
    assert (changed.volatility_band, changed.auction_band) == (Decimal("0.05"), Decimal("0.1"))
    assert (changed.call_seconds, changed.max_stop_orders, changed.max_iceberg_orders) == (60, 5, 3)


def test_a_market_has_both_hours_or_none(operator: Client) -> None:
    response = _change(operator, make_market("BTC/USD"), opens_at="08:00")
    assert "both times or neither" in str(response.context["adminform"].form.errors["closes_at"])


def test_a_fee_rate_is_for_an_account_or_a_tier(operator: Client) -> None:
    make_market("BTC/USD")
    fees = {"maker_fee": "0", "taker_fee": "0.001"}
    response = operator.post(reverse("admin:orders_feerate_add"), fees)
    assert "fee_rates_account_or_tier" in str(response.context["adminform"].form.errors)
    assert operator.post(reverse("admin:orders_feerate_add"), fees | {"tier": "2"}).status_code == 302
    assert FeeRate.objects.get().tier == 2


def _protection(account: Account, market: Market, **limits: Any) -> dict[str, Any]:
    return {"account": account.id, "market": market.id, "window_ms": "500", "quantity_limit": "2.5"} | limits


def test_a_protection_is_set_by_its_service(operator: Client) -> None:
    market, account = make_market("BTC/USD"), make_trader()
    form = _protection(account, market)
    assert operator.post(reverse("admin:orders_marketmakerprotection_add"), form).status_code == 302
    protection = MarketMakerProtection.objects.get()
    page = reverse("admin:orders_marketmakerprotection_change", args=[protection.id])
    assert operator.post(page, {"window_ms": "600", "quantity_limit": "3"}).status_code == 302
    protection.refresh_from_db()
    assert (protection.window_ms, protection.quantity_limit) == (600, 3)
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("quantity_limit", "0.000001", "positive multiple of the lot size"),
        ("window_ms", "3600001", "from 1 to 3600000"),
    ],
)
def test_wrong_limits_of_a_protection_are_said_beside_their_field(
    operator: Client, field: str, value: str, message: str
) -> None:
    form = _protection(make_trader(), make_market("BTC/USD"), **{field: value})
    response = operator.post(reverse("admin:orders_marketmakerprotection_add"), form)
    assert message in str(response.context["adminform"].form.errors[field])
    assert not MarketMakerProtection.objects.exists()


def test_a_protection_that_has_tripped_is_reset_and_not_deleted(operator: Client) -> None:
    market, account = make_market("BTC/USD"), make_trader()
    protection = set_protection(account.id, rules_of_market(market.id), 500, Decimal(1))
    MarketMakerProtection.objects.update(tripped_at=datetime.now(UTC), tripped_sequence=7)
    delete = reverse("admin:orders_marketmakerprotection_delete", args=[protection.id])
    assert operator.post(delete, {"post": "yes"}).status_code == 403

    form = {"action": "reset", "_selected_action": [protection.id]}
    assert operator.post(reverse("admin:orders_marketmakerprotection_changelist"), form).status_code == 302

    command = Command.objects.get()
    payload = {"on": False, "by": "operator@example.com"}
    assert (command.kind, command.account_id, command.payload) == ("protect", account.id, payload)
    MarketMakerProtection.objects.update(tripped_at=None, tripped_sequence=None)
    assert operator.post(delete, {"post": "yes"}).status_code == 302
    assert not MarketMakerProtection.objects.exists()
