"""Build markets for tests, by the service that builds them in earnest.

The law: every argument has a default; the process forgets the rules it cached for markets of earlier tests.
Accounts and assets are accounts/tests/builders.py.
"""

from decimal import Decimal
from typing import Any

from accounts.tests.builders import make_asset
from orders.markets import create_market
from orders.models import Market
from orders.rules import forget_rules


def make_market(symbol: str = "BTC/USD", *, tick_size: str = "0.01", lot_size: str = "0.00001", **rules: Any) -> Market:
    """Create a market, and its assets (of scale 8) if they are not there."""
    for code in symbol.split("/"):
        make_asset(code)
    market = create_market(symbol=symbol, tick_size=Decimal(tick_size), lot_size=Decimal(lot_size), **rules)
    forget_rules()
    return market
