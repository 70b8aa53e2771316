"""Create markets, by the service and from the command line, and be refused."""

from datetime import time
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.errors import DomainError
from accounts.models import Account
from accounts.tests.builders import make_asset
from orders.markets import create_market
from orders.models import Market, MarketState

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _assets() -> None:
    for code in ("BTC", "USD", "ETH"):
        make_asset(code)


def _create(**changes: Any) -> Market:
    values: dict[str, Any] = {"symbol": "BTC/USD", "tick_size": Decimal("0.01"), "lot_size": Decimal("0.00001")}
    return create_market(**(values | changes))


def test_a_market_comes_with_all_that_trading_needs() -> None:
    market = _create(symbol="btc-usd")
    assert market.symbol == "BTC/USD"
    assert (market.fee_account.kind, market.fee_account.name) == ("fees", "fees BTC/USD")
    assert sorted(market.fee_account.balances.values_list("asset__code", flat=True)) == ["BTC", "USD"]
    assert (market.state.phase, market.state.last_sequence) == ("Continuous", 0)
    limits = (market.min_quantity, market.max_quantity, market.min_notional, market.price_band, market.max_open_orders)
    assert set(limits) == {None}
    assert market.maker_fee == market.taker_fee == 0


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"symbol": "BTCUSD"}, ["symbol"]),
        ({"symbol": "BTC/USD/ETH"}, ["symbol"]),
        ({"symbol": "BTC/EUR"}, ["symbol"]),
        ({"symbol": "BTC/BTC"}, ["quote"]),
        ({"tick_size": Decimal(0)}, ["tick_size"]),
        ({"lot_size": Decimal(-1)}, ["lot_size"]),
        ({"lot_size": Decimal("0.000000001")}, ["lot_size", "tick_size"]),
        ({"tick_size": Decimal("0.0001")}, ["tick_size"]),
        ({"tick_size": Decimal(10) ** 18}, ["tick_size"]),
        ({"min_quantity": Decimal("0.000001")}, ["min_quantity"]),
        ({"max_quantity": Decimal(0)}, ["max_quantity"]),
        ({"min_quantity": Decimal(2), "max_quantity": Decimal(1)}, ["max_quantity"]),
        ({"min_notional": Decimal(-1)}, ["min_notional"]),
        ({"reference_price": Decimal("0.001")}, ["reference_price"]),
        ({"price_band": Decimal(1)}, ["price_band"]),
        ({"protection_band": Decimal("-0.1")}, ["protection_band"]),
        ({"volatility_band": Decimal(0), "auction_band": Decimal(1)}, ["volatility_band", "auction_band"]),
        ({"opens_at": time(9)}, ["closes_at"]),
        ({"closes_at": time(9)}, ["closes_at"]),
        ({"opens_at": time(9), "closes_at": time(9)}, ["closes_at"]),
        ({"call_seconds": -1}, ["call_seconds"]),
        ({"maker_fee": Decimal(1), "taker_fee": Decimal("-0.001")}, ["maker_fee", "taker_fee"]),
        ({"order_types": ["Wish"]}, ["order_types"]),
        ({"shard": -1}, ["shard"]),
    ],
)
def test_every_fault_is_named_by_field_and_nothing_is_left(changes: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(DomainError) as refused:
        _create(**changes)
    assert refused.value.code == "invalid_value"
    assert [fault.field for fault in refused.value.errors] == fields
    assert (Market.objects.count(), MarketState.objects.count(), Account.objects.count()) == (0, 0, 0)


def test_a_pair_has_one_market() -> None:
    _create()
    with pytest.raises(DomainError) as refused:
        _create()
    assert refused.value.errors[0].field == "symbol"
    assert Account.objects.count() == 1


def test_the_command_sets_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    rules = {
        "min_quantity": "0.001", "max_quantity": "10", "min_notional": "5", "price_band": "0.2", "protection_band": "0.05",
        "reference_price": "50000", "maker_fee": "0.001", "taker_fee": "0.002", "max_open_orders": "9", "shard": "1",
    }  # fmt: skip
    options = [part for name, value in rules.items() for part in (f"--{name.replace('_', '-')}", value)]
    call_command("create_market", "BTC/USD", "--tick", "0.01", "--lot", "0.00001", *options)
    market = Market.objects.get()
    assert {name: Decimal(getattr(market, name)) for name in rules} == {
        name: Decimal(text) for name, text in rules.items()
    }
    assert "Created BTC/USD" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tick", "abc", "--lot", "1"], "tick_size: .*must be a decimal number"),
        (["--tick", "NaN", "--lot", "1"], "tick_size: .*must be a decimal number"),
        (["--tick", "0", "--lot", "1"], "tick_size: Must be more than 0"),
        (["--tick", "1", "--lot", "1", "--max-open-orders", "1.5"], "max_open_orders: .*must be an integer"),
        (["--tick", "1", "--lot", "1", "--taker-fee", "1.5"], "taker_fee: Must be at least 0 and less than 1, got 1.5"),
        (["--tick", "1"], "--lot"),
    ],
)
def test_the_command_refuses_in_one_line(options: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message) as refused:
        call_command("create_market", "BTC/USD", *options)
    assert "\n" not in str(refused.value)
    assert not Market.objects.exists()
