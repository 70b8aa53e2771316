"""Find the price at which all that crosses trades at once.

The law (SEMANTICS of uncrossing), for each limit price p with B(p) what would buy there and S(p) what would sell:
the most volume min(B, S); of those the least surplus |B - S|; of those the highest where all have something left to buy, the
lowest where all have something left to sell; else the reference price, brought into the interval that is left. Where
only market orders cross, whatever limits there are, the reference price itself. No volume, no price.
"""

from bisect import bisect_left, bisect_right
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
    """Return what an uncross gives; None where nothing crosses.

    With the price, what would buy falls and what would sell rises. So the most volume is at one of the two limits between which the
    surplus changes its sign, and only those near them are looked at.
    """
    prices = sorted(buys.prices | sells.prices)

    def shortage(price: int) -> int:
        return sells.lots_at(price) - buys.lots_at(price)

    turn = bisect_left(prices, 0, key=shortage)
    to_buy = _at(prices[turn - 1], buys, sells) if turn else None
    to_sell = _at(prices[turn], buys, sells) if turn < len(prices) else None
    most = max((rung.quantity for rung in (to_buy, to_sell) if rung is not None), default=0)
    if not most:
        at_reference = None if reference is None else _at(reference, buys, sells)
        return at_reference if at_reference is not None and at_reference.quantity else None
    nearest = [rung for rung in (to_buy, to_sell) if rung is not None and rung.quantity == most]
    least = min(abs(rung.surplus) for rung in nearest)
    nearest = [rung for rung in nearest if abs(rung.surplus) == least]
    low = high = nearest[0].price
    if len(nearest) == 2:
        high = nearest[1].price
    elif not least:
        # Up to the last limit at which nothing is left over.
        high = prices[bisect_right(prices, 0, lo=turn, key=shortage) - 1]
    wished = (low + high) // 2 if reference is None else reference
    return _at(max(low, min(wished, high)), buys, sells)


def _at(price: int, buys: Interest, sells: Interest) -> Uncross:
    buying, selling = buys.lots_at(price), sells.lots_at(price)
    return Uncross(price, min(buying, selling), buying - selling)
