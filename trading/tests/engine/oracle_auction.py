"""Say at which price orders uncross: each candidate tried, and the worse ones struck off rule by rule.

The law (the ladder): the most lots; then the least surplus; then, where all have buyers over, the highest, where all have
sellers over, the lowest; else the price nearest to the reference between the two that are left. The candidates are the
limits. Where no limit crosses anything but market orders do, the reference is the price.
"""

from typing import NamedTuple

from orders.terms import Side
from trading.tests.engine.oracle_order import Order, rank


class Auction(NamedTuple):
    """What an uncross at a price would give; `surplus` lots more would buy, or where it is negative, sell."""

    price: int
    quantity: int
    surplus: int


def auction_at(orders: list[Order], price: int) -> Auction:
    willing = [order for order in orders if order.accepts(price)]
    buy = sum(order.lots_at(price) for order in willing if order.is_buy)
    sell = sum(order.lots_at(price) for order in willing if not order.is_buy)
    return Auction(price, min(buy, sell), buy - sell)


def find_auction(orders: list[Order], reference: int | None) -> Auction | None:
    """Choose the price for these orders; there is none where nothing would trade."""
    limits = {order.terms.price for order in orders if not order.terms.market}
    tried = [tried for tried in (auction_at(orders, price) for price in sorted(limits)) if tried.quantity]
    if not tried:
        at_reference = None if reference is None else auction_at(orders, reference)
        return at_reference if at_reference is not None and at_reference.quantity else None
    most = max(auction.quantity for auction in tried)
    tried = [auction for auction in tried if auction.quantity == most]
    least = min(abs(auction.surplus) for auction in tried)
    tried = [auction for auction in tried if abs(auction.surplus) == least]
    if all(auction.surplus > 0 for auction in tried):
        return tried[-1]
    if all(auction.surplus < 0 for auction in tried):
        return tried[0]
    # Now that one surplus is as large as the other, either both signs are left, or none.
    low = max((auction.price for auction in tried if auction.surplus > 0), default=tried[0].price)
    high = min((auction.price for auction in tried if auction.surplus < 0), default=tried[-1].price)
    if reference is None:
        return auction_at(orders, (low + high) // 2)
    return auction_at(orders, min(max(reference, low), high))


def line(orders: list[Order], side: Side, price: int) -> list[Order]:
    """Line up those who trade at the price: market orders first, then the better price, then the earlier."""
    willing = [order for order in orders if order.terms.side is side and order.accepts(price) and order.lots_at(price)]
    return sorted(willing, key=lambda order: (0, (0, order.priority)) if order.terms.market else (1, rank(order)))
