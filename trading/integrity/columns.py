"""Say how the rows that a journal brings about are read, and lay out what a replay has in the same columns.

The law: what is read and what is laid out are compared as tuples, so both are here, side by side; amounts are exact decimals.
What is compared with what is journal.py's.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from accounts.numbers import from_units
from accounts.times import from_microseconds
from orders.journal import FEE_RATE_SCALE, NewPayload
from orders.rules import MarketRules
from orders.terms import Side
from trading.books import LiveOrder
from trading.reckoning import PreventionRow, TradeRow
from trading.settlement import order_columns

ORDERS_READ = """
    SELECT id, status, reason, quantity, filled_quantity, filled_quote, prevented_quantity, remaining_quantity,
        visible_quantity, extreme_price, armed_sequence, held_amount, priority_sequence, priority_ordinal, ended_sequence,
        COALESCE(price, protection_price), market_id, account_id, side, order_type, time_in_force, post_only,
        self_trade_prevention, stop_price, trailing_offset, display_quantity, expires_at, market_maker_protection,
        quote_quantity, maker_fee, taker_fee
    FROM orders
"""
PENDING_READ = """
    SELECT c.order_id, c.account_id, a.user_id, c.payload::text FROM commands c LEFT JOIN accounts a ON a.id = c.account_id
    WHERE c.market_id = %s AND c.sequence IS NULL AND c.kind = 'new' AND c.order_id IS NOT NULL
"""
THAT_LIVE = """
    WHERE market_id = %s AND status IN ('New', 'PendingTrigger', 'PartiallyFilled') AND priority_sequence IS NOT NULL
"""
OF_THESE_IDS = "WHERE id = ANY(%s)"
TRADES_READ = """
    SELECT sequence, ordinal, price, quantity, quote_amount, side, maker_order_id, taker_order_id, maker_account_id,
        taker_account_id, maker_fee, taker_fee
    FROM trades WHERE market_id = %s AND sequence BETWEEN %s AND %s ORDER BY sequence, ordinal
"""
PREVENTIONS_READ = """
    SELECT sequence, ordinal, mode, price, quantity, maker_order_id, taker_order_id, maker_account_id, taker_account_id
    FROM preventions WHERE market_id = %s AND sequence BETWEEN %s AND %s ORDER BY sequence, ordinal
"""


def asked_order_columns(rules: MarketRules, order: LiveOrder, asked: NewPayload) -> tuple[Any, ...]:
    """Lay an order out as ORDERS_READ reads one: what settlement writes, then what intake wrote."""
    return (
        *order_columns(rules, order),
        rules.market_id,
        order.account_id,
        str(order.side),
        str(asked.type),
        str(asked.tif),
        asked.post_only,
        str(asked.stp),
        None if asked.stop is None else rules.price(asked.stop),
        asked.trail,
        None if asked.display is None else rules.quantity(asked.display),
        None if asked.expires is None else from_microseconds(asked.expires),
        asked.mmp,
        None if asked.budget is None else from_units(asked.held, rules.quote_scale),
        from_units(order.maker_fee, FEE_RATE_SCALE),
        from_units(order.taker_fee, FEE_RATE_SCALE),
    )


def trade_columns(trade: TradeRow) -> tuple[Any, ...]:
    """Lay a reckoned trade out as TRADES_READ reads one."""
    rules, maker, taker = trade.rules, trade.maker, trade.taker
    bought, sold = rules.base_scale, rules.quote_scale
    maker_scale, taker_scale = (sold, bought) if trade.taker_side is Side.BUY else (bought, sold)
    return (
        trade.sequence,
        trade.ordinal,
        rules.price(trade.price),
        rules.quantity(trade.quantity),
        from_units(trade.quantity * trade.price * rules.tick_lot_units, rules.quote_scale),
        str(trade.taker_side),
        maker.order_id,
        taker.order_id,
        maker.account_id,
        taker.account_id,
        from_units(trade.maker_fee, maker_scale),
        from_units(trade.taker_fee, taker_scale),
    )


def prevention_columns(prevention: PreventionRow) -> tuple[Any, ...]:
    """Lay a reckoned prevention out as PREVENTIONS_READ reads one."""
    rules, sequence, ordinal, event, maker, taker = prevention
    return (
        sequence,
        ordinal,
        str(event.mode),
        rules.price(event.price),
        rules.quantity(event.quantity),
        maker.order_id,
        taker.order_id,
        maker.account_id,
        taker.account_id,
    )


def told(values: Iterable[Any] | None) -> str:
    """Tell a row, its amounts without the zeros that fill their columns."""
    if values is None:
        return "none"
    return "(" + ", ".join(_told_one(value) for value in values) + ")"


def _told_one(value: Any) -> str:
    if isinstance(value, tuple):
        return told(value)
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
