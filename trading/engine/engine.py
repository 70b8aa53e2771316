"""Match incoming orders against the book.

The law (SEMANTICS of continuous matching): best price first, at a price the earliest; a trade is at the resting order's price;
where matching is continuous the book is never crossed; what a command does depends on the book and the command alone.
A live order is in one of three homes: in the book, parked outside it for the next uncross, or among the stops.
Whose money moves, and what the outside is told, is for others to read from the events.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from orders.terms import (
    CALL_PHASES,
    RESTING_TIMES,
    OrderType,
    Phase,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    phases_taking,
)
from trading.engine.book import BookSide, RestingOrder, WaitingOrder
from trading.engine.calls import Calls, band_around
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
    Ended,
    Event,
    Parked,
    Prevented,
    Protected,
    Reduced,
    Refused,
    Rested,
    RulesChanged,
    Shown,
    Traded,
)
from trading.engine.stops import would_trigger
from trading.engine.trails import trigger_at

ENGINE_VERSION = 2
ENGINE_VERSIONS = (1, 2)
"""Those whose journals this one replays to the same events: version 1 knew no more than limit and market orders."""

# Looked up with each order: as names of this module's, at half the cost.
_CONTINUOUS, _BUY = Phase.CONTINUOUS, Side.BUY
_AUCTION_ONLY, _FOK, _DECREMENT = TimeInForce.AUCTION_ONLY, TimeInForce.FOK, SelfTradePrevention.DECREMENT


class Taker:
    """An incoming order on its way through the book.

    `left` are its lots to go, or for one with a `budget` what is left of that; such a one has None lots, or 0 once its rest buys no
    lot. `reason` says why it must end, if it must; `met` is the last price at which it traded or lost lots, or 0.
    """

    __slots__ = ("budget", "events", "left", "met", "order", "reason", "sequence")

    def __init__(self, sequence: int, order: NewOrder, left: int | None, events: list[Event]) -> None:
        self.sequence = sequence
        self.order = order
        self.left = left
        self.budget = order.budget
        self.reason: Reason | None = None
        self.met = 0
        self.events = events

    def buys_at(self, price: int) -> bool:
        """Tell whether it can pay for a lot; who cannot, meets nobody."""
        return self.budget is None or self.budget >= price


class Engine(Calls):
    """One market's book and phase.

    `apply` is the only way to change it; `restore` fills a new one with orders that lived already, in priority order.
    Where `triggered` has order ids, a Trigger of each must come next; where `call_wanted` is set, before these a SetPhase that
    says when the call ends.
    """

    def __init__(self, phase: Phase = Phase.CONTINUOUS) -> None:
        super().__init__(phase)
        self.protected: set[int] = set()
        self._appliers: dict[type, Callable[[int, Any], list[Event]]] = {
            NewOrder: self._new,
            Cancel: self._cancel,
            Reduce: self._reduce,
            Amend: self._amend,
            CancelAll: self._cancel_all,
            Trigger: self._trigger,
            Expire: self._expire,
            SetPhase: self._set_phase,
            SetRules: self._set_rules,
            Protect: self._protect,
        }

    def apply(self, sequence: int, command: Command) -> list[Event]:
        """Carry out a command; returns what came of it, in order. `sequence` grows from command to command.

        Raises ValueError for one that may not come now: stops that have triggered go before all others, in their order,
        and before them only the end of a call that has been opened.
        """
        kind = type(command)
        if self.triggered and kind is not Trigger and not (kind is SetPhase and self.call_wanted):
            raise ValueError(f"order {self.triggered[0]} has triggered and comes first")
        return self._appliers[kind](sequence, command)

    # -- orders come in ---------------------------------------------------------------------------

    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        if self.phase is not _CONTINUOUS or order.market_maker_protection:
            refusal = self._refusal(order)
            if refusal is not None:
                return [_ended(order, refusal, order.quantity)]
        events: list[Event] = []
        if order.stop is None:
            self._enter(sequence, order, order.quantity, events)
        elif would_trigger(order, self.last_price):
            events.append(_ended(order, Reason.STOP_WOULD_TRIGGER, order.quantity))
        else:
            assert order.quantity is not None
            armed = order.trailing_offset is not None and order.stop_price is None
            self._await(sequence, order, order.quantity, self.last_price if armed else None, events)
        return events

    def _trigger(self, sequence: int, command: Trigger) -> list[Event]:
        if not self.triggered or self.triggered[0] != command.order_id:
            raise ValueError(f"order {command.order_id} is not the next that has triggered")
        self.triggered.popleft()
        stop = self.entering.pop(command.order_id)
        order = _as_triggered(stop)
        refusal = self._refusal(order)
        if refusal is not None:
            return [_ended(order, refusal, stop.left)]
        events: list[Event] = []
        self._enter(sequence, order, stop.left, events)
        return events

    def _refusal(self, order: NewOrder) -> Reason | None:
        """Say why an order is not taken at all now, if it is not."""
        if self.phase not in phases_taking(_order_type(order), order.time_in_force, post_only=order.post_only):
            return Reason.MARKET_HALTED
        if order.market_maker_protection and order.account in self.protected:
            return Reason.MARKET_MAKER_PROTECTION
        return None

    def _enter(self, sequence: int, order: NewOrder, left: int | None, events: list[Event]) -> None:
        """Match an order that may come in, and put what is left of it where it belongs."""
        if (self.phase is not _CONTINUOUS and self.phase in CALL_PHASES) or order.time_in_force is _AUCTION_ONLY:
            self._collect(sequence, order, left, order.budget, events)
            return
        opposite = self.asks if order.side is _BUY else self.bids
        limit, best = opposite.key(order.price), opposite.best()
        crosses = best is not None and best.key <= limit
        if crosses and order.post_only:
            events.append(_ended(order, Reason.POST_ONLY_WOULD_TAKE, left))
            return
        reach = limit if self.rules.volatility_band is None else self._reach(opposite, limit)
        if order.time_in_force is _FOK and not _fillable(order, opposite, reach):
            events.append(_ended(order, Reason.FOK_UNFILLABLE, left))
        elif crosses:
            taker = Taker(sequence, order, left, events)
            self._walk(taker, opposite, reach)
            self._conclude(taker, opposite, limit, reach)
        else:
            self._stay(sequence, order, left, opposite, events)

    def _walk(self, taker: Taker, opposite: BookSide, reach: int) -> None:
        """Let an order trade with the other side as far as it may; the one place where that happens outside an uncross."""
        order, left, budget, events = taker.order, taker.left, taker.budget, taker.events
        order_id, owner = order.order_id, order.owner
        reason: Reason | None = None
        met = traded_at = 0
        while left != 0 and budget != 0:
            level = opposite.best()
            if level is None or level.key > reach:
                break
            price = level.price
            wanted = left if budget is None else budget // price
            assert wanted is not None
            if not wanted:
                break
            maker = level.first()
            quantity = min(wanted, maker.left)
            if maker.owner != owner:
                opposite.take(maker, quantity)
                events.append(Traded("trade", maker.order_id, order_id, price, quantity, maker.left + maker.hidden))
                if not maker.left:
                    self._used_up(taker, maker, opposite)
                traded_at, reason = price, None
            else:
                self._prevent(taker, maker, price, quantity, opposite)
                if order.self_trade_prevention is SelfTradePrevention.CANCEL_OLDEST:
                    continue
                reason = Reason.SELF_TRADE
                if order.self_trade_prevention is not _DECREMENT:
                    break
            met = price
            if budget is None:
                left = wanted - quantity
            else:
                budget -= quantity * price
        if traded_at:
            self.last_price = traded_at
        taker.left, taker.budget, taker.reason, taker.met = left, budget, reason, met

    def _conclude(self, taker: Taker, opposite: BookSide, limit: int, reach: int) -> None:
        """Put an order that has met what it could where it belongs, and see what its trades have triggered."""
        order, events = taker.order, taker.events
        following = None
        if taker.budget is not None or reach != limit:
            best = opposite.best()
            following = best if best is not None and best.key <= limit else None
            # Whatever comes next is no cheaper than what came last.
            if taker.met and not taker.buys_at(taker.met if following is None else following.price):
                taker.left = 0
        if taker.left != 0 and order.self_trade_prevention is _DECREMENT:
            taker.reason = None  # it has lost lots, and goes on with the rest
        if taker.left == 0 or taker.reason is not None:
            events.append(_ended(order, taker.reason, taker.left))
        elif following is not None and following.key > reach and taker.buys_at(following.price):
            self._interrupt(taker, following.price)
        else:
            self._stay(taker.sequence, order, taker.left, opposite, events)
        if self.stops.orders:
            self.look_at_stops(events, may_trigger=self.phase is _CONTINUOUS)

    def _interrupt(self, taker: Taker, price: int) -> None:
        """Turn to a call instead of a trade at this price, and let the order enter it."""
        order, events = taker.order, taker.events
        self.interrupt(price, events)
        if order.time_in_force is TimeInForce.IOC and not order.market:
            events.append(_ended(order, Reason.IOC_REMAINDER, taker.left))
        else:
            self._collect(taker.sequence, order, taker.left, taker.budget, events)

    def _reach(self, opposite: BookSide, limit: int) -> int:
        """Return the key up to which trades may happen within the volatility band; below the best where not even one may."""
        band, reference, best = self.rules.volatility_band, self.reference(), opposite.best()
        if band is None or reference is None or best is None:
            return limit
        first, last = sorted(map(opposite.key, band_around(reference, band)))
        return min(limit, last if best.key >= first else best.key - 1)

    def _used_up(self, taker: Taker, maker: RestingOrder, side: BookSide) -> None:
        """Show the next part of a resting order that shows nothing any more, or forget it."""
        if maker.hidden:
            side.show_next(maker)
            maker.sequence, maker.ordinal = taker.sequence, len(taker.events)
            taker.events.append(Shown("show", maker.order_id, maker.left))
        else:
            del self.orders[maker.order_id]

    def _prevent(self, taker: Taker, maker: RestingOrder, price: int, quantity: int, side: BookSide) -> None:
        """Do to a resting order of the taker's owner what the taker's mode says, instead of a match."""
        mode, events = taker.order.self_trade_prevention, taker.events
        events.append(Prevented("prevent", maker.order_id, taker.order.order_id, mode, price, quantity))
        if mode is _DECREMENT:
            ends = quantity == maker.left + maker.hidden
            side.take(maker, quantity)
            if not maker.left:
                self._used_up(taker, maker, side)
            if ends:
                events.append(Ended("end", maker.order_id, Reason.SELF_TRADE, 0))
        elif mode is not SelfTradePrevention.CANCEL_NEWEST:
            events.append(self.end(maker, Reason.SELF_TRADE))

    def _stay(self, sequence: int, order: NewOrder, left: int | None, opposite: BookSide, events: list[Event]) -> None:
        """Let an order rest that has met all it could, or where it does not rest, end."""
        if left is not None and not order.market and order.time_in_force in RESTING_TIMES:
            self._rest(sequence, order, left, events)
        else:
            events.append(_ended(order, _remainder_reason(order, opposite), left))

    # -- where an order waits ---------------------------------------------------------------------

    def _collect(
        self, sequence: int, order: NewOrder, left: int | None, budget: int | None, events: list[Event]
    ) -> None:
        """Keep an order for the next uncross: in the book if it will stay there, else parked."""
        if not order.market and order.time_in_force is not _AUCTION_ONLY:
            assert left is not None
            self._rest(sequence, order, left, events)
            return
        self.restore(WaitingOrder(order, left or 0, sequence, len(events), budget=budget))
        events.append(Parked("park", order.order_id, order.price))

    def _rest(self, sequence: int, order: NewOrder, left: int, events: list[Event]) -> None:
        display = order.display
        hidden = 0 if display is None or display >= left else left - display
        self.put_in_book(RestingOrder(order, left - hidden, sequence, len(events), hidden), order)
        events.append(Rested("rest", order.order_id, order.side, order.price, left))

    def _await(self, sequence: int, order: NewOrder, left: int, extreme: int | None, events: list[Event]) -> None:
        self.restore(WaitingOrder(order, left, sequence, len(events), extreme=extreme))
        events.append(Awaiting("await", order.order_id, extreme))

    # -- orders end or change ---------------------------------------------------------------------

    def _cancel(self, sequence: int, command: Cancel) -> list[Event]:
        order = self.orders.get(command.order_id) or self.find(command.order_id)
        return [] if order is None else [self.end(order, command.reason)]

    def _cancel_all(self, sequence: int, command: CancelAll) -> list[Event]:
        def named(order: RestingOrder) -> bool:
            return command.account in (None, order.terms.account) and command.owner in (None, order.owner)

        return self.end_all(self.living(named), command.reason)

    def _expire(self, sequence: int, command: Expire) -> list[Event]:
        return [self.end(order, _expiry_reason(order.terms)) for order in self.expired(command.at)]

    def _reduce(self, sequence: int, command: Reduce) -> list[Event]:
        order = self.find(command.order_id)
        if order is None or order.quantity is None or command.quantity >= order.quantity:
            return []
        removed = order.quantity - command.quantity
        if removed >= order.left + order.hidden:
            return [self.end(order, Reason.AMENDED_BELOW_FILLED)]
        order.terms = replace(order.terms, quantity=command.quantity)
        if order.order_id in self.orders:
            self.side(order.side).reduce(order, removed)
        else:
            order.left -= removed
        return [Reduced("reduce", order.order_id, removed, order.left + order.hidden)]

    def _amend(self, sequence: int, command: Amend) -> list[Event]:
        order = self.find(command.order_id)
        if order is None or order.quantity is None:
            return []
        # A market order, which can be met here only in a call, has no terms to bargain about.
        bargains = order.terms.stop is not None or not order.terms.market
        if not bargains or self._refusal(order.terms) is not None:
            return [Refused("refuse", order.order_id, Reason.MARKET_HALTED)]
        # What has been filled or prevented stays used up.
        left = command.quantity - (order.quantity - order.lots_at(order.price))
        if left <= 0:
            return [self.end(order, Reason.AMENDED_BELOW_FILLED)]
        if not _covered(order, command, left):
            return [Refused("refuse", order.order_id, Reason.INSUFFICIENT_FUNDS)]
        terms = replace(order.terms, price=command.price, quantity=command.quantity)
        if terms.post_only and order.order_id in self.orders and self._would_take(terms):
            return [Refused("refuse", order.order_id, Reason.POST_ONLY_WOULD_TAKE)]
        self.take_out(order)
        events: list[Event] = [Amended("amend", order.order_id, command.price, command.quantity)]
        if terms.stop is not None:
            self._await(sequence, terms, left, order.extreme, events)
        else:
            self._enter(sequence, terms, left, events)
        return events

    def _would_take(self, order: NewOrder) -> bool:
        opposite = self.asks if order.side is Side.BUY else self.bids
        best = opposite.best()
        return best is not None and best.key <= opposite.key(order.price)

    # -- what operators set -----------------------------------------------------------------------

    def _set_phase(self, sequence: int, command: SetPhase) -> list[Event]:
        return self.set_phase(command)

    def _set_rules(self, sequence: int, command: SetRules) -> list[Event]:
        self.rules = command
        return [RulesChanged("rules", command.reference_price, command.volatility_band, command.auction_band)]

    def _protect(self, sequence: int, command: Protect) -> list[Event]:
        events: list[Event] = []
        if command.on:
            flagged = self.living(
                lambda order: order.terms.market_maker_protection and order.terms.account == command.account
            )
            events += self.end_all(flagged, Reason.MARKET_MAKER_PROTECTION)
            self.protected.add(command.account)
        else:
            self.protected.discard(command.account)
        return [*events, Protected("protect", command.account, command.on)]


def _order_type(order: NewOrder) -> OrderType:
    if order.stop is not None:
        return order.stop
    return OrderType.MARKET if order.market else OrderType.LIMIT


def _as_triggered(stop: WaitingOrder) -> NewOrder:
    """Return what a stop has become: a limit order, or a market order that trades up to its protection price."""
    terms = stop.terms
    price = terms.price
    if terms.trailing_offset is not None:
        assert stop.started_at is not None
        low, high = band_around(trigger_at(stop.started_at, stop), terms.protection)
        price = min(price, high) if terms.side is Side.BUY else max(low, 1)
    return replace(terms, price=price, stop=None, stop_price=None, trailing_offset=None, protection=0)


def _fillable(order: NewOrder, opposite: BookSide, reach: int) -> bool:
    """Tell whether the order would be filled whole under its self-trade mode.

    Of its own orders only CancelOldest lets it pass by. What is hidden at a price trades after all that is shown there.
    """
    passes = order.self_trade_prevention is SelfTradePrevention.CANCEL_OLDEST
    wanted = order.quantity
    assert wanted is not None
    for level in opposite.levels():
        if level.key > reach:
            return False
        hidden = 0
        for maker in level.living():
            if maker.owner != order.owner:
                wanted -= maker.left
                hidden += maker.hidden
            elif not passes:
                return False
            if wanted <= 0:
                return True
        wanted -= hidden
        if wanted <= 0:
            return True
    return False


def _covered(order: RestingOrder, command: Amend, left: int) -> bool:
    """Tell whether what the order holds and what was held beside it pay for the amended order."""
    if order.side is Side.SELL:
        return left <= order.lots_at(order.price) + command.extra
    return command.price * left <= order.price * order.lots_at(order.price) + command.extra


def _remainder_reason(order: NewOrder, opposite: BookSide) -> Reason:
    """Say why an order that does not rest was not filled whole."""
    if not order.market:
        return Reason.IOC_REMAINDER
    best = opposite.best()
    if best is not None and best.key > opposite.key(order.price):
        return Reason.PROTECTION_PRICE
    return Reason.NO_LIQUIDITY


def _expiry_reason(order: NewOrder) -> Reason:
    return Reason.SESSION_CLOSE if order.time_in_force is TimeInForce.DAY else Reason.EXPIRED_TIME


def _ended(order: NewOrder, reason: Reason | None, dropped: int | None) -> Ended:
    return Ended("end", order.order_id, reason, dropped or 0)
