"""Write markets and orders as the public API shows them.

The law: one function writes an order, wherever it is shown; prices have the tick's decimals, quantities the lot's,
amounts the quote asset's. An order is shown to its owner only.
Reading is orders/selectors.py.
"""

from datetime import time
from decimal import Decimal
from typing import Any

from accounts.numbers import EXACT, render, round_to
from accounts.times import render_time
from orders.intake import Placed
from orders.models import Market, MarketMakerProtection, Order
from orders.rules import MarketRules, make_rules
from orders.selectors import Fees, ShownOrder
from orders.terms import Side


def render_order(order: Order | ShownOrder, rules: MarketRules) -> dict[str, Any]:
    quantity_decimals, price_decimals, quote_scale = rules.quantity_decimals, rules.price_decimals, rules.quote_scale
    return {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "symbol": rules.symbol,
        "side": order.side,
        "order_type": order.order_type,
        "time_in_force": order.time_in_force,
        "post_only": order.post_only,
        "self_trade_prevention": order.self_trade_prevention,
        "market_maker_protection": order.market_maker_protection,
        "price": render(order.price, price_decimals),
        "stop_price": render(order.stop_price, price_decimals),
        "trailing_offset": order.trailing_offset,
        "quantity": render(order.quantity, quantity_decimals),
        "quote_quantity": render(order.quote_quantity, quote_scale),
        "display_quantity": render(order.display_quantity, quantity_decimals),
        "expires_at": None if order.expires_at is None else render_time(order.expires_at),
        "filled_quantity": render(order.filled_quantity, quantity_decimals),
        "filled_quote": render(order.filled_quote, quote_scale),
        "prevented_quantity": render(order.prevented_quantity, quantity_decimals),
        "remaining_quantity": render(order.remaining_quantity, quantity_decimals),
        "average_price": render(_average_price(order, quote_scale), quote_scale),
        "status": order.status,
        "reason": order.reason,
        "created_at": render_time(order.created_at),
        "updated_at": render_time(order.updated_at),
    }


def _average_price(order: Order | ShownOrder, quote_scale: int) -> Decimal | None:
    if not order.filled_quantity:
        return None
    return round_to(EXACT.divide(order.filled_quote, order.filled_quantity), quote_scale)


def render_test(placed: Placed) -> dict[str, Any]:
    """Write what an order would hold and cost, from one that was not really placed."""
    order, rules = placed.order, placed.rules
    buys = order.side == Side.BUY
    return {
        "held_asset": rules.quote if buys else rules.base,
        "held_amount": render(order.held_amount, rules.quote_scale if buys else rules.base_scale),
        "maker_fee": render_rate(order.maker_fee),
        "taker_fee": render_rate(order.taker_fee),
        "fee_asset": rules.base if buys else rules.quote,
    }


def render_market(market: Market) -> dict[str, Any]:
    rules = make_rules(market)
    return {
        "symbol": rules.symbol,
        "base": rules.base,
        "quote": rules.quote,
        "tick_size": render(rules.tick_size, rules.price_decimals),
        "lot_size": render(rules.lot_size, rules.quantity_decimals),
        "min_quantity": render(rules.min_quantity, rules.quantity_decimals),
        "max_quantity": render(rules.max_quantity, rules.quantity_decimals),
        "min_notional": render(rules.min_notional, rules.quote_scale),
        "price_band": render_rate(market.price_band),
        "volatility_band": render_rate(market.volatility_band),
        "auction_band": render_rate(market.auction_band),
        "opens_at": _time_of_day(market.opens_at),
        "closes_at": _time_of_day(market.closes_at),
        "maker_fee": render_rate(market.maker_fee),
        "taker_fee": render_rate(market.taker_fee),
        "phase": market.state.phase,
        "order_types": list(rules.order_types),
        "max_open_orders": rules.max_open_orders,
    }


def _time_of_day(at: time | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


def render_fees(fees: Fees) -> dict[str, Any]:
    return {
        "symbol": fees.symbol,
        "maker_fee": render_rate(fees.maker_fee),
        "taker_fee": render_rate(fees.taker_fee),
    }


def render_protection(protection: MarketMakerProtection, rules: MarketRules) -> dict[str, Any]:
    return {
        "symbol": rules.symbol,
        "window_ms": protection.window_ms,
        "quantity_limit": render(protection.quantity_limit, rules.quantity_decimals),
        "tripped_at": None if protection.tripped_at is None else render_time(protection.tripped_at),
    }


def render_rate(rate: Decimal | None) -> str | None:
    """Write a fraction such as a fee rate without trailing zeros."""
    return None if rate is None else f"{rate.normalize(EXACT):f}"
