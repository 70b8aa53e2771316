"""Lay out quotes around a fair price.

The law: bids are below the fair price and asks above it, on different ticks, so that they never cross each other; prices are whole
ticks, quantities whole lots within the market's limits. A lean moves all of them: who has too much of an asset asks less for it.
"""

import math
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from random import Random

from trading.simulation.terms import BUY, SELL, Quote, Terms

DISTANCES = (0.00012, 0.00030, 0.00055, 0.00090, 0.00140, 0.00210, 0.00300, 0.00420)
"""How far each level is from the fair price, as a fraction of it: the nearest is half the spread."""
LEAN = 0.0008
SIZES_USD = (4_000.0, 40_000.0)
"""What the nearest level is worth, and the farthest, in US dollars."""


def lay_ladder(terms: Terms, fair: float, lean: float, base_value: float, chance: Random) -> list[Quote]:
    """Quote every level on both sides, the nearest first. `lean` is -1 (wants more of the base asset) to 1 (wants less)."""
    center = fair * (1 - LEAN * lean)
    return [
        *_side(terms, BUY, center, base_value, chance),
        *_side(terms, SELL, center, base_value, chance),
    ]


def _side(terms: Terms, side: str, center: float, base_value: float, chance: Random) -> list[Quote]:
    toward = -1 if side == BUY else 1
    quotes: list[Quote] = []
    for n, distance in enumerate(DISTANCES):
        price = whole_ticks(terms, center * (1 + toward * distance), side)
        if quotes and toward * (price - quotes[-1].price) <= 0:
            # Where ticks are coarse, levels would fall together.
            price = quotes[-1].price + toward * terms.tick_size
        quantity = whole_lots(terms, _size_usd(n, chance) / base_value, price)
        if quantity is not None and price > 0:
            quotes.append(Quote(side, price, quantity))
    return quotes


def _size_usd(level: int, chance: Random) -> float:
    nearest, farthest = SIZES_USD
    share = level / (len(DISTANCES) - 1)
    return math.exp(math.log(nearest) * (1 - share) + math.log(farthest) * share) * chance.uniform(0.6, 1.4)


def whole_ticks(terms: Terms, price: float, side: str) -> Decimal:
    """Round a price away from the other side: a bid down, an ask up; where it is whole, bid and ask differ by a tick all the same."""
    if side == BUY:
        return (Decimal(price) / terms.tick_size).to_integral_value(ROUND_FLOOR) * terms.tick_size
    ticks = (Decimal(price) / terms.tick_size).to_integral_value(ROUND_CEILING)
    return (ticks + (ticks * terms.tick_size == Decimal(price))) * terms.tick_size


def whole_lots(terms: Terms, quantity: float, price: Decimal) -> Decimal | None:
    """Round a quantity down to lots within the market's limits; None where no quantity would do."""
    lots = max((Decimal(quantity) / terms.lot_size).to_integral_value(ROUND_DOWN), Decimal(1))
    least = terms.min_quantity or Decimal(0)
    if terms.min_notional is not None and price > 0:
        least = max(least, terms.min_notional / price)
    lots = max(lots, (least / terms.lot_size).to_integral_value(ROUND_CEILING))
    if terms.max_quantity is not None and lots * terms.lot_size > terms.max_quantity:
        lots = (terms.max_quantity / terms.lot_size).to_integral_value(ROUND_DOWN)
    return lots * terms.lot_size if lots and lots * terms.lot_size >= least else None
