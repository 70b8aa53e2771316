"""Show traders' pages.

The law: a page shows what the last commit left; it changes nothing.
Looks are in templates/ and static/; placing orders is the API's.
"""

from decimal import Decimal
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.numbers import decimals_of
from accounts.numbers import render as write
from orders.models import Market


class MarketLine(NamedTuple):
    """One market, written as the page shows it; None where there is nothing yet."""

    symbol: str
    name: str
    phase: str
    last: str | None
    bid: str | None
    ask: str | None
    tick_size: str
    lot_size: str
    taker_fee: str


@require_safe
def markets_page(request: HttpRequest) -> HttpResponse:
    """Show every market with its last and best prices."""
    markets = Market.objects.select_related("base", "quote", "state").order_by("symbol")
    return render(request, "trading/markets.html", {"nav": "markets", "markets": [_line(market) for market in markets]})


def _line(market: Market) -> MarketLine:
    decimals = decimals_of(market.tick_size)
    last, bid, ask = (
        write(price, decimals) for price in (market.state.last_price, market.state.best_bid, market.state.best_ask)
    )
    return MarketLine(
        symbol=market.symbol,
        name=f"{market.base.name or market.base} in {market.quote.name or market.quote}",
        phase=market.state.phase,
        last=last,
        bid=bid,
        ask=ask,
        tick_size=f"{market.tick_size:.{decimals}f}",
        lot_size=f"{market.lot_size:.{decimals_of(market.lot_size)}f}",
        taker_fee=_percent(market.taker_fee),
    )


def _percent(rate: Decimal) -> str:
    percent = rate * 100
    return f"{percent:.{max(2, decimals_of(percent))}f} %"
