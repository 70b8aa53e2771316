"""Keep the markets' books in memory, as a cache of the last commit.

The law: a book changes only together with a commit. After any error it is dropped, and built again from the open orders in
priority order, which are the commit's own record; the fence's last sequence tells whether a kept book is still that.
Beside the engine, which knows no money, stands what settlement must know of each live order.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from django.db import connection

from accounts.numbers import to_units
from accounts.times import to_microseconds
from orders.journal import FEE_RATE_SCALE, NewPayload, RulesPayload
from orders.models import OPEN, Market, MarketMakerProtection, Order
from orders.rules import MarketRules, make_rules
from orders.terms import LIMIT_TYPES, STOP_TYPES, OrderStatus, OrderType, Phase, SelfTradePrevention, Side, TimeInForce
from trading.engine.book import RestingOrder, WaitingOrder
from trading.engine.commands import NewOrder
from trading.engine.engine import Engine
from trading.journal import FIRST_HASH, set_rules
from trading.protection import Limit, Watch


@dataclass(slots=True)
class LiveOrder:
    """What settlement knows of an order that has not ended.

    `held` is in the smallest units of the asset it gives, `filled_quote` in the quote asset's; `filled`, `prevented`, `left`,
    `visible`, `display` and `quantity` are lots, `price` and `extreme` ticks, fee rates units of 10^-8. `price` is the one it
    holds at; `visible` is None unless it is in the book. `extreme` is what a trailing stop was armed with, by the sequence
    `armed`.
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
    prevented: int = 0
    display: int | None = None
    visible: int | None = None
    extreme: int | None = None
    armed: int | None = None
    ended: int | None = None
    flagged: bool = False


@dataclass(slots=True)
class MarketBook:
    """One market as its last commit left it. `wanted` are the rules that the engine should know by now."""

    rules: MarketRules
    engine: Engine
    last_sequence: int
    last_hash: bytes
    live: dict[int, LiveOrder] = field(default_factory=dict)
    wanted: RulesPayload = field(default_factory=RulesPayload)
    watch: Watch = field(default_factory=Watch)
    limits: str | None = None


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
        status=OrderStatus.PENDING_TRIGGER if payload.type in STOP_TYPES else OrderStatus.NEW,
        display=payload.display,
        flagged=payload.mmp,
    )


class OrderRow(NamedTuple):
    """What a book needs of an order's row, its columns by their names; and the account's owner."""

    id: int
    account_id: int
    side: str
    order_type: str
    time_in_force: str
    post_only: bool
    self_trade_prevention: str
    market_maker_protection: bool
    price: Decimal | None
    protection_price: Decimal | None
    stop_price: Decimal | None
    trailing_offset: int | None
    quantity: Decimal | None
    display_quantity: Decimal | None
    expires_at: datetime | None
    remaining_quantity: Decimal | None
    visible_quantity: Decimal | None
    extreme_price: Decimal | None
    armed_sequence: int | None
    held_amount: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    filled_quantity: Decimal
    filled_quote: Decimal
    prevented_quantity: Decimal
    status: str
    priority_sequence: int | None
    priority_ordinal: int | None
    owner: int | None


_ROW = (*OrderRow._fields[:-1], "account__user_id")


class StoredBook(NamedTuple):
    """A market, its state and its last hash, and the columns of an OrderRow of each order that lives, in priority order.

    `trailing` has, by order id, each trailing stop's protection band, which only the journal keeps; `ranges` the lowest and
    the highest price that traded after a stop was armed and up to where the next one was, by the sequence that armed it.
    """

    market: Market
    last_hash: bytes
    orders: list[tuple[Any, ...]]
    trailing: dict[int, int]
    ranges: dict[int, tuple[Decimal, Decimal]]
    protections: list[MarketMakerProtection]
    limits: str | None
    flagged_fills: list[tuple[int, Decimal, int]]


