"""Keep one market's phase, and turn calls into trades: phases, call auctions and their uncross.

The law (SEMANTICS of phases, uncrossing and volatility interruptions): what stood still comes back by a call, unless it is told to come
back directly; a call ends in one uncross at one price, or is extended where that price is too far away.
How the price is found is auction.py's; how orders match while there is no call, engine.py's.
"""

from orders.terms import CALL_PHASES, Phase, Reason, SelfTradePrevention, Side, TimeInForce
from trading.engine.auction import Uncross, find_price
from trading.engine.book import priority
from trading.engine.commands import SetPhase, SetRules
from trading.engine.events import (
    CallSet,
    Ended,
    Event,
    Extended,
    Interrupted,
    PhaseChanged,
    Prevented,
    Traded,
    Uncrossed,
)
from trading.engine.live import LiveOrders

BAND_ONE = 10**8
EXTENSIONS_MAX = 2
STANDSTILL_PHASES = (Phase.PRE_OPEN, Phase.HALTED, Phase.CLOSED)
"""What leads to continuous matching by a call only."""


def band_around(reference: int, band: int) -> tuple[int, int]:
    """Return the lowest and the highest price within a band, in units of 10^-8, around a reference."""
    return -(-reference * (BAND_ONE - band) // BAND_ONE), reference * (BAND_ONE + band) // BAND_ONE


class Calls(LiveOrders):
    """One market's orders and its phase.

    Where `call_wanted` is set, a SetPhase that says when the call ends must come next.
    """

    def __init__(self, phase: Phase) -> None:
        super().__init__()
        self.phase = phase
        self.rules = SetRules()
        self.last_price: int | None = None
        self.last_auction_price: int | None = None
        self.call_ends_at: int | None = None
        self.call_extensions = 0
        self.call_wanted = False

    def reference(self) -> int | None:
        """Return the price that bands are around: the last trade's, else the last auction's, else the operator's."""
        for price in (self.last_price, self.last_auction_price):
            if price is not None:
                return price
        return self.rules.reference_price

    def indicative(self) -> Uncross | None:
        """Return what an uncross would give now."""
        return find_price(self.interest(Side.BUY), self.interest(Side.SELL), self.reference())

    def set_phase(self, command: SetPhase) -> list[Event]:
        """Change the phase, or open a call before that where one is due."""
        events: list[Event] = []
        if command.phase is Phase.AUCTION:
            self._change_phase(Phase.AUCTION, events)
            self._set_call(command.ends_at, events)
            return events
        if command.through_call and command.phase is Phase.CONTINUOUS:
            if self.phase is Phase.AUCTION:
                if self._extends(events):
                    return events
            elif self.phase in STANDSTILL_PHASES or self.has_unmatched():
                self._open_call(events)
                return events
        if command.phase in (Phase.CONTINUOUS, Phase.POST_ONLY) and (self.phase in CALL_PHASES or self.has_unmatched()):
            self._uncross(events)
        elif command.phase is Phase.CLOSED:
            of_the_day = self.living(lambda order: order.terms.time_in_force is TimeInForce.DAY)
            events += self.end_all(of_the_day, Reason.SESSION_CLOSE)
        self.call_ends_at = None
        self._change_phase(command.phase, events)
        if self.stops.orders:
            # Where the last price has passed some that could not trigger then, they do now.
            continuous = self.phase is Phase.CONTINUOUS
            self.look_at_stops(events, may_trigger=continuous, last=self.last_price if continuous else None)
        return events

    def _change_phase(self, phase: Phase, events: list[Event]) -> None:
        if phase is not Phase.AUCTION or self.phase is not Phase.AUCTION:
            self.call_extensions = 0
            events.append(PhaseChanged("phase", phase))
        self.phase = phase

    def _open_call(self, events: list[Event]) -> None:
        self._change_phase(Phase.AUCTION, events)
        self.call_wanted = True

    def _set_call(self, ends_at: int | None, events: list[Event]) -> None:
        self.call_ends_at, self.call_wanted = ends_at, False
        events.append(CallSet("call", ends_at))

    def interrupt(self, price: int, events: list[Event]) -> None:
        """Turn to a call instead of a trade at this price."""
        events.append(Interrupted("interrupt", price))
        self._open_call(events)

    def _extends(self, events: list[Event]) -> bool:
        """Go on with the call where its price would be outside the auction band; the third time until an operator ends it."""
        band, reference, found = self.rules.auction_band, self.reference(), self.indicative()
        if band is None or reference is None or found is None:
            return False
        low, high = band_around(reference, band)
        if low <= found.price <= high:
            return False
        times = min(self.call_extensions + 1, EXTENSIONS_MAX + 1)
        self.call_extensions = times
        events.append(Extended("extend", found.price, times))
        if times <= EXTENSIONS_MAX:
            self.call_ends_at, self.call_wanted = None, True
        else:
            self._set_call(None, events)
        return True

    # -- the uncross ------------------------------------------------------------------------------

    def _uncross(self, events: list[Event]) -> None:
        """Match all that crosses at one price; what is parked ends with it, as far as it is not filled."""
        # Protection prices, which make no price, can leave a cross behind: then once more.
        while (found := self.indicative()) is not None:
            events.append(Uncrossed("uncross", *found))
            if self._trade_at(found.price, events):
                self.last_price = self.last_auction_price = found.price
        events += self.end_all(sorted(self.parked.values(), key=priority), Reason.AUCTION_END)

    def _trade_at(self, price: int, events: list[Event]) -> bool:
        """Match what crosses at a price; tells whether anything traded, for owners do not trade with themselves."""
        traded = False
        buys, sells = self.line_up(Side.BUY, price), self.line_up(Side.SELL, price)
        while buys and sells:
            maker, taker = sorted((buys[0], sells[0]), key=priority)
            quantity = min(maker.lots_at(price), taker.lots_at(price))
            for order in (maker, taker):
                self.fill(order, quantity, price)
            maker_left, reason = maker.lots_at(price), None
            if maker.owner == taker.owner:
                mode, reason = SelfTradePrevention.DECREMENT, Reason.SELF_TRADE
                events.append(Prevented("prevent", maker.order_id, taker.order_id, mode, price, quantity))
                if not maker_left:
                    events.append(Ended("end", maker.order_id, reason, 0))
            else:
                events.append(Traded("trade", maker.order_id, taker.order_id, price, quantity, maker_left))
                traded = True
            if not taker.lots_at(price):
                events.append(Ended("end", taker.order_id, reason, 0))
            for line in (buys, sells):
                if not line[0].lots_at(price):
                    line.popleft()
        return traded
