"""Say what should come of a command: the matching rules once more, slow and plain.

The law: whatever the engine does, this does, events and book alike. It is written from the rules and not from the engine:
one list of resting orders, searched anew for every match, and nothing is kept that can be counted again.
test_oracle.py drives the two side by side.
"""

from copy import deepcopy
from dataclasses import dataclass, replace

from orders.terms import Phase, Reason, Side, TimeInForce
from trading.engine.commands import Cancel, Command, NewOrder, Reduce, SetPhase
from trading.engine.events import Ended, Event, PhaseChanged, Prevented, Reduced, Rested, Traded


@dataclass
class Resting:
    order_id: int
    owner: int
    side: Side
    price: int
    quantity: int
    filled: int
    priority: tuple[int, int]

    @property
    def left(self) -> int:
        return self.quantity - self.filled


class Oracle:
    """One market's phase and its resting orders, in no order that matters."""

    def __init__(self) -> None:
        self.phase = Phase.CONTINUOUS
        self.resting: list[Resting] = []

    def apply(self, sequence: int, command: Command) -> list[Event]:
        match command:
            case NewOrder():
                return self._new(sequence, command)
            case Cancel():
                return [self._end(order, command.reason) for order in self._with_id(command.order_id)]
            case Reduce():
                return [event for order in self._with_id(command.order_id) for event in self._reduce(order, command)]
            case SetPhase():
                self.phase = command.phase
                return [PhaseChanged("phase", command.phase)]

    def book(self) -> list[tuple[Side, int, int, int, tuple[int, int]]]:
        """List (side, price, order id, lots left, priority): bids before asks, and of each side who trades first."""
        orders = sorted(self.resting, key=lambda order: (order.side, _rank(order)))
        return [(order.side, order.price, order.order_id, order.left, order.priority) for order in orders]

    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        if self.phase is not Phase.CONTINUOUS:
            return [_refused(order, Reason.MARKET_HALTED)]
        if order.post_only and self._in_reach(order):
            return [_refused(order, Reason.POST_ONLY_WOULD_TAKE)]
        if order.time_in_force is TimeInForce.FOK and not self._would_be_filled(order):
            return [_refused(order, Reason.FOK_UNFILLABLE)]
        return self._match(sequence, order)

    def _would_be_filled(self, order: NewOrder) -> bool:
        """Try the order, on a copy of the market, as one that takes what it gets."""
        events = deepcopy(self).apply(0, replace(order, time_in_force=TimeInForce.IOC))
        return events[-1].reason is None

    def _match(self, sequence: int, order: NewOrder) -> list[Event]:
        trades: list[Traded] = []
        while makers := self._in_reach(order):
            maker = min(makers, key=_rank)
            quantity = min(maker.left, _wanted(order, trades, maker.price))
            if quantity == 0:
                break
            if maker.owner == order.owner:
                mode = order.self_trade_prevention
                prevented = Prevented("prevent", maker.order_id, order.order_id, mode, maker.price, quantity)
                return [*trades, prevented, _ended(order, Reason.SELF_TRADE, trades)]
            maker.filled += quantity
            if maker.left == 0:
                self.resting.remove(maker)
            trades.append(Traded("trade", maker.order_id, order.order_id, maker.price, quantity, maker.left))
        return [*trades, self._outcome(sequence, order, trades)]

    def _outcome(self, sequence: int, order: NewOrder, trades: list[Traded]) -> Rested | Ended:
        """Tell what becomes of an order that has matched all it could."""
        makers = self._in_reach(order)
        if trades:
            # Where nothing is in reach, what came next would be no cheaper than what came last.
            next_price = min(makers, key=_rank).price if makers else trades[-1].price
            if _wanted(order, trades, next_price) == 0:
                return _ended(order, None, trades)
        if order.market:
            beyond = not makers and any(other.side is not order.side for other in self.resting)
            return _ended(order, Reason.PROTECTION_PRICE if beyond else Reason.NO_LIQUIDITY, trades)
        if order.time_in_force is not TimeInForce.GTC:
            return _ended(order, Reason.IOC_REMAINDER, trades)
        filled = _filled(trades)
        priority = sequence, len(trades)
        resting = Resting(order.order_id, order.owner, order.side, order.price, order.quantity, filled, priority)
        self.resting.append(resting)
        return Rested("rest", order.order_id, order.side, order.price, resting.left)

    def _in_reach(self, order: NewOrder) -> list[Resting]:
        """List the resting orders whose price an order would accept."""
        if order.side is Side.BUY:
            return [other for other in self.resting if other.side is Side.SELL and other.price <= order.price]
        return [other for other in self.resting if other.side is Side.BUY and other.price >= order.price]

    def _with_id(self, order_id: int) -> list[Resting]:
        return [order for order in self.resting if order.order_id == order_id]

    def _end(self, order: Resting, reason: Reason) -> Ended:
        self.resting.remove(order)
        return Ended("end", order.order_id, reason, order.left)

    def _reduce(self, order: Resting, command: Reduce) -> list[Event]:
        if command.quantity <= order.filled:
            return [self._end(order, Reason.AMENDED_BELOW_FILLED)]
        removed = order.quantity - command.quantity
        if removed <= 0:
            return []
        order.quantity = command.quantity
        return [Reduced("reduce", order.order_id, removed, order.left)]


def _rank(order: Resting) -> tuple[int, tuple[int, int]]:
    """Rank an order within its side: the lowest trades first."""
    return (order.price if order.side is Side.SELL else -order.price), order.priority


def _filled(trades: list[Traded]) -> int:
    return sum(trade.quantity for trade in trades)


def _wanted(order: NewOrder, trades: list[Traded], price: int) -> int:
    """Count the lots that the order still wants at a price."""
    if order.budget is None:
        return order.quantity - _filled(trades)
    return (order.budget - sum(trade.quantity * trade.price for trade in trades)) // price


def _ended(order: NewOrder, reason: Reason | None, trades: list[Traded]) -> Ended:
    dropped = 0 if order.budget is not None else order.quantity - _filled(trades)
    return Ended("end", order.order_id, reason, dropped)


def _refused(order: NewOrder, reason: Reason) -> Ended:
    return _ended(order, reason, [])
