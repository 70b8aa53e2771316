"""Bring markets into being.

The law: a market comes with its fee account, that account's balances and its state, in one commit, so that matching and
settlement never have to create any of them.
Rules are changed in the back office; phases by journaled commands (orders/changes.py).
"""

from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from accounts.errors import refusal
from accounts.ledger import open_balances
from accounts.models import Account, AccountKind, Asset
from accounts.validation import validate_row
from orders.models import Market, MarketState


def create_market(*, symbol: str, tick_size: Decimal, lot_size: Decimal, **rules: Any) -> Market:
    """Create the market of two assets that exist, such as BTC/USD; `rules` are the other editable fields of Market.

    Raises DomainError invalid_value that names every fault by field.
    """
    name = symbol.upper().replace("-", "/")
    base, quote = _assets_of(name)
    try:
        with transaction.atomic():
            fees = Account.objects.create(kind=AccountKind.FEES, name=f"fees {name}")
            market = Market(
                symbol=name, base=base, quote=quote, tick_size=tick_size, lot_size=lot_size, fee_account=fees, **rules
            )
            validate_row(market)
            market.save(force_insert=True)
            open_balances(fees.id, [base.id, quote.id])
            MarketState.objects.create(market=market)
    except IntegrityError:
        raise refusal("invalid_value", "symbol", f"There is a market {name} already.", value=name) from None
    return market


def _assets_of(symbol: str) -> tuple[Asset, Asset]:
    codes = symbol.split("/")
    if len(codes) != 2:
        raise refusal("invalid_value", "symbol", "A symbol is two assets' codes, as in BTC/USD.", value=symbol[:40])
    found = {asset.code: asset for asset in Asset.objects.filter(code__in=codes)}
    for code in codes:
        if code not in found:
            raise refusal("invalid_value", "symbol", f"There is no asset {code[:40]}.", value=symbol[:40])
    return found[codes[0]], found[codes[1]]
