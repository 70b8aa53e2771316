"""Judge what came of a command without saying what should have: the laws that hold of every order and every match.

The law: no lot is lost and none is made, nobody trades beyond their price or with themselves, and what has ended stays so.
What exactly should come of a command is for oracle.py to say, what holds of the book alone for scene.check_book.
"""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

from orders.terms import (
    CALL_PHASES,
    LIMIT_TYPES,
    RESTING_TIMES,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from trading.engine.commands import Amend, Command, NewOrder, SetPhase, Trigger
from trading.engine.engine import Engine
from trading.engine.events import (
    Amended,
    Awaiting,
    Ended,
    Event,
    Interrupted,
    Parked,
    PhaseChanged,
    Prevented,
    Reduced,
    Refused,
    Rested,
    Shown,
    Traded,
    Triggered,
    Uncrossed,
)

UNIT = 10**8


class Account:
    """Keep account of every order's lots, from the events alone: asked for = filled + prevented + dropped + left, always.

    What is asked for changes by Reduced and Amended alone. An order that waits for a trigger has left what it asks for.
    """

    def __init__(self) -> None:
        self.terms: dict[int, NewOrder] = {}
        self.filled: Counter[int] = Counter()
        self.prevented: Counter[int] = Counter()
        self.dropped: Counter[int] = Counter()
        self.spent: Counter[int] = Counter()
        self.ended: set[int] = set()
        self.triggered: dict[int, int] = {}

    def follow(self, command: Command, events: list[Event]) -> None:
        if isinstance(command, NewOrder):
            self.terms[command.order_id] = command
        if isinstance(command, Trigger):
            self._enter(command)
        auction = None
        for event in events:
            self._check_that_none_has_ended(event)
            match event:
                case Uncrossed():
                    auction = event
                case PhaseChanged():
                    auction = None
                case Traded():
                    self._follow_trade(command, event, auction)
                case Prevented():
                    self._follow_prevention(command, event, auction)
                case Reduced():
                    order = self.terms[event.order_id]
                    self.terms[event.order_id] = replace(order, quantity=order.quantity - event.removed)
                case Amended():
                    new = replace(self.terms[event.order_id], price=event.price, quantity=event.quantity)
                    self.terms[event.order_id] = new
                case Triggered():
                    self.triggered[event.order_id] = event.price
                case Ended():
                    self.dropped[event.order_id] += event.dropped
                    self.ended.add(event.order_id)
        self._check_entry(command, events)

    def check(self, engine: Engine) -> None:
        """Compare with what the engine holds."""
        homes = [engine.orders, engine.parked, engine.stops.orders]
        live = {order_id: order for home in homes for order_id, order in home.items()}
        assert sum(map(len, homes)) == len(live)
        assert list(engine.triggered) == list(self.triggered)
        assert set(self.terms) == set(live) | self.ended | set(self.triggered)
        assert not set(live) & self.ended
        for order_id, order in self.terms.items():
            if order.budget is not None:
                self._check_budget(order, live.get(order_id))
            elif order_id not in self.triggered:
                left = live[order_id].left + live[order_id].hidden if order_id in live else 0
                used = self.filled[order_id] + self.prevented[order_id] + self.dropped[order_id]
                assert order.quantity == used + left

    def _check_budget(self, order: NewOrder, live: object) -> None:
        assert self.spent[order.order_id] <= order.budget
        assert not self.dropped[order.order_id]
        if live is not None:
            assert live.budget == order.budget - self.spent[order.order_id]

    def _enter(self, command: Trigger) -> None:
        assert command.order_id == next(iter(self.triggered))
        triggered_at = self.triggered.pop(command.order_id)
        terms = self.terms[command.order_id]
        price = terms.price
        if terms.stop is OrderType.TRAILING_STOP and terms.side is Side.SELL:
            # It had no price so far, and has triggered no lower than this.
            price = triggered_at * (UNIT - terms.protection) // UNIT
        self.terms[command.order_id] = replace(terms, stop=None, price=price, market=terms.stop not in LIMIT_TYPES)

    def _check_that_none_has_ended(self, event: Event) -> None:
        for field in ("order_id", "maker_order_id", "taker_order_id"):
            assert getattr(event, field, None) not in self.ended

    def _check_match(self, command: Command, match: Traded | Prevented, auction: Uncrossed | None) -> None:
        maker, taker = self.terms[match.maker_order_id], self.terms[match.taker_order_id]
        assert maker.side is not taker.side
        assert match.quantity > 0
        for order in (maker, taker):
            assert order.stop is None
            assert match.price <= order.price if order.side is Side.BUY else match.price >= order.price
        if auction is None:
            assert match.taker_order_id == command.order_id
            assert match.price == maker.price
            assert TimeInForce.AUCTION_ONLY not in (maker.time_in_force, taker.time_in_force)
            assert not maker.market
        else:
            assert isinstance(command, SetPhase)
            assert match.price == auction.price

    def _use_up(self, match: Traded | Prevented, used: Counter[int]) -> None:
        for order_id in (match.maker_order_id, match.taker_order_id):
            used[order_id] += match.quantity
            self.spent[order_id] += match.quantity * match.price

    def _follow_trade(self, command: Command, trade: Traded, auction: Uncrossed | None) -> None:
        self._check_match(command, trade, auction)
        assert self.terms[trade.maker_order_id].owner != self.terms[trade.taker_order_id].owner
        self._use_up(trade, self.filled)
        if not trade.maker_left:
            self.ended.add(trade.maker_order_id)

    def _follow_prevention(self, command: Command, prevented: Prevented, auction: Uncrossed | None) -> None:
        self._check_match(command, prevented, auction)
        taker = self.terms[prevented.taker_order_id]
        assert self.terms[prevented.maker_order_id].owner == taker.owner
        if auction is None:
            assert prevented.mode is taker.self_trade_prevention
        else:
            assert prevented.mode is SelfTradePrevention.DECREMENT
        if prevented.mode is SelfTradePrevention.DECREMENT:
            self._use_up(prevented, self.prevented)

    def _check_entry(self, command: Command, events: list[Event]) -> None:
        """Check how an order that came in, or came back, ends up: in one place, by one event, and that lawfully."""
        amends = isinstance(command, Amend) and events and isinstance(events[0], Amended)
        if not amends and not isinstance(command, NewOrder | Trigger):
            assert not isinstance(command, Amend) or all(isinstance(event, Refused | Ended) for event in events)
            return
        order = self.terms[command.order_id]
        homes = (Rested, Parked, Awaiting, Ended)
        (last,) = [event for event in events if isinstance(event, homes) and event.order_id == order.order_id]
        trades = [event for event in events if isinstance(event, Traded)]
        prices = [trade.price for trade in trades]
        assert prices == sorted(prices, reverse=order.side is Side.SELL)
        if order.post_only:
            assert not trades
        if order.time_in_force is TimeInForce.FOK and not order.market:
            assert (sum(trade.quantity for trade in trades) == order.quantity) == (last[2:] == (None, 0))
            assert isinstance(last, Ended | Awaiting)
            assert isinstance(last, Awaiting) or last.reason is None or not trades
        if isinstance(last, Rested):
            assert order.time_in_force in RESTING_TIMES
            assert not order.market
        if isinstance(last, Awaiting):
            assert order.stop is not None
        _check_preventions(last, events)


def _check_preventions(last: Event, events: list[Event]) -> None:
    """Check that an own order that was met, and what it came to, did what the mode says."""
    met = [event for event in events if isinstance(event, Traded | Prevented)]
    ended = {event.order_id for event in events if isinstance(event, Ended)}
    for event in met:
        if not isinstance(event, Prevented):
            continue
        if event.mode in (SelfTradePrevention.CANCEL_NEWEST, SelfTradePrevention.CANCEL_BOTH):
            assert event is met[-1]
            assert last.reason is Reason.SELF_TRADE
        if event.mode in (SelfTradePrevention.CANCEL_OLDEST, SelfTradePrevention.CANCEL_BOTH):
            assert event.maker_order_id in ended
        if event.mode is SelfTradePrevention.CANCEL_NEWEST:
            assert event.maker_order_id not in ended


def check_events(engine: Engine, events: list[Event]) -> None:
    """Assert what holds of one command's events, and the phase after it, whatever the command was."""
    for event, after in pairwise(events):
        if isinstance(event, Interrupted):
            assert isinstance(after, PhaseChanged)
        if isinstance(after, Shown):
            assert isinstance(event, Traded | Prevented)
            assert event.maker_order_id == after.order_id
    auctions = [event for event in events if isinstance(event, Uncrossed)]
    if any(isinstance(event, Triggered) for event in events):
        assert engine.phase not in CALL_PHASES
    for auction in auctions:
        rest = events[events.index(auction) + 1 :]
        until = next(index for index, event in enumerate(rest) if isinstance(event, Uncrossed | PhaseChanged))
        matched = [event for event in rest[:until] if isinstance(event, Traded | Prevented)]
        assert sum(event.quantity for event in matched) == auction.quantity
