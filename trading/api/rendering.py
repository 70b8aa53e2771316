"""Write books, trades, candles, tickers, fills and histories as the public API shows them.

The law: what is public (books, trades, candles, tickers) names no account and no order; what is private goes to its owner
only, and the two share no function. Prices have the tick's decimals, quantities the lot's, amounts their asset's.
Reading is trading/selectors.py and trading/candles.py.
"""

from decimal import Decimal
from typing import Any

from accounts.numbers import EXACT, render, round_to
from accounts.times import render_time
from orders.rules import MarketRules
from orders.terms import Side
from trading.candles import Candle
from trading.models import Prevention, Trade
from trading.selectors import AuctionState, BookSnapshot, Fill, HistoryEntry, Level, Ticker

CHANGE_DECIMALS = 6


def render_book(book: BookSnapshot, rules: MarketRules) -> dict[str, Any]:
    return {
        "symbol": rules.symbol,
        "sequence": book.sequence,
        "bids": [_render_level(level, rules) for level in book.bids],
        "asks": [_render_level(level, rules) for level in book.asks],
    }


def _render_level(level: Level, rules: MarketRules) -> list[str]:
    return [f"{level.price:.{rules.price_decimals}f}", f"{level.quantity:.{rules.quantity_decimals}f}"]


def render_auction(auction: AuctionState, rules: MarketRules) -> dict[str, Any]:
    """Write a call as it stands; `surplus_side` has more than the other, at the indicative price, by `surplus`."""
    surplus, side = auction.indicative_surplus, None
    if surplus:
        side = str(Side.BUY if surplus > 0 else Side.SELL)
    return {
        "symbol": rules.symbol,
        "phase": auction.phase,
        "indicative_price": render(auction.indicative_price, rules.price_decimals),
        "indicative_volume": render(auction.indicative_quantity, rules.quantity_decimals),
        "surplus_side": side,
        "surplus": None if surplus is None else render(abs(surplus), rules.quantity_decimals),
        "ends_at": None if auction.call_ends_at is None else render_time(auction.call_ends_at),
    }


def render_trade(trade: Trade, rules: MarketRules) -> dict[str, Any]:
    return {
        "id": trade.id,
        "price": render(trade.price, rules.price_decimals),
        "quantity": render(trade.quantity, rules.quantity_decimals),
        "side": trade.side,
        "executed_at": render_time(trade.executed_at),
        "sequence": trade.sequence,
    }


def render_candle(candle: Candle, rules: MarketRules) -> list[str | int | None]:
    """Write a candle as [open_time, open, high, low, close, volume, quote_volume, trades]."""
    prices = (candle.open, candle.high, candle.low, candle.close)
    return [
        render_time(candle.open_time),
        *(render(price, rules.price_decimals) for price in prices),
        render(candle.volume, rules.quantity_decimals),
        render(candle.quote_volume, rules.quote_scale),
        candle.trades,
    ]


def render_ticker(ticker: Ticker, rules: MarketRules) -> dict[str, Any]:
    prices = {name: getattr(ticker, name) for name in ("last", "bid", "ask", "open", "high", "low")}
    return {
        "symbol": rules.symbol,
        **{name: render(price, rules.price_decimals) for name, price in prices.items()},
        "volume": render(ticker.volume, rules.quantity_decimals),
        "quote_volume": render(ticker.quote_volume, rules.quote_scale),
        "change": render(_change(ticker), CHANGE_DECIMALS),
        "sequence": ticker.sequence,
    }


def _change(ticker: Ticker) -> Decimal | None:
    """Return by which fraction the price has changed since the first trade of the 24 hours."""
    if ticker.last is None or ticker.open is None:
        return None
    return round_to(EXACT.divide(ticker.last - ticker.open, ticker.open), CHANGE_DECIMALS)


def render_fill(fill: Fill, rules: MarketRules) -> dict[str, Any]:
    # The fee is taken out of what is received.
    fee_asset, scale = (rules.base, rules.base_scale) if fill.side == Side.BUY else (rules.quote, rules.quote_scale)
    return {
        "trade_id": fill.id,
        "order_id": fill.order_id,
        "client_order_id": fill.client_order_id,
        "symbol": rules.symbol,
        "side": fill.side,
        "liquidity": fill.liquidity,
        "price": render(fill.price, rules.price_decimals),
        "quantity": render(fill.quantity, rules.quantity_decimals),
        "fee": render(fill.fee, scale),
        "fee_asset": fee_asset,
        "executed_at": render_time(fill.executed_at),
    }


def render_prevention(prevention: Prevention, rules: MarketRules) -> dict[str, Any]:
    return {
        "id": prevention.id,
        "symbol": rules.symbol,
        "sequence": prevention.sequence,
        "mode": prevention.mode,
        "price": render(prevention.price, rules.price_decimals),
        "quantity": render(prevention.quantity, rules.quantity_decimals),
        "maker_order_id": prevention.maker_order_id,
        "taker_order_id": prevention.taker_order_id,
        "prevented_at": render_time(prevention.prevented_at),
    }


def render_history(entry: HistoryEntry, order_id: int, rules: MarketRules) -> dict[str, Any]:
    """Write one step of an order's life. The other order of a trade is somebody else's, and is not shown."""
    price, lots, liquidity, reason = None, None, None, None
    match entry.detail:
        case ["rest", _, _, price, lots] | ["amend", _, price, lots]:
            pass
        case ["trigger", _, price] | ["trail", _, price] | ["await", _, price]:
            pass
        case ["show", _, lots]:
            pass
        case ["refuse", _, reason]:
            pass
        case ["trade", maker_order_id, _, price, lots, _]:
            liquidity = "Maker" if maker_order_id == order_id else "Taker"
        case ["prevent", maker_order_id, _, _, price, lots]:
            liquidity = "Maker" if maker_order_id == order_id else "Taker"
        case ["reduce", _, lots, _]:
            pass
        case ["end", _, reason, lots]:
            pass
    return {
        "type": entry.type,
        "kind": entry.kind,
        "sequence": entry.sequence,
        "time": render_time(entry.time),
        "price": None if price is None else render(rules.price(price), rules.price_decimals),
        "quantity": None if lots is None else render(rules.quantity(lots), rules.quantity_decimals),
        "liquidity": liquidity,
        "reason": reason,
    }
