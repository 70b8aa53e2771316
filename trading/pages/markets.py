"""List the markets, with their last 24 hours.

The law: a page shows what the last commits left, as the API writes it; it changes nothing, and asks the same few questions however many markets
there are. Without scripts all of it is there; static/js/markets.js only keeps it so.
Looks are in templates/ and static/; the page of one market is trade.py's.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from orders.models import Market
from orders.rules import make_rules
from orders.selectors import markets_with_state
from trading.api.rendering import render_ticker
from trading.candles import Candle, read_candles_since
from trading.intervals import STEPS, CandleInterval
from trading.pages.percents import write_change
from trading.selectors import Ticker, read_tickers

DAY = timedelta(hours=24)
SPARK_INTERVAL = CandleInterval.QUARTER
"""Of hours a young market would have but one or two."""
LIVE_MAX = 50
"""So many markets at most are followed by the page's script; each is two subscriptions, of 200 that a socket may have."""

SPARK_WIDTH, SPARK_HEIGHT, SPARK_EDGE = 120, 32, 2


@require_safe
def markets_page(request: HttpRequest) -> HttpResponse:
    """Show every market with its ticker, its phase and the shape of its day. Three queries."""
    markets = list(markets_with_state())
    tickers = {ticker.market_id: ticker for ticker in read_tickers()}
    since = datetime.now(UTC) - DAY + STEPS[SPARK_INTERVAL]
    candles = read_candles_since([(market.id, SPARK_INTERVAL, since) for market in markets]).candles
    rows = [
        _row(market, tickers[market.id], candles[market.id, SPARK_INTERVAL])
        for market in markets
        if market.id in tickers
    ]
    return render(request, "trading/markets.html", {"nav": "markets", "markets": rows, "live_max": LIVE_MAX})


def _row(market: Market, ticker: Ticker, candles: Sequence[Candle]) -> dict[str, Any]:
    return {
        **render_ticker(ticker, make_rules(market)),
        **write_change(ticker.last, ticker.open)._asdict(),
        "slug": market.symbol.replace("/", "-"),
        "name": f"{market.base.name or market.base} in {market.quote.name or market.quote}",
        "base": market.base.code,
        "phase": market.state.phase,
        "spark": draw_spark(candles),
    }


def draw_spark(candles: Sequence[Candle]) -> str:
    """Return the points of a line through the candles' closes, from the first open on; nothing where nothing has traded."""
    if not candles:
        return ""
    prices = [candles[0].open, *(candle.close for candle in candles)]
    low, spread = min(prices), max(prices) - min(prices)
    across = Decimal(SPARK_WIDTH - 2 * SPARK_EDGE) / (len(prices) - 1)
    up = Decimal(SPARK_HEIGHT - 2 * SPARK_EDGE)
    return " ".join(
        f"{SPARK_EDGE + n * across:.1f},{SPARK_EDGE + (up * (1 - (price - low) / spread) if spread else up / 2):.1f}"
        for n, price in enumerate(prices)
    )
