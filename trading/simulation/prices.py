"""Let fair prices wander.

The law: each asset has one value in US dollars, and a market's fair price is one value over another: so that three markets of
three assets always agree. A value wanders by chance, is drawn back, and never leaves a band around where it belongs: an order far from it
is safe from the demo.
Floats are good enough here: what becomes an order is rounded to ticks (ladder.py), and no money is counted with them.
"""

import math
from random import Random

VALUES = {"BTC": 64_000.0, "ETH": 3_200.0, "USD": 1.0}
"""Where each asset's value belongs, in US dollars."""
STEADY = "USD"

WANDER_A_MINUTE = {"BTC": 0.0010, "ETH": 0.0013}
DRAWN_BACK_SECONDS = 12 * 3600
BAND = 0.15


class FairPrices:
    """The values as they stand."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        # Logarithms of how far each is from where it belongs.
        self._away = {asset: 0.0 for asset in VALUES if asset != STEADY}

    def start_at(self, asset: str, value: float) -> None:
        """Go on from a value that was left, as far as the band allows."""
        self._away[asset] = _within_band(math.log(value / VALUES[asset]))

    def step(self, seconds: float) -> None:
        """Let this much time pass."""
        for asset, away in self._away.items():
            drawn = away * math.exp(-seconds / DRAWN_BACK_SECONDS)
            wander = WANDER_A_MINUTE[asset] * math.sqrt(seconds / 60)
            self._away[asset] = _within_band(drawn + self._chance.gauss(0.0, wander))

    def value(self, asset: str) -> float:
        return VALUES[asset] * math.exp(self._away.get(asset, 0.0))

    def fair(self, base: str, quote: str) -> float:
        return self.value(base) / self.value(quote)


def _within_band(away: float) -> float:
    return min(max(away, math.log(1 - BAND)), math.log(1 + BAND))
