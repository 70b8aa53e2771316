"""Say what should come of a command: the rules once more, slow and plain.

The law: whatever the engine does, this does, events and book alike. It is written from the rules and not from the engine:
one list of live orders, searched anew for every match, and nothing is kept that can be counted again.
oracle_order.py says what an order is, oracle_auction.py which price an uncross has, oracle_stops.py which stops trigger.
test_oracle.py drives engine and oracle side by side.
"""

from copy import deepcopy
from dataclasses import replace

from orders.terms import (
    CALL_PHASES,
    LIMIT_TYPES,
    RESTING_TIMES,
    OrderType,
    Phase,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    phases_taking,
)
from trading.engine.commands import (
    Amend,
    Cancel,
    CancelAll,
    Command,
    Expire,
    NewOrder,
    Protect,
    Reduce,
    SetPhase,
    SetRules,
    Trigger,
)
from trading.engine.events import (
    Amended,
    Awaiting,
    CallSet,
    Ended,
    Event,
    Extended,
    Interrupted,
    Parked,
    PhaseChanged,
    Prevented,
    Protected,
    Reduced,
    Refused,
    Rested,
    RulesChanged,
    Shown,
    Traded,
    Trailed,
    Triggered,
    Uncrossed,
)
from trading.tests.engine.oracle_auction import Auction, find_auction, line
from trading.tests.engine.oracle_order import Home, Order, by_priority, rank
from trading.tests.engine.oracle_stops import follow, pick_triggered, would_trigger

UNIT = 10**8
EXTENSIONS = 3


