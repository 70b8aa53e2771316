"""Show what trading costs.

The law: a trader sees the rates that their next order gets, everybody else those that a market has for all.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.selectors import trading_account_of
from orders.selectors import Fees, fees_of, markets_with_state
from trading.pages.percents import write_rate


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
            {"symbol": rate.symbol, "maker": write_rate(rate.maker_fee), "taker": write_rate(rate.taker_fee)}
            for rate in rates
        ],
        "account": account,
    }
    return render(request, "trading/fees.html", context)