_TRAILING = """
    SELECT o.id, COALESCE((c.payload->>'protection')::bigint, 0)
    FROM orders o JOIN commands c ON c.order_id = o.id AND c.kind = 'new'
    WHERE o.market_id = %s AND o.order_type = 'TrailingStop' AND o.status = 'PendingTrigger'
"""
# One walk over the trades since the first of them was armed.
_RANGES = """
    WITH armed AS (
        SELECT array_agg(DISTINCT armed_sequence ORDER BY armed_sequence) AS sequences FROM orders
        WHERE market_id = %(market_id)s AND order_type = 'TrailingStop' AND status = 'PendingTrigger'
            AND armed_sequence IS NOT NULL
    )
    SELECT armed.sequences[width_bucket(t.sequence - 1, armed.sequences)], min(t.price), max(t.price)
    FROM armed JOIN trades t ON t.market_id = %(market_id)s AND t.sequence > armed.sequences[1]
    GROUP BY 1
"""
_LIMITS = """
    SELECT market_id, string_agg(concat_ws(' ', account_id, window_ms, quantity_limit), ',' ORDER BY account_id)
    FROM market_maker_protections WHERE market_id = ANY(%s) GROUP BY market_id
"""
# What a window of the market may still have in it, seen from the oldest command that waits. A trade is later than what brought it.
_FLAGGED_FILLS = """
    WITH horizon AS MATERIALIZED (
        SELECT COALESCE(min(accepted_at), now()) - %(window_ms)s * interval '1 millisecond' AS moment
        FROM commands WHERE market_id = %(market_id)s AND sequence IS NULL
    )
    SELECT t.maker_account_id, t.quantity, (extract(epoch FROM c.accepted_at) * 1000000)::bigint
    FROM trades t
    JOIN orders o ON o.id = t.maker_order_id AND o.market_maker_protection
    JOIN market_maker_protections p ON p.market_id = t.market_id AND p.account_id = t.maker_account_id
        AND t.sequence > COALESCE(p.reset_sequence, 0)
    JOIN commands c ON c.market_id = t.market_id AND c.sequence = t.sequence
    WHERE t.market_id = %(market_id)s AND t.executed_at > (SELECT moment FROM horizon)
        AND c.accepted_at > (SELECT moment FROM horizon)
    ORDER BY t.sequence, t.ordinal
"""


def rebuild(market_id: int) -> MarketBook:
    """Build a market's book from its open orders. Expects the market's fence to be locked, so that nothing moves."""
    return build(read_stored(market_id))


def read_stored(market_id: int) -> StoredBook:
    """Read what a book is built from. Several statements: the caller sees to it that they see one moment."""
    market = Market.objects.select_related("base", "quote", "state").get(id=market_id)
    protections, fills = _read_protections(market_id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT hash FROM batches WHERE market_id = %s ORDER BY last_sequence DESC LIMIT 1", [market_id])
        found = cursor.fetchone()
        cursor.execute(_TRAILING, [market_id])
        trailing = dict(cursor.fetchall())
        ranges = {}
        if trailing:
            cursor.execute(_RANGES, {"market_id": market_id})
            ranges = {sequence: (low, high) for sequence, low, high in cursor.fetchall()}
    rows = (
        Order.objects.filter(OPEN, market_id=market_id, priority_sequence__isnull=False)
        .order_by("priority_sequence", "priority_ordinal")
        .values_list(*_ROW)
    )
    return StoredBook(
        market,
        bytes(found[0]) if found else FIRST_HASH,
        list(rows),
        trailing,
        ranges,
        protections,
        read_limits([market_id])[market_id],
        fills,
    )


def refresh_protections(book: MarketBook, limits: str | None) -> None:
    """Take notice of protections that have been set or removed. Expects the market's fence to be locked."""
    book.watch = _watch(*_read_protections(book.rules.market_id), book.rules)
    book.limits = limits


def read_limits(market_ids: list[int]) -> dict[int, str | None]:
    """Read all protections' limits of each market in one text, which tells whether one has changed."""
    with connection.cursor() as cursor:
        cursor.execute(_LIMITS, [market_ids])
        return dict.fromkeys(market_ids) | dict(cursor.fetchall())


def _read_protections(market_id: int) -> tuple[list[MarketMakerProtection], list[tuple[int, Decimal, int]]]:
    protections = list(MarketMakerProtection.objects.filter(market_id=market_id).order_by("account_id"))
    if not protections:
        return [], []
    with connection.cursor() as cursor:
        window_ms = max(protection.window_ms for protection in protections)
        cursor.execute(_FLAGGED_FILLS, {"market_id": market_id, "window_ms": window_ms})
        return protections, cursor.fetchall()


def build(stored: StoredBook) -> MarketBook:
    """Build a book from what was read."""
    rules, state = make_rules(stored.market), stored.market.state
    engine = Engine(Phase(state.phase))
    engine.rules = set_rules(msgspec.convert(state.rules, RulesPayload))
    engine.last_price = _ticks(state.last_price, rules)
    engine.last_auction_price = _ticks(state.last_auction_price, rules)
    engine.call_ends_at = None if state.call_ends_at is None else to_microseconds(state.call_ends_at)
    engine.call_extensions = state.call_extensions
    engine.protected = {row.account_id for row in stored.protections if row.tripped_sequence is not None}
    book = MarketBook(
        rules, engine, state.last_sequence, stored.last_hash, wanted=rules_for_engine(stored.market, rules)
    )
    book.watch = _watch(stored.protections, stored.flagged_fills, rules)
    book.limits = stored.limits
    traded = _Traded(stored.ranges, rules)
    for columns in stored.orders:
        row = OrderRow(*columns)
        live = live_order_of_row(row, rules)
        book.live[live.order_id] = live
        order = _resting_order(row, live, rules, stored.trailing.get(row.id, 0))
        if isinstance(order, WaitingOrder) and order.started_at is not None and live.armed is not None:
            choose = min if live.side is Side.BUY else max
            order.started_at = choose((order.started_at, *traded.extremes_since(live.armed)))
        engine.restore(order)
    for side in (engine.bids, engine.asks):
        side.take_changes()  # nothing has changed: it is what the last commit left
    return book


class _Traded:
    """The lowest and the highest price that traded since a sequence."""

    def __init__(self, ranges: Mapping[int, tuple[Decimal, Decimal]], rules: MarketRules) -> None:
        self._sequences = sorted(ranges)
        self._extremes: list[tuple[int, ...]] = []
        prices: tuple[int, ...] = ()
        for sequence in reversed(self._sequences):
            prices = (*prices, *map(rules.ticks, ranges[sequence]))
            prices = (min(prices), max(prices))
            self._extremes.append(prices)
        self._extremes.reverse()

    def extremes_since(self, sequence: int) -> tuple[int, ...]:
        """Return both, or nothing where nothing has traded since."""
        place = bisect_left(self._sequences, sequence)
        return self._extremes[place] if place < len(self._sequences) else ()


def rules_for_engine(market: Market, rules: MarketRules) -> RulesPayload:
    """Say of a market's rules what its engine should know."""
    return RulesPayload(
        reference=_ticks(market.reference_price, rules),
        volatility_band=_rate(market.volatility_band),
        auction_band=_rate(market.auction_band),
    )


def _watch(
    protections: Iterable[MarketMakerProtection], fills: Iterable[tuple[int, Decimal, int]], rules: MarketRules
) -> Watch:
    watch = Watch({row.account_id: Limit(row.window_ms * 1000, rules.lots(row.quantity_limit)) for row in protections})
    for account_id, quantity, at in fills:
        watch.note(account_id, rules.lots(quantity), at)
    watch.take_over()  # whoever passed a limit then is protected already, or has been reset since
    return watch


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
        quantity=_lots(order.quantity, rules),
        left=_lots(order.remaining_quantity, rules),
        held=to_units(order.held_amount, rules.quote_scale if side is Side.BUY else rules.base_scale),
        maker_fee=to_units(order.maker_fee, FEE_RATE_SCALE),
        taker_fee=to_units(order.taker_fee, FEE_RATE_SCALE),
        filled=rules.lots(order.filled_quantity),
        filled_quote=to_units(order.filled_quote, rules.quote_scale),
        status=OrderStatus(order.status),
        priority=None if order.priority_sequence is None else (order.priority_sequence, order.priority_ordinal or 0),
        prevented=rules.lots(order.prevented_quantity),
        display=_lots(order.display_quantity, rules),
        visible=_lots(order.visible_quantity, rules),
        extreme=_ticks(order.extreme_price, rules),
        armed=order.armed_sequence,
        flagged=order.market_maker_protection,
    )


