"""Say who acts when, and go on whatever the venue says.

The law: a fixed number of requests a second, however many markets there are; who is refused waits longer each time, and who gets no
answer too, up to a bound; the end comes as soon as it is asked for, and takes the quotes away.
How one waits, and hears that the end is asked for, is the caller's: stop(seconds) waits and tells.
"""

import heapq
import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from itertools import count
from random import Random
from typing import NamedTuple

from trading.simulation.maker import Maker
from trading.simulation.prices import STEADY, VALUES, FairPrices
from trading.simulation.taker import Taker
from trading.simulation.terms import Terms, read_terms
from trading.simulation.trader import Away, Refused, Trader

VISIT_SECONDS = 1.2  # between two visits of the maker, each of one market
TAKE_SECONDS = 1.6  # between two orders of the taker, on average
STOCK_SECONDS = 45.0
SWITCH_SECONDS = 20.0
REFUSED_SECONDS_MAX = 30.0  # it will be refused for as long as things stand as they do
AWAY_SECONDS_MAX = 4.0  # a demo should be back soon after its venue
UP_SECONDS = 0.5

Stop = Callable[[float], bool]

log = logging.getLogger("simulation")


class SimulationError(Exception):
    """It cannot be run as asked; the message says what to change."""


class Login(NamedTuple):
    email: str
    password: str


class _Act:
    """Something that is done again and again, less often while it fails."""

    def __init__(self, name: str, do: Callable[[], None], pause: Callable[[], float]) -> None:
        self.name = name
        self._do = do
        self._pause = pause
        self._failures = 0

    def run(self) -> float:
        """Do it; return the seconds until the next time."""
        try:
            self._do()
        except (Refused, Away) as error:
            self._failures += 1
            if self._failures == 1:
                log.warning("%s: %s", self.name, error)
            most = AWAY_SECONDS_MAX if isinstance(error, Away) else REFUSED_SECONDS_MAX
            wait = min(2.0 ** (self._failures - 1), most)
            return max(self._pause(), wait, getattr(error, "retry_after", None) or 0)
        if self._failures:
            log.info("%s goes on", self.name)
        self._failures = 0
        return self._pause()


class Simulation:
    def __init__(self, url: str, maker: Login, taker: Login, *, symbols: Iterable[str], seed: int, pace: float) -> None:
        self._symbols = list(symbols)
        self._pace = pace
        self._makers_trader = Trader(url, *maker)
        self._takers_trader = Trader(url, *taker)
        self._prices = FairPrices(Random(f"{seed} prices"))
        self._maker = Maker(self._makers_trader, self._prices, Random(f"{seed} maker"))
        self._taker = Taker(self._takers_trader, self._prices, Random(f"{seed} taker"))

    def run(self, stop: Stop) -> None:
        """Trade until stop() says so. Raises SimulationError where what is asked for is not there."""
        with ExitStack() as stack:
            stack.callback(self._makers_trader.close)
            stack.callback(self._takers_trader.close)
            markets = self._begin(stop)
            if markets is not None:
                stack.callback(self._leave)
                self._go_on(markets, stop)

    def _begin(self, stop: Stop) -> list[Terms] | None:
        """Wait until the venue is there, clear away what an earlier run left, and look around; None where the end comes first."""
        said = False
        while True:
            try:
                self._maker.withdraw()
                self._maker.hold_the_switch()
                self._maker.take_stock()
                self._taker.take_stock()
                return self._markets()
            except (Refused, Away) as error:
                if isinstance(error, Refused) and error.code != "rate_limited":
                    raise SimulationError(f"The venue refuses the demo's traders: {error}") from error
                if not said:
                    log.info("waiting for the venue: %s", error)
                said = True
                pause = getattr(error, "retry_after", None) or UP_SECONDS
            if stop(pause):
                return None

    def _markets(self) -> list[Terms]:
        found = {terms.symbol: terms for terms in map(read_terms, self._makers_trader.public("/markets")["results"])}
        known = {symbol for symbol, terms in found.items() if terms.base in VALUES and terms.quote in VALUES}
        if unknown := set(self._symbols) - known:
            raise SimulationError(f"No market with a price known here: {', '.join(sorted(unknown))}.")
        chosen = [found[symbol] for symbol in sorted(known) if not self._symbols or symbol in self._symbols]
        if not chosen:
            raise SimulationError(f"There is no market of {', '.join(VALUES)} here; manage.py seed_demo makes some.")
        self._go_on_from_last_prices()
        return chosen

    def _go_on_from_last_prices(self) -> None:
        for ticker in self._makers_trader.public("/tickers")["results"]:
            base, _, quote = ticker["symbol"].partition("/")
            if quote == STEADY and base in VALUES and ticker["last"] is not None:
                self._prices.start_at(base, float(ticker["last"]))

    def _go_on(self, markets: list[Terms], stop: Stop) -> None:
        now, order = 0.0, count()
        due = [(begin, next(order), act) for begin, act in self._acts(markets)]
        heapq.heapify(due)
        log.info("trading %s", ", ".join(terms.symbol for terms in markets))
        while True:
            time, _, act = heapq.heappop(due)
            # By its own clock, which stands still while it asks: a venue that is slow is asked less.
            if stop(max(time - now, 0.0) / self._pace):
                return
            now = max(time, now)
            heapq.heappush(due, (now + act.run(), next(order), act))

    def _acts(self, markets: list[Terms]) -> list[tuple[float, _Act]]:
        """List what is done, and when for the first time: the markets one after another, and all before the first is taken from."""
        round_seconds = VISIT_SECONDS * len(markets)
        maker, taker = self._maker, self._taker
        acts = [(0.0, _Act("the fair price", lambda: self._prices.step(VISIT_SECONDS), lambda: VISIT_SECONDS))]
        acts += [
            (
                n * VISIT_SECONDS,
                _Act(f"the maker in {terms.symbol}", partial(maker.visit, terms), lambda: round_seconds),
            )
            for n, terms in enumerate(markets)
        ]
        take_seconds = TAKE_SECONDS * len(markets)
        acts += [
            (
                round_seconds + taker.pause(TAKE_SECONDS),
                _Act(f"the taker in {terms.symbol}", partial(taker.visit, terms), partial(taker.pause, take_seconds)),
            )
            for terms in markets
        ]
        return [
            *acts,
            # How long the venue waits is not a matter of pace.
            (0.0, _Act("the dead man's switch", maker.hold_the_switch, lambda: SWITCH_SECONDS * self._pace)),
            (STOCK_SECONDS, _Act("the maker's stock", maker.take_stock, lambda: STOCK_SECONDS)),
            (STOCK_SECONDS, _Act("the taker's stock", taker.take_stock, lambda: STOCK_SECONDS)),
        ]

    def _leave(self) -> None:
        try:
            self._maker.withdraw()
        except (Refused, Away) as error:
            log.warning("the quotes stay until the dead man's switch: %s", error)
