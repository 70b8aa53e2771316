"""Keep the markets' books in memory, as a cache of the last commit.

The law: a book changes only together with a commit. After any error it is dropped, and built again from the open orders in
priority order, which are the commit's own record; the fence's last sequence tells whether a kept book is still that.
Beside the engine, which knows no money, stands what settlement must know of each resting order.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection

from accounts.numbers import to_units
from orders.journal import FEE_RATE_SCALE, NewPayload
from orders.models import OPEN, Market, Order
from orders.rules import MarketRules, make_rules
from orders.terms import OrderStatus, Phase, Side
from trading.engine.book import RestingOrder
from trading.engine.engine import Engine
from trading.journal import FIRST_HASH


@dataclass(slots=True)
class LiveOrder:
    """What settlement knows of an order that has not ended.

    `held` is in the smallest units of the asset it gives, `filled_quote` in the quote asset's; `filled`, `left` and
    `quantity` are lots, `price` ticks, fee rates units of 10^-8.
    """

    order_id: int
    account_id: int
    side: Side
    price: int
    quantity: int | None
    left: int | None
    held: int
    maker_fee: int
    taker_fee: int
    filled: int = 0
    filled_quote: int = 0
    status: OrderStatus = OrderStatus.NEW
    reason: str | None = None
    priority: tuple[int, int] | None = None


@dataclass(slots=True)
class MarketBook:
    """One market as its last commit left it."""

    rules: MarketRules
    engine: Engine
    last_sequence: int
    last_hash: bytes
    live: dict[int, LiveOrder] = field(default_factory=dict)
    last_price: int | None = None


def new_live_order(order_id: int, account_id: int, payload: NewPayload) -> LiveOrder:
    """Note an order that the journal brings in."""
    return LiveOrder(
        order_id=order_id,
        account_id=account_id,
        side=payload.side,
        price=payload.price,
        quantity=payload.quantity,
        left=payload.quantity,
        held=payload.held,
        maker_fee=payload.maker_fee,
        taker_fee=payload.taker_fee,
    )


class OrderRow(NamedTuple):
    """What a book needs of an order's row, its columns by their names; and the account's owner."""

    id: int
    account_id: int
    side: str
    price: Decimal | None
    protection_price: Decimal | None
    quantity: Decimal | None
    remaining_quantity: Decimal | None
    held_amount: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    filled_quantity: Decimal
    filled_quote: Decimal
    status: str
    priority_sequence: int | None
    priority_ordinal: int | None
    owner: int | None


_ROW = (*OrderRow._fields[:-1], "account__user_id")


class StoredBook(NamedTuple):
    """A market, its state and its last hash, and the columns of an OrderRow of each order that rests, in priority order."""

    market: Market
    last_hash: bytes
    orders: list[tuple[Any, ...]]


def rebuild(market_id: int) -> MarketBook:
    """Build a market's book from its open orders. Expects the market's fence to be locked, so that nothing moves."""
    return build(read_stored(market_id))


def read_stored(market_id: int) -> StoredBook:
    """Read what a book is built from. Several statements: the caller sees to it that they see one moment."""
    market = Market.objects.select_related("base", "quote", "state").get(id=market_id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT hash FROM batches WHERE market_id = %s ORDER BY last_sequence DESC LIMIT 1", [market_id])
        found = cursor.fetchone()
    rows = (
        Order.objects.filter(OPEN, market_id=market_id, priority_sequence__isnull=False)
        .order_by("priority_sequence", "priority_ordinal")
        .values_list(*_ROW)
    )
    return StoredBook(market, bytes(found[0]) if found else FIRST_HASH, list(rows))


def build(stored: StoredBook) -> MarketBook:
    """Build a book from what was read."""
    rules, state = make_rules(stored.market), stored.market.state
    book = MarketBook(
        rules=rules,
        engine=Engine(Phase(state.phase)),
        last_sequence=state.last_sequence,
        last_hash=stored.last_hash,
        last_price=None if state.last_price is None else rules.ticks(state.last_price),
    )
    for columns in stored.orders:
        row = OrderRow(*columns)
        live = live_order_of_row(row, rules)
        book.live[live.order_id] = live
        assert live.quantity is not None
        assert live.left is not None
        assert live.priority is not None
        assert row.owner is not None
        book.engine.restore(
            RestingOrder(live.order_id, row.owner, live.side, live.quantity, live.left, *live.priority), live.price
        )
    return book


def live_order_of_row(order: Order | OrderRow, rules: MarketRules) -> LiveOrder:
    """Note an open order as its row stands."""
    side = Side(order.side)
    price = order.protection_price if order.price is None else order.price
    assert price is not None
    return LiveOrder(
        order_id=order.id,
        account_id=order.account_id,
        side=side,
        price=rules.ticks(price),
        quantity=None if order.quantity is None else rules.lots(order.quantity),
        left=None if order.remaining_quantity is None else rules.lots(order.remaining_quantity),
        held=to_units(order.held_amount, rules.quote_scale if side is Side.BUY else rules.base_scale),
        maker_fee=to_units(order.maker_fee, FEE_RATE_SCALE),
        taker_fee=to_units(order.taker_fee, FEE_RATE_SCALE),
        filled=rules.lots(order.filled_quantity),
        filled_quote=to_units(order.filled_quote, rules.quote_scale),
        status=OrderStatus(order.status),
        priority=None if order.priority_sequence is None else (order.priority_sequence, order.priority_ordinal or 0),
    )
