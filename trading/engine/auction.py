"""Find the price at which all that crosses trades at once.

The law (SEMANTICS of uncrossing), for each limit price p with B(p) what would buy there and S(p) what would sell:
the most volume min(B, S); of those the least surplus |B - S|; of those the highest where all have something left to buy, the
lowest where all have something left to sell; else the reference price, brought into the interval that is left. Where
only market orders cross, whatever limits there are, the reference price itself. No volume, no price.
"""

from bisect import bisect_left
from itertools import accumulate
from typing import NamedTuple


class Uncross(NamedTuple):
    """A price, what trades at it, and by how much more would buy there, or where it is negative, sell."""

    price: int
    quantity: int
    surplus: int


class Interest:
    """What one side would trade, by price.

    `limits` and `markets` are lots by the price up to which they trade, of which only limits can make the price; `budgets` are
    amounts to spend, by that price. `sign` is -1 for buys, which trade at that price and below, and 1 for sells.
    """

    def __init__(
        self, sign: int, limits: list[tuple[int, int]], markets: list[tuple[int, int]], budgets: list[tuple[int, int]]
    ) -> None:
        self.prices = {price for price, _ in limits}
        self._sign = sign
        self._budgets = budgets
        lots = sorted((sign * price, lots) for price, lots in (*limits, *markets))
        self._keys = [key for key, _ in lots]
        self._sums = [0, *accumulate(lots for _, lots in lots)]

    def lots_at(self, price: int) -> int:
        """Count the lots that would trade at a price."""
        within = self._sums[bisect_left(self._keys, self._sign * price + 1)]
        return within + sum(budget // price for limit, budget in self._budgets if limit >= price)


def find_price(buys: Interest, sells: Interest, reference: int | None) -> Uncross | None:
    """Return what an uncross gives; None where nothing crosses."""
    ladder = [_at(price, buys, sells) for price in sorted(buys.prices | sells.prices)]
    most = max((rung.quantity for rung in ladder), default=0)
    if not most:
        at_reference = None if reference is None else _at(reference, buys, sells)
        return at_reference if at_reference is not None and at_reference.quantity else None
    ladder = [rung for rung in ladder if rung.quantity == most]
    least = min(abs(rung.surplus) for rung in ladder)
    ladder = [rung for rung in ladder if abs(rung.surplus) == least]
    to_buy = [rung for rung in ladder if rung.surplus > 0]
    to_sell = [rung for rung in ladder if rung.surplus < 0]
    if not to_sell and to_buy:
        return to_buy[-1]
    if not to_buy and to_sell:
        return to_sell[0]
    low, high = (to_buy[-1].price, to_sell[0].price) if to_buy else (ladder[0].price, ladder[-1].price)
    wished = (low + high) // 2 if reference is None else reference
    return _at(max(low, min(wished, high)), buys, sells)


def _at(price: int, buys: Interest, sells: Interest) -> Uncross:
    buying, selling = buys.lots_at(price), sells.lots_at(price)
    return Uncross(price, min(buying, selling), buying - selling)
