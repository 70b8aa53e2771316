"""Say what should come of a command: the rules once more, slow and plain.

The law: whatever the engine does, this does, events and book alike. It is written from the rules and not from the engine:
one list of live orders, searched anew for every match, and nothing is kept that can be counted again.
Here is what each command does. oracle_order.py says what an order is, oracle_market.py where it may be, oracle_matching.py
who trades, oracle_auction.py at which price in an uncross, oracle_stops.py which stops trigger.
test_oracle.py drives engine and oracle side by side.
"""

from dataclasses import replace

from orders.terms import (
    CALL_PHASES,
    LIMIT_TYPES,
    OrderType,
    Phase,
    Reason,
    TimeInForce,
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
    CallSet,
    Event,
    Extended,
    Protected,
    Reduced,
    Refused,
    RulesChanged,
    Traded,
    Trailed,
    Triggered,
)
from trading.tests.engine.oracle_matching import UNIT, Matching, is_outside
from trading.tests.engine.oracle_order import Home, Order
from trading.tests.engine.oracle_stops import follow, pick_triggered, would_trigger

EXTENSIONS = 3


class Oracle(Matching):
    """One market, command by command."""

    def apply(self, sequence: int, command: Command) -> list[Event]:
        self._sequence = sequence
        self.events: list[Event] = []
        self._reference = self.reference
        self._goes_on = False
        extremes = {order.order_id: order.extreme for order in self.orders}
        self._carry_out(command)
        self._look_at_stops(extremes)
        return self.events

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
        if not self._takes(order) or (order.terms.market and order.home is not Home.AWAITING):
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
        # Stops that the last price had passed when they could not trigger do so now.
        self._goes_on = command.phase is Phase.CONTINUOUS
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

    def _set_call_end(self, ends_at: int | None) -> None:
        self.call_ends_at = ends_at
        self._say(CallSet("call", ends_at))

    def _extend(self) -> bool:
        """Extend a call whose price is too far off: by some time, and in the end for as long as an operator wants."""
        auction = self.indicative()
        if auction is None or not is_outside(auction.price, self.reference, self.rules.auction_band):
            return False
        self.call_extensions = min(self.call_extensions + 1, EXTENSIONS)
        self._say(Extended("extend", auction.price, self.call_extensions))
        if self.call_extensions < EXTENSIONS:
            self.call_ends_at, self.call_wanted = None, True
        else:
            self._set_call_end(None)
        return True

    # Stops

    def _look_at_stops(self, extremes: dict[int, int | None]) -> None:
        """Let the stops see the command's trades: those triggered enter by the next commands, unless a call is on."""
        triggered = []
        prices = [event.price for event in self.events if isinstance(event, Traded)]
        if not prices and self._goes_on and self.last_price is not None:
            prices = [self.last_price]
        for price in prices:
            if self.phase is Phase.CONTINUOUS:
                for order in pick_triggered(self.homed(Home.AWAITING), price):
                    order.home = Home.TRIGGERED
                    triggered.append(Triggered("trigger", order.order_id, price))
            for order in self.homed(Home.AWAITING):
                follow(order, price)
        for order in self.homed(Home.AWAITING, Home.TRIGGERED):
            if order.order_id in extremes and extremes[order.order_id] is None and order.extreme is not None:
                self._say(Trailed("trail", order.order_id, order.extreme))
        self.events += triggered
        self.triggered += [event.order_id for event in triggered]


def _is_named(order: Order, command: CancelAll) -> bool:
    return command.account in (None, order.terms.account) and command.owner in (None, order.terms.owner)


def _cost(order: Order) -> int:
    """Count what an order needs to be held: a buy in the cost of one lot at one tick, a sell in lots."""
    return order.terms.price * order.left if order.is_buy else order.left


def _protected_price(order: Order) -> int:
    """Say how far a trailing stop that has triggered may trade."""
    triggered, protection = order.trigger_price(), order.terms.protection
    if order.is_buy:
        return max(1, min(order.terms.price, triggered * (UNIT + protection) // UNIT))
    return max(1, -(-triggered * (UNIT - protection) // UNIT))
