"""Read markets and orders.

The law: an account sees its own orders only; every list has an explicit order that ends in a unique key.
Placing is orders/intake.py's, changing orders/changes.py's; the rules used on the way are orders/rules.py's.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.db.models import Count, QuerySet

from accounts.errors import DomainError
from accounts.selectors import Holding
from orders.models import OPEN, Market, Order
from orders.rules import MarketRules
from orders.terms import OrderStatus, Side


def markets_with_state() -> QuerySet[Market]:
    """Select all markets by symbol, with assets and state. One query."""
    return Market.objects.select_related("base", "quote", "state").order_by("symbol")


def market_with_state(rules: MarketRules) -> Market:
    """Return one market with assets and state, as it is now. One query."""
    return markets_with_state().get(id=rules.market_id)


class Fees(NamedTuple):
    """What an account pays in a market from its next order on."""

    symbol: str
    maker_fee: Decimal
    taker_fee: Decimal


# The nearest rate counts, as in sql/place.sql: account and market, tier and market, tier, the market's own.
_FEES = """
    SELECT m.symbol, COALESCE(f.maker_fee, m.maker_fee), COALESCE(f.taker_fee, m.taker_fee)
    FROM accounts a CROSS JOIN markets m
    LEFT JOIN LATERAL (
        SELECT maker_fee, taker_fee FROM fee_rates f
        WHERE (f.account_id = a.id AND f.market_id = m.id)
           OR (f.tier = a.fee_tier AND (f.market_id = m.id OR f.market_id IS NULL))
        ORDER BY f.account_id IS NULL, f.market_id IS NULL LIMIT 1
    ) f ON TRUE
    WHERE a.id = %s ORDER BY m.symbol
"""


def fees_of(account_id: int) -> list[Fees]:
    """Read the account's fee rates in all markets, by symbol. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_FEES, [account_id])
        return [Fees._make(row) for row in cursor.fetchall()]


def orders_of(
    account_id: int,
    *,
    statuses: Iterable[OrderStatus] | None = None,
    market_id: int | None = None,
    side: Side | None = None,
    client_order_id: str | None = None,
    before: int | None = None,
    limit: int,
) -> QuerySet[Order]:
    """Select the account's newest orders below an id. One query by index."""
    filters = {
        "status__in": None if statuses is None else list(statuses),
        "market_id": market_id,
        "side": side,
        "client_order_id": client_order_id,
        "id__lt": before,
    }
    chosen = {name: value for name, value in filters.items() if value is not None}
    return Order.objects.filter(account_id=account_id, **chosen).order_by("-id")[:limit]


def count_open_orders(account_id: int) -> dict[int, int]:
    """Count the account's open orders by market id. One query by index."""
    mine = Order.objects.filter(OPEN, account_id=account_id)
    return dict(mine.values_list("market_id").annotate(orders=Count("id")).order_by("market_id"))


class ShownOrder(NamedTuple):
    """An order's columns that its owner is shown, by their names, with its account and market."""

    id: int
    account_id: int
    market_id: int
    client_order_id: str | None
    side: str
    order_type: str
    time_in_force: str
    post_only: bool
    self_trade_prevention: str
    market_maker_protection: bool
    price: Decimal | None
    stop_price: Decimal | None
    trailing_offset: int | None
    quantity: Decimal | None
    quote_quantity: Decimal | None
    display_quantity: Decimal | None
    expires_at: datetime | None
    filled_quantity: Decimal
    filled_quote: Decimal
    prevented_quantity: Decimal
    remaining_quantity: Decimal | None
    status: str
    reason: str | None
    created_at: datetime
    updated_at: datetime


SHOWN_COLUMNS = ", ".join(f"o.{name}" for name in ShownOrder._fields)
"""For a statement that calls orders o."""

# One statement, hence one snapshot: what is told by later sequences is not in it, and all that was told before is.
_SNAPSHOT = f"""
    SELECT {SHOWN_COLUMNS}, NULL::text, NULL::int, NULL::numeric, NULL::numeric, NULL::bigint
    FROM orders o WHERE o.account_id = %(account_id)s AND o.status IN ('New', 'PendingTrigger', 'PartiallyFilled')
    UNION ALL
    SELECT {", ".join(["NULL"] * len(ShownOrder._fields))}, a.code, a.scale, b.available, b.held, NULL
    FROM balances b JOIN assets a ON a.id = b.asset_id WHERE b.account_id = %(account_id)s
    UNION ALL
    SELECT {", ".join(["NULL"] * len(ShownOrder._fields))}, NULL, NULL, NULL, NULL, s.last_sequence
    FROM account_streams s WHERE s.account_id = %(account_id)s
"""  # noqa: S608  columns of ours


class AccountSnapshot(NamedTuple):
    """What an account has at one moment: open orders, oldest first, and balances by asset, as told up to this sequence."""

    account_sequence: int
    orders: list[ShownOrder]
    balances: list[Holding]


def read_account_snapshot(account_id: int) -> AccountSnapshot:
    """Read all that an account has open and owns, and the last sequence that it has been told of it. One statement."""
    sequence = 0
    orders: list[ShownOrder] = []
    balances: list[Holding] = []
    width = len(ShownOrder._fields)
    with connection.cursor() as cursor:
        cursor.execute(_SNAPSHOT, {"account_id": account_id})
        for row in cursor.fetchall():
            if row[0] is not None:
                orders.append(ShownOrder._make(row[:width]))
            elif row[width] is not None:
                balances.append(Holding._make(row[width:-1]))
            else:
                sequence = row[-1]
    return AccountSnapshot(
        sequence, sorted(orders, key=lambda order: order.id), sorted(balances, key=lambda holding: holding.asset)
    )


def orders_by_id(account_id: int, order_ids: Iterable[int]) -> dict[int, Order]:
    """Read these of the account's orders as they stand. One query."""
    return Order.objects.filter(account_id=account_id).in_bulk(list(order_ids))


def own_order(account_id: int, order_id: int) -> Order:
    """Return an account's order. Raises DomainError not_found for anybody else's."""
    order = Order.objects.filter(id=order_id, account_id=account_id).first()
    if order is None:
        raise no_such_order(order_id)
    return order


def no_such_order(order_id: int) -> DomainError:
    """Build the refusal for an order that is not there, or is somebody else's."""
    return DomainError("not_found", f"There is no order {order_id}.")
