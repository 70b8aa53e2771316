"""Match incoming orders against the book.

The law (SEMANTICS of continuous matching): best price first, at a price the earliest; a trade is at the resting order's price;
the book is never crossed; what a command does depends on the book and the command alone.
Whose money moves, and what the outside is told, is for others to read from the events.
"""

from collections.abc import Callable
from typing import Any

from orders.terms import Phase, Reason, Side, TimeInForce
from trading.engine.book import BookSide, RestingOrder
from trading.engine.commands import Cancel, Command, NewOrder, Reduce, SetPhase
from trading.engine.events import Ended, Event, PhaseChanged, Prevented, Reduced, Rested, Traded

ENGINE_VERSION = 1


class Engine:
    """One market's book and phase.

    `apply` is the only way to change it; `restore` fills a new one with orders that already rested, in priority order.
    """

    def __init__(self, phase: Phase = Phase.CONTINUOUS) -> None:
        self.phase = phase
        self.orders: dict[int, RestingOrder] = {}
        self.bids = BookSide(Side.BUY)
        self.asks = BookSide(Side.SELL)
        self._appliers: dict[type, Callable[[int, Any], list[Event]]] = {
            NewOrder: self._new,
            Cancel: self._cancel,
            Reduce: self._reduce,
            SetPhase: self._set_phase,
        }

    def apply(self, sequence: int, command: Command) -> list[Event]:
        """Carry out a command; returns what came of it, in order. `sequence` grows from command to command."""
        return self._appliers[type(command)](sequence, command)

    def restore(self, order: RestingOrder, price: int) -> None:
        """Put back an order that rested before, behind those put back so far."""
        self._side(order.side).add(order, price)
        self.orders[order.order_id] = order

    def _side(self, side: Side) -> BookSide:
        return self.bids if side is Side.BUY else self.asks

    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        opposite = self.asks if order.side is Side.BUY else self.bids
        if self.phase is not Phase.CONTINUOUS:
            return [_ended(order, Reason.MARKET_HALTED, order.quantity)]
        if order.post_only:
            best = opposite.best()
            if best is not None and best.key <= opposite.key(order.price):
                return [_ended(order, Reason.POST_ONLY_WOULD_TAKE, order.quantity)]
        elif order.time_in_force is TimeInForce.FOK and not _fillable(order, opposite):
            return [_ended(order, Reason.FOK_UNFILLABLE, order.quantity)]
        events: list[Event] = []
        left, reason = self._take(order, opposite, events)
        if left == 0:
            events.append(_ended(order, None, 0))
        elif reason is None and left is not None and order.time_in_force is TimeInForce.GTC and not order.market:
            assert order.quantity is not None
            resting = RestingOrder(order.order_id, order.owner, order.side, order.quantity, left, sequence, len(events))
            self.restore(resting, order.price)
            events.append(Rested("rest", order.order_id, order.side, order.price, left))
        else:
            events.append(_ended(order, reason or _remainder_reason(order, opposite), left))
        return events

    def _take(self, order: NewOrder, opposite: BookSide, events: list[Event]) -> tuple[int | None, Reason | None]:
        """Walk the other side as far as the order may; returns the lots left, and why it must end if it must.

        An order with a budget has no lots to count: it has None left, or 0 once it has bought and its rest buys no lot.
        """
        limit = opposite.key(order.price)
        left, budget = order.quantity, order.budget
        price = 0
        while left != 0 and budget != 0:
            level = opposite.best()
            if level is None or level.key > limit:
                # Whatever comes next is no cheaper than what it bought last.
                return (0, None) if budget is not None and budget < price else (left, None)
            price = level.price
            wanted = left if budget is None else budget // price
            assert wanted is not None
            if not wanted:
                return (0, None) if events else (None, None)
            maker = level.first()
            if maker.owner == order.owner:
                quantity = min(wanted, maker.left)
                mode = order.self_trade_prevention
                events.append(Prevented("prevent", maker.order_id, order.order_id, mode, price, quantity))
                return left, Reason.SELF_TRADE
            quantity = min(wanted, maker.left)
            opposite.take(maker, quantity)
            if not maker.left:
                del self.orders[maker.order_id]
            events.append(Traded("trade", maker.order_id, order.order_id, price, quantity, maker.left))
            if budget is not None:
                budget -= quantity * price
            else:
                left = wanted - quantity
        return 0, None

    def _cancel(self, sequence: int, command: Cancel) -> list[Event]:
        order = self.orders.get(command.order_id)
        return [] if order is None else [self._end(order, command.reason)]

    def _reduce(self, sequence: int, command: Reduce) -> list[Event]:
        order = self.orders.get(command.order_id)
        if order is None or command.quantity >= order.quantity:
            return []
        removed = order.quantity - command.quantity
        if removed >= order.left:
            return [self._end(order, Reason.AMENDED_BELOW_FILLED)]
        order.quantity = command.quantity
        self._side(order.side).take(order, removed)
        return [Reduced("reduce", order.order_id, removed, order.left)]

    def _end(self, order: RestingOrder, reason: Reason) -> Ended:
        """Take a resting order off the book."""
        dropped = order.left
        self._side(order.side).take(order, dropped)
        del self.orders[order.order_id]
        return Ended("end", order.order_id, reason, dropped)

    def _set_phase(self, sequence: int, command: SetPhase) -> list[Event]:
        self.phase = command.phase
        return [PhaseChanged("phase", command.phase)]


def _fillable(order: NewOrder, opposite: BookSide) -> bool:
    """Tell whether the order would be filled whole, meeting no order of its owner before."""
    limit = opposite.key(order.price)
    wanted = order.quantity
    assert wanted is not None
    for level in opposite.levels():
        if level.key > limit:
            return False
        for maker in level.living():
            if maker.owner == order.owner:
                return False
            wanted -= maker.left
            if wanted <= 0:
                return True
    return False


def _remainder_reason(order: NewOrder, opposite: BookSide) -> Reason:
    """Say why an order that does not rest was not filled whole."""
    if not order.market:
        return Reason.IOC_REMAINDER
    best = opposite.best()
    if best is not None and best.key > opposite.key(order.price):
        return Reason.PROTECTION_PRICE
    return Reason.NO_LIQUIDITY


def _ended(order: NewOrder, reason: Reason | None, dropped: int | None) -> Ended:
    return Ended("end", order.order_id, reason, dropped or 0)