def _resting_order(row: OrderRow, live: LiveOrder, rules: MarketRules, protection: int) -> RestingOrder:
    """Make the engine's order of a row: one in the book, one parked, or a stop that has not triggered yet."""
    assert live.priority is not None
    assert row.owner is not None
    order_type, left = OrderType(row.order_type), live.left or 0
    awaits = live.status is OrderStatus.PENDING_TRIGGER
    terms = NewOrder(
        order_id=live.order_id,
        owner=row.owner,
        side=live.side,
        price=live.price,
        quantity=live.quantity,
        time_in_force=TimeInForce(row.time_in_force),
        market=order_type not in LIMIT_TYPES,
        post_only=row.post_only,
        self_trade_prevention=SelfTradePrevention(row.self_trade_prevention),
        account=live.account_id,
        display=live.display,
        expires_at=None if row.expires_at is None else to_microseconds(row.expires_at),
        stop=order_type if awaits else None,
        stop_price=_ticks(row.stop_price, rules) if awaits else None,
        trailing_offset=row.trailing_offset if awaits else None,
        protection=protection,
        market_maker_protection=row.market_maker_protection,
    )
    if live.quantity is None:
        budget = live.held // rules.tick_lot_units
        return WaitingOrder(terms, 0, *live.priority, budget=budget)
    if live.visible is None:
        return WaitingOrder(terms, left, *live.priority, extreme=live.extreme if awaits else None)
    return RestingOrder(terms, live.visible, *live.priority, left - live.visible)


def _ticks(price: Decimal | None, rules: MarketRules) -> int | None:
    return None if price is None else rules.ticks(price)


def _lots(quantity: Decimal | None, rules: MarketRules) -> int | None:
    return None if quantity is None else rules.lots(quantity)


def _rate(rate: Decimal | None) -> int | None:
    return None if rate is None else to_units(rate, FEE_RATE_SCALE)
