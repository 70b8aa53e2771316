"""Show traders what they have, and what it is worth.

The law: amounts are those of the last commit; what has no price is said to have none, and is in no total.
Prices are trading/valuation.py's; deposits, withdrawals and the ledger are accounts/pages/.
"""

from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import Asset
from accounts.numbers import EXACT, round_to
from accounts.numbers import render as write
from accounts.pages.callers import for_traders
from accounts.rendering import render_balance
from accounts.selectors import Holding, balances_of
from orders.models import Market
from trading.valuation import last_prices, price_of, values_of

PREFERRED = "USD"
PRICE_DECIMALS = 36
"""With so many of a price, a page's script comes to the same value."""


@require_safe
@for_traders
def portfolio_page(request: HttpRequest, account_id: int) -> HttpResponse:
    """Show balances with their value in a quote asset of the reader's choice."""
    quotes = list(Asset.objects.filter(id__in=Market.objects.values("quote_id")).order_by("code"))
    typed = request.GET.get("in", "").strip().upper()
    quote = _choose(quotes, typed)
    holdings = balances_of(account_id)
    context: dict[str, Any] = {"nav": "portfolio", "part": "balances", "quotes": quotes, "quote": quote}
    if typed and (quote is None or quote.code != typed):
        context["fault"] = f"There are no prices in {typed[:16]}."
    context |= _valued(holdings, quote) if quote else {"rows": [render_balance(holding) for holding in holdings]}
    return render(request, "trading/portfolio.html", context)


def _choose(quotes: list[Asset], typed: str) -> Asset | None:
    """Return the one asked for, else the preferred one, else the first."""
    by_code = {asset.code: asset for asset in quotes}
    return by_code.get(typed) or by_code.get(PREFERRED) or next(iter(quotes), None)


def _valued(holdings: list[Holding], quote: Asset) -> dict[str, Any]:
    prices = last_prices()
    values = values_of(holdings, quote.code, prices)
    rows = []
    for holding, value in zip(holdings, values, strict=True):
        price = price_of(holding.asset, quote.code, prices)
        shown = None if value is None else write(round_to(value, quote.scale), quote.scale)
        rows.append(
            render_balance(holding)
            | {"value": shown, "price": price and f"{round_to(price, PRICE_DECIMALS).normalize():f}"}
        )
    total = sum((value for value in values if value is not None), Decimal(0))
    unpriced = [holding.asset for holding, value in zip(holdings, values, strict=True) if value is None]
    return {
        "rows": rows,
        "total": write(round_to(EXACT.plus(total), quote.scale), quote.scale),
        "unpriced": unpriced,
    }
