"""Say who trades with whom: an order that comes in with those in the book, and in an uncross all with all at one price.

The law: the best price first, at a price the earliest; no owner with themselves; no trade outside the volatility band.
"""

from copy import deepcopy
from dataclasses import replace

from orders.terms import (
    CALL_PHASES,
    RESTING_TIMES,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from trading.engine.events import (
    Interrupted,
    Prevented,
    Shown,
    Traded,
    Uncrossed,
)
from trading.tests.engine.oracle_auction import line
from trading.tests.engine.oracle_market import Market
from trading.tests.engine.oracle_order import Home, Order, by_priority, rank

UNIT = 10**8


class Matching(Market):
    """A market whose orders match."""

    def _enter(self, order: Order) -> None:
        """Let an order that the phase takes do what it may: match, rest, or wait for the next uncross."""
        terms = order.terms
        if terms.time_in_force is TimeInForce.AUCTION_ONLY or (terms.market and self.phase in CALL_PHASES):
            self._park(order)
        elif self.phase in CALL_PHASES:
            self._rest(order)
        elif terms.post_only and self._in_reach(order):
            self._end(order, Reason.POST_ONLY_WOULD_TAKE)
        elif terms.time_in_force is TimeInForce.FOK and not self._would_be_filled(order):
            self._end(order, Reason.FOK_UNFILLABLE)
        else:
            self._match(order)

    def _would_be_filled(self, order: Order) -> bool:
        """Try the order, on a copy of the market, as one that takes what it gets."""
        market = deepcopy(self)
        market._match(Order(replace(order.terms, time_in_force=TimeInForce.IOC)))
        trades = [event for event in market.events if isinstance(event, Traded)]
        return sum(trade.quantity for trade in trades) == order.left

    def _match(self, taker: Order) -> None:
        while makers := self._in_reach(taker):
            maker = min(makers, key=rank)
            price = maker.terms.price
            quantity = min(maker.shown, taker.lots_at(price))
            if quantity == 0:
                break
            if is_outside(price, self._reference, self.rules.volatility_band):
                return self._interrupt(taker, price)
            if maker.terms.owner != taker.terms.owner:
                self._trade(maker, taker, price, quantity)
                self._use_up(maker, taker, price, quantity)
            elif not self._prevent(maker, taker, price, quantity):
                return self._end(taker, Reason.SELF_TRADE)
        return self._settle_rest(taker)

    def _trade(self, maker: Order, taker: Order, price: int, quantity: int) -> None:
        maker_left = maker.lots_at(price) - quantity
        self._say(Traded("trade", maker.order_id, taker.order_id, price, quantity, maker_left))
        self.last_price = price
        if maker_left == 0:
            self._remove(maker)

    def _prevent(self, maker: Order, taker: Order, price: int, quantity: int) -> bool:
        """Keep an owner from trading with themselves; tells whether the taker goes on."""
        mode = taker.terms.self_trade_prevention
        self._say(Prevented("prevent", maker.order_id, taker.order_id, mode, price, quantity))
        if mode is SelfTradePrevention.DECREMENT:
            self._use_up(maker, taker, price, quantity)
            if maker.left == 0:
                self._end(maker, Reason.SELF_TRADE)
        elif mode is not SelfTradePrevention.CANCEL_NEWEST:
            self._end(maker, Reason.SELF_TRADE)
        return mode in (SelfTradePrevention.CANCEL_OLDEST, SelfTradePrevention.DECREMENT)

    def _use_up(self, maker: Order, taker: Order, price: int, quantity: int) -> None:
        """Take lots off both; an iceberg that shows its next part goes behind the others."""
        part_is_gone = quantity == maker.shown
        maker.lose(quantity, price)
        taker.lose(quantity, price)
        if part_is_gone and maker.left:
            maker.priority = self._here()
            self._say(Shown("show", maker.order_id, maker.shown))

    def _interrupt(self, taker: Order, price: int) -> None:
        self._say(Interrupted("interrupt", price))
        self._want_call()
        if taker.terms.market:
            self._park(taker)
        elif taker.terms.time_in_force in RESTING_TIMES:
            self._rest(taker)
        else:
            self._end(taker, Reason.IOC_REMAINDER)

    def _settle_rest(self, taker: Order) -> None:
        """Say what becomes of an order that has matched all it could."""
        makers = self._in_reach(taker)
        met = [event for event in self.events if isinstance(event, Traded | Prevented)]
        if met:
            # Where nothing is in reach, what came next would be no cheaper than what came last.
            next_price = min(makers, key=rank).terms.price if makers else met[-1].price
            if taker.lots_at(next_price) == 0:
                if isinstance(met[-1], Prevented) and met[-1].mode is SelfTradePrevention.DECREMENT:
                    return self._end(taker, Reason.SELF_TRADE)
                if any(isinstance(event, Traded) for event in met):
                    return self._end(taker, None)
        if taker.terms.market:
            beyond = not makers and any(other.terms.side is not taker.terms.side for other in self.homed(Home.BOOK))
            return self._end(taker, Reason.PROTECTION_PRICE if beyond else Reason.NO_LIQUIDITY)
        if taker.terms.time_in_force not in RESTING_TIMES:
            return self._end(taker, Reason.IOC_REMAINDER)
        return self._rest(taker)

    def _uncross(self) -> None:
        while auction := self.indicative():
            self._say(Uncrossed("uncross", *auction))
            if self._match_all(auction.price):
                self.last_auction_price = auction.price
        self._end_all(self.homed(Home.PARKED), Reason.AUCTION_END)

    def _match_all(self, price: int) -> bool:
        """Match what crosses at one price; tells whether anything traded, for owners do not trade with themselves."""
        traded = False
        orders = self.homed(Home.BOOK, Home.PARKED)
        while (buyers := line(orders, Side.BUY, price)) and (sellers := line(orders, Side.SELL, price)):
            maker, taker = sorted([buyers[0], sellers[0]], key=by_priority)
            quantity = min(maker.lots_at(price), taker.lots_at(price))
            same_owner = maker.terms.owner == taker.terms.owner
            if same_owner:
                mode = SelfTradePrevention.DECREMENT
                self._say(Prevented("prevent", maker.order_id, taker.order_id, mode, price, quantity))
            else:
                self._trade(maker, taker, price, quantity)
                traded = True
            maker.lose(quantity, price)
            taker.lose(quantity, price)
            if same_owner and maker.lots_at(price) == 0:
                self._end(maker, Reason.SELF_TRADE)
            if taker.lots_at(price) == 0:
                self._end(taker, Reason.SELF_TRADE if same_owner else None)
        return traded


def is_outside(price: int, reference: int | None, band: int | None) -> bool:
    if reference is None or band is None:
        return False
    return not reference * (UNIT - band) <= price * UNIT <= reference * (UNIT + band)
