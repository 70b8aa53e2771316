"""Say what a commit has brought about for each account: its orders and its fills, as the API shows them.

The law: an account hears of every order of its own that the commit touched, as it stands after it, and of its side of every
trade; of nobody else's. Nothing is read or written here: the work is done before any balance is locked.
Numbers are given and rows written by accounts/events.py, which tells the balances too.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from accounts import events
from accounts.events import Note
from accounts.models import Channel
from accounts.numbers import from_units
from orders.api.rendering import render_order
from orders.journal import AmendPayload, NewPayload
from orders.rules import MarketRules
from orders.selectors import ShownOrder
from orders.terms import Side
from trading.api.rendering import render_fill
from trading.books import LiveOrder
from trading.reckoning import Reckoning, TradeRow
from trading.selectors import Fill

MEMBERS_MAX = 500
"""More orders or fills of an account than these are told by several events."""


def notes_of(
    settled: Reckoning, orders: Mapping[int, ShownOrder], trade_ids: Sequence[int], executed_at: datetime | None
) -> list[Note]:
    """Make the notes of a commit: orders first, then fills, each in the order in which it came about."""
    members: defaultdict[tuple[Channel, int], list[dict[str, Any]]] = defaultdict(list)
    for order_id, (rules, live) in settled.touched.items():
        members[Channel.ORDERS, live.account_id].append(render_order(orders[order_id], rules))
    if executed_at is not None:
        for trade_id, trade in zip(trade_ids, settled.trades, strict=True):
            for order, fill in _fills(trade_id, trade, orders, executed_at):
                members[Channel.FILLS, order.account_id].append(render_fill(fill, trade.rules))
    return [
        events.note(account_id, channel, rendered[start : start + MEMBERS_MAX])
        for (channel, account_id), rendered in members.items()
        for start in range(0, len(rendered), MEMBERS_MAX)
    ]


def _fills(
    trade_id: int, trade: TradeRow, orders: Mapping[int, ShownOrder], executed_at: datetime
) -> Iterator[tuple[LiveOrder, Fill]]:
    """Tell a trade as each of its two sides sees it."""
    rules = trade.rules
    price, quantity = rules.price(trade.price), rules.quantity(trade.quantity)
    for order, liquidity, fee in ((trade.maker, "Maker", trade.maker_fee), (trade.taker, "Taker", trade.taker_fee)):
        yield (
            order,
            Fill(
                trade_id,
                rules.market_id,
                order.order_id,
                orders[order.order_id].client_order_id,
                order.side,
                liquidity,
                price,
                quantity,
                from_units(fee, rules.base_scale if order.side is Side.BUY else rules.quote_scale),
                executed_at,
            ),
        )


def holds_taken(settled: Reckoning) -> Iterable[tuple[int, int]]:
    """Name the balances (account id, asset id) that hold for orders and amendments which the commit has taken.

    They changed when these were accepted, and whoever owns them has not been told yet.
    """
    rules_of = {book.rules.market_id: book.rules for book in settled.books}
    for taken in settled.commands:
        row, payload = taken.pending, taken.payload
        if isinstance(payload, NewPayload | AmendPayload) and row.account_id is not None:
            yield row.account_id, _held_asset(rules_of[row.market_id], payload.side)


def _held_asset(rules: MarketRules, side: Side) -> int:
    return rules.quote_id if side is Side.BUY else rules.base_id
