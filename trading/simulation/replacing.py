"""Bring the orders that stand to the quotes that are wanted, with few requests.

The law: after each step, in the order in which they are listed, no bid of one's own is at or above an ask of one's own. What stands near
enough to a wanted level serves it as it is; what serves none is moved to a level that none serves, away from the other side first, and a few at a time:
the rest follows the next time. What is over, is taken away.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from trading.simulation.terms import BUY, SELL, Quote, Standing

MOVES_MAX = 3
USED_UP = Decimal("0.3")
"""An order that has less left than this share of what its level wants is filled up."""


class Move(NamedTuple):
    """An order's new terms; its quantity includes what is filled already, as the venue counts."""

    order_id: int
    price: Decimal
    quantity: Decimal


class Plan(NamedTuple):
    """What to do, in this order."""

    cancels: list[int]
    moves: list[Move]
    places: list[Quote]


def plan_changes(standing: Sequence[Standing], wanted: Sequence[Quote]) -> Plan:
    """Choose the changes that lead from what stands towards what is wanted."""
    cancels: list[int] = []
    moves: list[tuple[Standing, Quote]] = []
    places: list[Quote] = []
    for side in (BUY, SELL):
        refills, free, unserved = _match(
            [one for one in standing if one.side == side], [one for one in wanted if one.side == side]
        )
        moves += [*refills, *zip(free, unserved, strict=False)]
        places += unserved[len(free) :]
        cancels += [one.id for one in free[len(unserved) :]]
    touch = _Touch(one for one in standing if one.id not in cancels)
    chosen: list[Move] = []
    for order, quote in sorted(moves, key=_comes_nearer):
        if len(chosen) < MOVES_MAX and touch.allows(quote, order):
            touch.move(order, quote)
            chosen.append(Move(order.id, quote.price, order.filled + quote.quantity))
    return Plan(cancels, chosen, [quote for quote in places if touch.allows(quote)])


def _match(
    standing: list[Standing], wanted: list[Quote]
) -> tuple[list[tuple[Standing, Quote]], list[Standing], list[Quote]]:
    """Pair each wanted level with the order nearest to it; return those to be filled up, and the orders and levels that are left."""
    refills, free, unserved = [], list(standing), []
    for n, quote in enumerate(wanted):
        reach = _reach(wanted, n)
        near = [one for one in free if abs(one.price - quote.price) <= reach]
        serving = min(near, key=lambda one: abs(one.price - quote.price), default=None)
        if serving is None:
            unserved.append(quote)
            continue
        free.remove(serving)
        if serving.left < USED_UP * quote.quantity:
            # It keeps its price: only its quantity is renewed.
            refills.append((serving, quote._replace(price=serving.price)))
    return refills, free, unserved


def _reach(wanted: Sequence[Quote], n: int) -> Decimal:
    """How far an order may be from a level and still serve it: less than half way to the next."""
    gaps = [abs(wanted[n].price - wanted[m].price) for m in (n - 1, n + 1) if 0 <= m < len(wanted)]
    return min(gaps, default=Decimal(0)) * Decimal("0.49")


def _comes_nearer(move: tuple[Standing, Quote]) -> tuple[bool, Decimal]:
    """Sort moves: those away from the other side first, the longest of them foremost."""
    order, quote = move
    nearer = quote.price - order.price if order.side == BUY else order.price - quote.price
    return nearer > 0, -abs(nearer)


class _Touch:
    """One's own best prices, as they change by what is planned."""

    def __init__(self, standing: Iterable[Standing]) -> None:
        self._prices = {one.id: (one.side, one.price) for one in standing}

    def allows(self, quote: Quote, order: Standing | None = None) -> bool:
        others = [
            price
            for order_id, (side, price) in self._prices.items()
            if side != quote.side and (order is None or order_id != order.id)
        ]
        return not others or (quote.price < min(others) if quote.side == BUY else quote.price > max(others))

    def move(self, order: Standing, quote: Quote) -> None:
        self._prices[order.id] = (quote.side, quote.price)
