"""Take: small orders at random times, now by price and now at market.

The law: nothing of a taker's rests in a book, beyond the call of an auction, so it has nothing to clean up; it trades back what it has
too much of.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Any

from trading.simulation.inventory import FUNDS, lean_of
from trading.simulation.ladder import whole_lots, whole_ticks
from trading.simulation.maker import read_totals
from trading.simulation.prices import FairPrices
from trading.simulation.terms import BUY, SELL, Terms
from trading.simulation.trader import Trader

SIZE_USD, SIZE_SPREAD = 900.0, 1.1
"""The middle of what an order is worth, and how widely that is scattered."""
SIZE_USD_MAX = 25_000.0
BACK = 0.35
"""How strongly a side is preferred by one who has strayed far."""
MARKET_SHARE = 0.4
REACH = 0.0015
"""How far from the fair price a limit reaches at most."""


class Taker:
    def __init__(self, trader: Trader, prices: FairPrices, chance: Random) -> None:
        self._trader = trader
        self._prices = prices
        self._chance = chance
        self._totals: Mapping[str, Decimal] = {}

    def take_stock(self) -> None:
        self._totals = read_totals(self._trader)

    def pause(self, mean: float) -> float:
        """Choose how long until the next order."""
        return self._chance.expovariate(1 / mean)

    def visit(self, terms: Terms) -> None:
        """Send one order. Raises Refused."""
        body = self.choose(terms)
        if body is not None:
            self._trader.ask("POST", "/orders", body=body)

    def choose(self, terms: Terms) -> dict[str, Any] | None:
        """Make up an order."""
        chance = self._chance
        fair = self._prices.fair(terms.base, terms.quote)
        lean = lean_of(self._totals, FUNDS.get(self._trader.email, {}), terms.base, terms.quote)
        side = BUY if chance.random() < 0.5 - BACK * lean else SELL
        size = min(math.exp(chance.gauss(math.log(SIZE_USD), SIZE_SPREAD)), SIZE_USD_MAX)
        reach = chance.uniform(0, REACH) * (1 if side == BUY else -1)
        price = whole_ticks(terms, fair * (1 + reach), side)
        quantity = whole_lots(terms, size / self._prices.value(terms.base), price)
        if quantity is None or price <= 0:
            return None
        order = {"symbol": terms.symbol, "side": side, "quantity": f"{quantity:f}"}
        if chance.random() < MARKET_SHARE:
            return {**order, "order_type": "Market"}
        return {**order, "order_type": "Limit", "time_in_force": "IOC", "price": f"{price:f}"}