class Oracle:
    """One market: its phase, its rules, and its live orders, in no order that matters."""

    def __init__(self) -> None:
        self.phase = Phase.CONTINUOUS
        self.orders: list[Order] = []
        self.triggered: list[int] = []
        self.call_wanted = False
        self.call_ends_at: int | None = None
        self.call_extensions = 0
        self.last_price: int | None = None
        self.last_auction_price: int | None = None
        self.rules = SetRules()
        self.protected: set[int] = set()

    def apply(self, sequence: int, command: Command) -> list[Event]:
        self._sequence = sequence
        self.events: list[Event] = []
        self._reference = self.reference
        extremes = {order.order_id: order.extreme for order in self.orders}
        self._carry_out(command)
        self._look_at_stops(extremes)
        return self.events

    def homed(self, *homes: Home) -> list[Order]:
        """List the orders that are there, in order of priority."""
        return sorted((order for order in self.orders if order.home in homes), key=by_priority)

    def book(self) -> list[tuple[Side, int, int, int, int, tuple[int, int]]]:
        """List (side, price, order id, lots shown, lots hidden, priority): bids before asks, each as who trades first."""
        orders = sorted(self.homed(Home.BOOK), key=lambda order: (order.terms.side, rank(order)))
        return [
            (order.terms.side, order.terms.price, order.order_id, order.shown, order.left - order.shown, order.priority)
            for order in orders
        ]

    def depth(self, side: Side, price: int) -> int:
        """Count the lots that an order of that side and price would find in the book, hidden ones included."""
        others = [order for order in self.homed(Home.BOOK) if order.terms.side is not side]
        return sum(order.left for order in others if (order.terms.price - price) * (1 if side is Side.BUY else -1) <= 0)

    def outside(self) -> dict[int, tuple]:
        """Say of each order outside the book (home, price, lots left, budget left, extreme, priority)."""
        return {
            order.order_id: (
                order.home,
                order.terms.price,
                order.left,
                order.terms.budget - order.spent if order.is_budget else None,
                order.extreme,
                order.priority,
            )
            for order in self.homed(Home.PARKED, Home.AWAITING)
        }

    @property
    def reference(self) -> int | None:
        known = [self.last_price, self.last_auction_price, self.rules.reference_price]
        return next((price for price in known if price is not None), None)

    def indicative(self) -> Auction | None:
        """Say what an uncross would give now."""
        return find_auction(self.homed(Home.BOOK, Home.PARKED), self.reference)

    def _carry_out(self, command: Command) -> None:
        if self.triggered and not (isinstance(command, SetPhase) and command.phase is Phase.AUCTION):
            assert command == Trigger(self.triggered[0])
        match command:
            case NewOrder():
                self._new(Order(command))
            case Trigger():
                self._trigger(self._find(command.order_id))
            case Cancel():
                self._end_all([order for order in self.orders if order.order_id == command.order_id], command.reason)
            case CancelAll():
                self._end_all([order for order in self.orders if _is_named(order, command)], command.reason)
            case Expire():
                self._expire(command.at)
            case Reduce():
                self._reduce(command)
            case Amend():
                self._amend(command)
            case SetPhase():
                self._set_phase(command)
            case SetRules():
                self.rules = command
                bands = command.volatility_band, command.auction_band
                self._say(RulesChanged("rules", command.reference_price, *bands))
            case Protect():
                self._protect(command)

    # Entry

    def _new(self, order: Order) -> None:
        if not self._takes(order):
            self._end(order, Reason.MARKET_HALTED)
        elif order.terms.market_maker_protection and order.terms.account in self.protected:
            self._end(order, Reason.MARKET_MAKER_PROTECTION)
        elif order.terms.stop is None:
            self._enter(order)
        elif would_trigger(order, self.last_price):
            self._end(order, Reason.STOP_WOULD_TRIGGER)
        else:
            if order.terms.stop is OrderType.TRAILING_STOP and order.terms.stop_price is None:
                order.extreme = self.last_price
            self._await(order)

    def _takes(self, order: Order) -> bool:
        terms = order.terms
        order_type = terms.stop or (OrderType.MARKET if terms.market else OrderType.LIMIT)
        return self.phase in phases_taking(order_type, terms.time_in_force, post_only=terms.post_only)

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

    def _trigger(self, order: Order) -> None:
        self.triggered.remove(order.order_id)
        self.orders.remove(order)
        terms = order.terms
        order.terms = replace(
            terms,
            stop=None,
            stop_price=None,
            trailing_offset=None,
            market=terms.stop not in LIMIT_TYPES,
            price=_protected_price(order) if terms.stop is OrderType.TRAILING_STOP else terms.price,
        )
        order.extreme = None
        if self._takes(order):
            self._enter(order)
        else:
            self._end(order, Reason.MARKET_HALTED)

    def _would_be_filled(self, order: Order) -> bool:
        """Try the order, on a copy of the market, as one that takes what it gets."""
        market = deepcopy(self)
        market._match(Order(replace(order.terms, time_in_force=TimeInForce.IOC)))
        trades = [event for event in market.events if isinstance(event, Traded)]
        return sum(trade.quantity for trade in trades) == order.left

    # Matching

    def _match(self, taker: Order) -> None:
        while makers := self._in_reach(taker):
            maker = min(makers, key=rank)
            price = maker.terms.price
            quantity = min(maker.shown, taker.lots_at(price))
            if quantity == 0:
                break
            if _is_outside(price, self._reference, self.rules.volatility_band):
                return self._interrupt(taker, price)
            if maker.terms.owner != taker.terms.owner:
                self._trade(maker, taker, price, quantity)
                self._use_up(maker, taker, price, quantity)
            elif not self._prevent(maker, taker, price, quantity):
                return self._end(taker, Reason.SELF_TRADE)
        return self._settle_rest(taker)

    def _in_reach(self, taker: Order) -> list[Order]:
        """List the orders in the book whose price an order would accept."""
        others = [other for other in self.homed(Home.BOOK) if other.terms.side is not taker.terms.side]
        return [other for other in others if taker.accepts(other.terms.price)]

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

    # Where orders are

    def _rest(self, order: Order) -> None:
        self._put(order, Home.BOOK)
        order.show()
        self._say(Rested("rest", order.order_id, order.terms.side, order.terms.price, order.left))

    def _park(self, order: Order) -> None:
        self._put(order, Home.PARKED)
        self._say(Parked("park", order.order_id))

    def _await(self, order: Order) -> None:
        self._put(order, Home.AWAITING)
        self._say(Awaiting("await", order.order_id, order.extreme))

    def _put(self, order: Order, home: Home) -> None:
        """Put an order last in its home: the event that is said next gives its priority."""
        self._remove(order)
        order.home, order.priority = home, self._here()
        self.orders.append(order)

    def _end(self, order: Order, reason: Reason | None) -> None:
        self._remove(order)
        self._say(Ended("end", order.order_id, reason, order.left))

    def _end_all(self, orders: list[Order], reason: Reason) -> None:
        for order in sorted(orders, key=by_priority):
            self._end(order, reason)

    def _remove(self, order: Order) -> None:
        self.orders = [other for other in self.orders if other is not order]
        order.home = Home.NOWHERE

    def _find(self, order_id: int) -> Order | None:
        return next((order for order in self.orders if order.order_id == order_id), None)

    def _say(self, event: Event) -> None:
        self.events.append(event)

    def _here(self) -> tuple[int, int]:
        return self._sequence, len(self.events)

    # Changes

    def _expire(self, at: int) -> None:
        expired = [
            order for order in self.orders if order.terms.expires_at is not None and order.terms.expires_at <= at
        ]
        for order in sorted(expired, key=lambda order: (order.terms.expires_at, order.priority)):
            is_day = order.terms.time_in_force is TimeInForce.DAY
            self._end(order, Reason.SESSION_CLOSE if is_day else Reason.EXPIRED_TIME)

    def _protect(self, command: Protect) -> None:
        if command.on:
            self.protected.add(command.account)
            own = [order for order in self.orders if order.terms.account == command.account]
            flagged = [order for order in own if order.terms.market_maker_protection]
            self._end_all(flagged, Reason.MARKET_MAKER_PROTECTION)
        else:
            self.protected.discard(command.account)
        self._say(Protected("protect", command.account, command.on))

    def _reduce(self, command: Reduce) -> None:
        order = self._find(command.order_id)
        if order is None or order.is_budget or command.quantity >= order.terms.quantity:
            return None
        if command.quantity <= order.used:
            return self._end(order, Reason.AMENDED_BELOW_FILLED)
        removed = order.terms.quantity - command.quantity
        order.terms = replace(order.terms, quantity=command.quantity)
        # What is hidden goes first.
        order.shown = min(order.shown, order.left)
        self._say(Reduced("reduce", order.order_id, removed, order.left))
        return None

    def _amend(self, command: Amend) -> None:
        order = self._find(command.order_id)
        if order is None or order.is_budget:
            return
        new = replace(order, terms=replace(order.terms, price=command.price, quantity=command.quantity))
        if not self._takes(order):
            self._say(Refused("refuse", order.order_id, Reason.MARKET_HALTED))
        elif new.left <= 0:
            self._end(order, Reason.AMENDED_BELOW_FILLED)
        elif _cost(new) > _cost(order) + command.extra:
            self._say(Refused("refuse", order.order_id, Reason.INSUFFICIENT_FUNDS))
        elif order.home is Home.BOOK and order.terms.post_only and self._in_reach(new):
            self._say(Refused("refuse", order.order_id, Reason.POST_ONLY_WOULD_TAKE))
        else:
            self._say(Amended("amend", order.order_id, command.price, command.quantity))
            self._remove(order)
            if new.home is Home.AWAITING:
                self._await(new)
            else:
                self._enter(new)

    # Phases

    def _set_phase(self, command: SetPhase) -> None:
        self.call_wanted = False
        if command.phase is Phase.AUCTION:
            return self._set_call(command)
        if command.phase is Phase.CONTINUOUS and command.through_call:
            if self._needs_call():
                return self._want_call()
            if self.phase is Phase.AUCTION and self._extend():
                return None
        goes_on = command.phase in (Phase.CONTINUOUS, Phase.POST_ONLY)
        if goes_on and (self.phase in CALL_PHASES or self._must_uncross()):
            self._uncross()
        if command.phase is Phase.CLOSED:
            day = [order for order in self.orders if order.terms.time_in_force is TimeInForce.DAY]
            self._end_all(day, Reason.SESSION_CLOSE)
        self._change_phase(command.phase)
        return None

    def _set_call(self, command: SetPhase) -> None:
        if self.phase is not Phase.AUCTION:
            self._change_phase(Phase.AUCTION)
        self._set_call_end(command.ends_at)

    def _needs_call(self) -> bool:
        """Tell whether the book has stood still, and must not go on as it is."""
        if self.phase in (Phase.HALTED, Phase.CLOSED, Phase.PRE_OPEN):
            return True
        return self.phase in (Phase.CANCEL_ONLY, Phase.POST_ONLY) and self._must_uncross()

    def _must_uncross(self) -> bool:
        """Tell whether there is what only an uncross can match; orders for auctions alone wait until there is one."""
        bids = [order.terms.price for order in self.homed(Home.BOOK) if order.is_buy]
        asks = [order.terms.price for order in self.homed(Home.BOOK) if not order.is_buy]
        crossed = bids and asks and max(bids) >= min(asks)
        return bool(crossed or [order for order in self.homed(Home.PARKED) if order.terms.market])

    def _want_call(self) -> None:
        self._change_phase(Phase.AUCTION)
        self.call_wanted = True

    def _change_phase(self, phase: Phase) -> None:
        self.phase = phase
        self.call_ends_at = None
        self.call_extensions = 0
        self._say(PhaseChanged("phase", phase))

    def _set_call_end(self, ends_at: int | None) -> None:
        self.call_ends_at = ends_at
        self._say(CallSet("call", ends_at))

    def _extend(self) -> bool:
        """Extend a call whose price is too far off: by some time, and in the end for as long as an operator wants."""
        auction = self.indicative()
        if auction is None or not _is_outside(auction.price, self.reference, self.rules.auction_band):
            return False
        self.call_extensions = min(self.call_extensions + 1, EXTENSIONS)
        self._say(Extended("extend", auction.price, self.call_extensions))
        if self.call_extensions < EXTENSIONS:
            self.call_ends_at, self.call_wanted = None, True
        else:
            self._set_call_end(None)
        return True

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

    # Stops

    def _look_at_stops(self, extremes: dict[int, int | None]) -> None:
        """Let the stops see the command's trades: those triggered enter by the next commands, unless a call is on."""
        triggered = []
        for price in [event.price for event in self.events if isinstance(event, Traded)]:
            if self.phase is Phase.CONTINUOUS:
                for order in pick_triggered(self.homed(Home.AWAITING), price):
                    order.home = Home.TRIGGERED
                    triggered.append(Triggered("trigger", order.order_id, price))
            for order in self.homed(Home.AWAITING):
                follow(order, price)
        for order in self.homed(Home.AWAITING, Home.TRIGGERED):
            if order.order_id in extremes and order.extreme != extremes[order.order_id]:
                self._say(Trailed("trail", order.order_id, order.extreme))
        self.events += triggered
        self.triggered += [event.order_id for event in triggered]


def _is_named(order: Order, command: CancelAll) -> bool:
    return command.account in (None, order.terms.account) and command.owner in (None, order.terms.owner)


def _is_outside(price: int, reference: int | None, band: int | None) -> bool:
    if reference is None or band is None:
        return False
    return not reference * (UNIT - band) <= price * UNIT <= reference * (UNIT + band)


def _cost(order: Order) -> int:
    """Count what an order needs to be held: a buy in the cost of one lot at one tick, a sell in lots."""
    return order.terms.price * order.left if order.is_buy else order.left


def _protected_price(order: Order) -> int:
    """Say how far a trailing stop that has triggered may trade."""
    triggered, protection = order.trigger_price(), order.terms.protection
    if order.is_buy:
        return max(1, min(order.terms.price, triggered * (UNIT + protection) // UNIT))
    return max(1, -(-triggered * (UNIT - protection) // UNIT))
