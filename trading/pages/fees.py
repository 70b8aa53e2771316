"""Show what trading costs.

The law: a trader sees the rates that their next order gets, everybody else those that a market has for all.
"""

from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.numbers import EXACT, decimals_of
from accounts.selectors import trading_account_of
from orders.selectors import Fees, fees_of, markets_with_state


@require_safe
def fees_page(request: HttpRequest) -> HttpResponse:
    """Show maker and taker rates of every market."""
    account = trading_account_of(request.user) if request.user.is_authenticated else None
    if account is None:
        rates = [Fees(market.symbol, market.maker_fee, market.taker_fee) for market in markets_with_state()]
    else:
        rates = fees_of(account.id)
    context: dict[str, Any] = {
        "rows": [
            {"symbol": rate.symbol, "maker": _percent(rate.maker_fee), "taker": _percent(rate.taker_fee)}
            for rate in rates
        ],
        "account": account,
    }
    return render(request, "trading/fees.html", context)


def _percent(rate: Decimal) -> str:
    percent = EXACT.multiply(rate, Decimal(100))
    return f"{percent:.{max(2, decimals_of(percent))}f} %"
