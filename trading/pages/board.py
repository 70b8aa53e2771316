"""Gather what the trading page shows of a market, and of an account in it.

The law: a handful of queries, however much there is; everything is written as the API writes it, so that scripts can go on
from what the server has shown.
"""

from decimal import Decimal
from typing import Any

from accounts.models import Account
from accounts.numbers import EXACT, render, round_to
from accounts.selectors import balances_of
from orders.api.rendering import render_market, render_order, render_rate
from orders.models import Market
from orders.rules import MarketRules, make_rules
from orders.selectors import fees_of, orders_of
from orders.terms import OPEN_STATUSES, Phase
from trading.api.rendering import render_auction, render_fill, render_ticker, render_trade
from trading.pages.percents import write_change, write_rate
from trading.pages.words import PHASES, REASONS, terms_of
from trading.selectors import AuctionState, Level, fills_of, read_tickers, trades_of_market
from trading.streams.depth import read_depth

LEVELS = 15
TRADES = 20
ORDERS_MAX = 200
FILLS = 12


def read_board(market: Market, rules: MarketRules) -> dict[str, Any]:
    """Read what everybody may see of a market. Four queries at most."""
    (ticker,) = read_tickers(rules.market_id)
    book = read_depth(rules, LEVELS)
    phase = market.state.phase
    name, words = PHASES[Phase(phase)]
    return {
        "ticker": render_ticker(ticker, rules) | write_change(ticker.last, ticker.open)._asdict(),
        "bids": _levels(book.bids, rules),
        "asks": _levels(book.asks, rules)[::-1],
        "spread": _spread(book.bids, book.asks, rules),
        "trades": [
            render_trade(trade, rules) for trade in trades_of_market(rules.market_id, before=None, limit=TRADES)
        ],
        "auction": render_auction(_auction_of(market), rules),
        "phase": {"term": phase, "name": name, "words": words, "is_normal": phase == Phase.CONTINUOUS},
    }


def _auction_of(market: Market) -> AuctionState:
    state = market.state
    return AuctionState._make(getattr(state, name) for name in AuctionState._fields)


def _levels(levels: list[Level], rules: MarketRules) -> list[dict[str, Any]]:
    """Write levels, best first, each with the quantity there is up to it."""
    total, rows = Decimal(0), []
    for price, quantity in levels:
        total += quantity
        decimals = rules.quantity_decimals
        rows.append(
            {
                "price": render(price, rules.price_decimals),
                "quantity": render(quantity, decimals),
                "total": render(total, decimals),
            }
        )
    return rows


def _spread(bids: list[Level], asks: list[Level], rules: MarketRules) -> str:
    if not bids or not asks:
        return "–"
    spread = asks[0].price - bids[0].price
    if spread <= 0:
        return "crossed"  # as in a call, before it ends
    percent = round_to(EXACT.divide(spread * 100, asks[0].price), 3)
    return f"{spread:.{rules.price_decimals}f} ({percent:.3f} %)"


def read_own(account: Account, rules: MarketRules) -> dict[str, Any]:
    """Read what an account has open in a market, was filled there, pays, and owns of its two assets. Four queries."""
    orders = [
        render_order(order, rules)
        for order in orders_of(account.id, statuses=OPEN_STATUSES, market_id=rules.market_id, limit=ORDERS_MAX)
    ]
    fees = next(fees for fees in fees_of(account.id) if fees.symbol == rules.symbol)
    return {
        "account_id": account.id,
        "orders": [order | {"terms": terms_of(order)} for order in orders],
        "fills": [render_fill(fill, rules) for fill in fills_of(account.id, market_id=rules.market_id, limit=FILLS)],
        "balances": _balances(account, rules),
        "fees": {"maker": write_rate(fees.maker_fee), "taker": write_rate(fees.taker_fee)},
    }


def _balances(account: Account, rules: MarketRules) -> list[dict[str, str]]:
    """Write what the account has of base and quote, 0 of what it never had."""
    zero = Decimal(0)
    had = {holding.asset: holding for holding in balances_of(account.id)}
    rows = []
    for asset, scale in ((rules.base, rules.base_scale), (rules.quote, rules.quote_scale)):
        available, held = (had[asset].available, had[asset].held) if asset in had else (zero, zero)
        amounts = {"available": available, "held": held, "total": available + held}
        rows.append({"asset": asset, **{name: f"{amount:.{scale}f}" for name, amount in amounts.items()}})
    return rows


def script_data(market: Market, rules: MarketRules) -> dict[str, Any]:
    """Return what the page's scripts need to know of the market before they hear of it."""
    state = market.state
    reference = state.last_price or state.last_auction_price or market.reference_price
    return {
        **render_market(market),
        "slug": rules.symbol.replace("/", "-"),
        "price_decimals": rules.price_decimals,
        "quantity_decimals": rules.quantity_decimals,
        "base_scale": rules.base_scale,
        "quote_scale": rules.quote_scale,
        "reference_price": render(reference, rules.price_decimals),
        "protection_band": render_rate(market.protection_band),
        "phases": {str(phase): words for phase, words in PHASES.items()},
        "reasons": {str(reason): words for reason, words in REASONS.items()},
    }


def rules_now(market: Market) -> MarketRules:
    """Return the rules of a market that was read just now."""
    return make_rules(market)
