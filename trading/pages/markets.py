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

from accounts.numbers import EXACT, round_to
from orders.models import Market
from orders.rules import make_rules
from orders.selectors import markets_with_state
from trading.api.rendering import render_ticker
from trading.candles import Candle, read_candles_since
from trading.intervals import STEPS, CandleInterval
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
        **_change_of(ticker),
        "slug": market.symbol.replace("/", "-"),
        "name": f"{market.base.name or market.base} in {market.quote.name or market.quote}",
        "base": market.base.code,
        "phase": market.state.phase,
        "spark": draw_spark(candles),
    }


def _change_of(ticker: Ticker) -> dict[str, Any]:
    """Write the change of the day in percent, with a minus that is as wide as a plus, and which way it goes."""
    if ticker.last is None or not ticker.open:
        return {"percent": None, "way": ""}
    change = round_to(EXACT.divide(EXACT.multiply(ticker.last - ticker.open, Decimal(100)), ticker.open), 2)
    text = f"{change:+.2f} %" if change else "0.00 %"
    return {"percent": text.replace("-", "−"), "way": "up" if change > 0 else "down" if change < 0 else ""}


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
