"""Read markets and orders.

The law: an account sees its own orders only; every list has an explicit order that ends in a unique key.
Placing and changing is orders/intake.py's; the rules used on the way are orders/rules.py's.
"""

from collections.abc import Iterable

from django.db.models import QuerySet

from orders.models import Market, Order
from orders.rules import MarketRules
from orders.terms import OrderStatus, Side


def markets_with_state() -> QuerySet[Market]:
    """Select all markets by symbol, with assets and state. One query."""
    return Market.objects.select_related("base", "quote", "state").order_by("symbol")


def market_with_state(rules: MarketRules) -> Market:
    """Return one market with assets and state, as it is now. One query."""
    return markets_with_state().get(id=rules.market_id)


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


def orders_by_id(account_id: int, order_ids: Iterable[int]) -> dict[int, Order]:
    """Read these of the account's orders as they stand. One query."""
    return Order.objects.filter(account_id=account_id).in_bulk(list(order_ids))
