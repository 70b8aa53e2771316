"""Build markets and orders for tests, by the services that build them in earnest.

The law: every argument has a default.
Accounts and assets are accounts/tests/builders.py.
"""

from decimal import Decimal
from typing import Any

from accounts.errors import DomainError
from accounts.models import Account
from accounts.tests.builders import make_asset
from orders.intake import place
from orders.markets import create_market
from orders.models import Market, Order
from orders.requests import NewOrder, read_new_order


def make_market(symbol: str = "BTC/USD", *, tick_size: str = "0.01", lot_size: str = "0.00001", **rules: Any) -> Market:
    """Create a market, and its assets (of scale 8) if they are not there."""
    for code in symbol.split("/"):
        make_asset(code)
    return create_market(symbol=symbol, tick_size=Decimal(tick_size), lot_size=Decimal(lot_size), **rules)


def make_request(**fields: Any) -> NewOrder:
    """Read the request of an order: a Limit Buy of 1 BTC at 100 USD, with these fields changed; None leaves one out."""
    body = {"symbol": "BTC/USD", "side": "Buy", "order_type": "Limit", "quantity": "1", "price": "100.00", **fields}
    if body["order_type"] in ("Market", "StopMarket", "TakeProfit", "TrailingStop") and "price" not in fields:
        del body["price"]
    if "quote_quantity" in fields and "quantity" not in fields:
        del body["quantity"]
    return read_new_order({name: value for name, value in body.items() if value is not None})


def place_order(account: Account, **fields: Any) -> Order:
    """Place an order of make_request(). Raises DomainError where it is refused."""
    (outcome,) = place(account.id, [make_request(**fields)])
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome.order
