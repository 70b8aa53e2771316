"""Look after markets in the back office."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.tests.builders import make_asset, make_trader
from orders.intake import place
from orders.models import Command, FeeRate, Market
from orders.requests import read_new_order
from orders.tests.builders import make_market

pytestmark = pytest.mark.django_db

FORM = {
    "tick_size": "0.01", "lot_size": "0.00001", "protection_band": "0.1", "maker_fee": "0.001", "taker_fee": "0.002",
    "order_types": ["Limit", "Market"], "shard": "0",
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


@pytest.mark.parametrize(
    ("action", "phase"), [("halt", "Halted"), ("cancel_only", "CancelOnly"), ("resume", "Continuous")]
)
def test_phases_change_by_journaled_commands(operator: Client, action: str, phase: str) -> None:
    markets = [make_market("BTC/USD"), make_market("ETH/USD")]
    form = {"action": action, "_selected_action": [market.id for market in markets]}
    assert operator.post(reverse("admin:orders_market_changelist"), form).status_code == 302
    commands = Command.objects.order_by("id")
    assert [command.market_id for command in commands] == [market.id for market in markets]
    payload = {"phase": phase, "reason": "back office", "by": "operator@example.com"}
    assert [(command.kind, command.payload) for command in commands] == [("phase", payload)] * 2
    assert {market.state.phase for market in Market.objects.select_related("state")} == {"Continuous"}


def test_a_fee_rate_is_for_an_account_or_a_tier(operator: Client) -> None:
    make_market("BTC/USD")
    fees = {"maker_fee": "0", "taker_fee": "0.001"}
    response = operator.post(reverse("admin:orders_feerate_add"), fees)
    assert "fee_rates_account_or_tier" in str(response.context["adminform"].form.errors)
    assert operator.post(reverse("admin:orders_feerate_add"), fees | {"tier": "2"}).status_code == 302
    assert FeeRate.objects.get().tier == 2
