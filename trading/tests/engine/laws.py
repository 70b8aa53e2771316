"""Judge what came of a command without saying what should have: the laws that hold of every order and every match.

The law: no lot is lost and none is made, nobody trades beyond their price or with themselves, and what has ended stays so.
What exactly should come of a command is for oracle.py to say, what holds of the book alone for scene.check_book.
"""

from collections import Counter

from orders.terms import Reason, Side, TimeInForce
from trading.engine.commands import Command, NewOrder
from trading.engine.engine import Engine
from trading.engine.events import Ended, Event, Prevented, Reduced, Rested, Traded


class Account:
    """Keep account of every order's lots, from the events alone: quantity = filled + dropped + reduced + resting, always."""

    def __init__(self) -> None:
        self.entered: dict[int, NewOrder] = {}
        self.filled: Counter[int] = Counter()
        self.dropped: Counter[int] = Counter()
        self.spent: Counter[int] = Counter()
        self.ended: set[int] = set()

    def follow(self, command: Command, events: list[Event]) -> None:
        if isinstance(command, NewOrder):
            self.entered[command.order_id] = command
            _check_new_order(command, events)
        for event in events:
            match event:
                case Traded():
                    self._follow_trade(command, event)
                case Reduced():
                    self.dropped[event.order_id] += event.removed
                case Ended():
                    assert event.order_id not in self.ended
                    self.dropped[event.order_id] += event.dropped
                    self.ended.add(event.order_id)

    def check(self, engine: Engine) -> None:
        assert set(self.entered) == set(engine.orders) | self.ended
        assert not set(engine.orders) & self.ended
        for order_id, order in self.entered.items():
            if order.budget is not None:
                assert self.spent[order_id] <= order.budget
                continue
            resting = engine.orders[order_id].left if order_id in engine.orders else 0
            assert resting >= 0
            assert order.quantity == self.filled[order_id] + self.dropped[order_id] + resting

    def _follow_trade(self, command: Command, trade: Traded) -> None:
        maker, taker = self.entered[trade.maker_order_id], self.entered[trade.taker_order_id]
        assert taker is command
        assert maker.owner != taker.owner
        assert maker.side is not taker.side
        assert trade.price == maker.price
        assert trade.quantity > 0
        assert not self.ended & {maker.order_id, taker.order_id}
        for order_id in (maker.order_id, taker.order_id):
            self.filled[order_id] += trade.quantity
            self.spent[order_id] += trade.quantity * trade.price
        if not trade.maker_left:
            self.ended.add(maker.order_id)


def _check_new_order(order: NewOrder, events: list[Event]) -> None:
    trades = [event for event in events if isinstance(event, Traded)]
    last = events[-1]
    assert isinstance(last, Rested | Ended)
    assert not any(isinstance(event, Rested | Ended) for event in events[:-1])
    prices = [trade.price for trade in trades]
    assert all(price <= order.price if order.side is Side.BUY else price >= order.price for price in prices)
    assert prices == sorted(prices, reverse=order.side is Side.SELL)
    if order.post_only:
        assert not trades
    if order.time_in_force is TimeInForce.FOK:
        assert (sum(trade.quantity for trade in trades) == order.quantity) == (last.reason is None)
        assert last.reason is None or not trades
    if order.market or order.time_in_force is not TimeInForce.GTC:
        assert isinstance(last, Ended)
    if any(isinstance(event, Prevented) for event in events):
        assert last.reason is Reason.SELF_TRADE
