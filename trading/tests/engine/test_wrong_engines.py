"""Show that the search of test_oracle.py finds faults: engines that are wrong, each in one way, and are found out.

The law: no engine here passes. Each is the real engine but for the few lines that its class changes, so that a rule which
the search tries no more, or a comparison which it makes no more, fails here.
What is right is for oracle.py to say.
"""

from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import Phase as Search

from orders.terms import Phase, Reason, Side, TimeInForce
from trading.engine import engine as engine_module
from trading.engine.book import BookSide, Level, RestingOrder
from trading.engine.commands import Cancel, NewOrder, Reduce, SetPhase
from trading.engine.engine import Engine
from trading.engine.events import Ended, Event, Prevented, Reduced, Traded
from trading.tests.engine.test_oracle import EngineAndOracle, search

NOBODY = 0
WRONG: list[type[Engine]] = []


def wrong(engine: type[Engine]) -> type[Engine]:
    WRONG.append(engine)
    return engine


class Changed(Engine):
    """The right engine, made so that what is below can change a new order on its way in, and the kind of the bids."""

    Bids = BookSide

    def __init__(self, phase: Phase = Phase.CONTINUOUS) -> None:
        super().__init__(phase)
        self.bids = self.Bids(Side.BUY)

    def best_price(self, order: NewOrder) -> int | None:
        level = (self.asks if order.side is Side.BUY else self.bids).best()
        return None if level is None else level.price

    def at_best_price(self, order: NewOrder) -> NewOrder:
        """Let an order go no further than the first price."""
        best = self.best_price(order)
        if best is None:
            return order
        return replace(order, price=min(best, order.price) if order.side is Side.BUY else max(best, order.price))


def send_back(order: RestingOrder) -> None:
    order.level.queue.remove(order)
    order.level.queue.append(order)


@wrong
class LastInFirstOut(Changed):
    def restore(self, order: RestingOrder, price: int) -> None:
        super().restore(order, price)
        order.level.queue.rotate(1)


@wrong
class LowerIdFirst(Changed):
    def restore(self, order: RestingOrder, price: int) -> None:
        super().restore(order, price)
        queue = order.level.queue
        order.level.queue = type(queue)(sorted(queue, key=lambda order: order.order_id))


@wrong
class WorstPriceFirst(Changed):
    class Bids(BookSide):
        def best(self) -> Level | None:
            return max(self.levels(), key=lambda level: level.key, default=None)


@wrong
class PartialFillLosesItsPlace(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        events = super()._new(sequence, order)
        for event in events:
            if isinstance(event, Traded) and event.maker_left:
                send_back(self.orders[event.maker_order_id])
        return events


@wrong
class TradesAtTheTakersPrice(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        events = super()._new(sequence, order)
        return [event._replace(price=order.price) if isinstance(event, Traded) else event for event in events]


@wrong
class EqualPriceDoesNotMatch(Changed):
    def _take(self, order: NewOrder, opposite: BookSide, events: list[Event]) -> tuple[int | None, Reason | None]:
        short = replace(order, price=order.price - 1 if order.side is Side.BUY else order.price + 1)
        return super()._take(short, opposite, events)


@wrong
class IocStopsAtTheFirstPrice(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        if order.time_in_force is TimeInForce.IOC and not order.market:
            order = self.at_best_price(order)
        return super()._new(sequence, order)


@wrong
class IocRests(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        if order.time_in_force is TimeInForce.IOC and not order.market:
            order = replace(order, time_in_force=TimeInForce.GTC)
        return super()._new(sequence, order)


@wrong
class PostOnlyTakesAtEqualPrice(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        if order.post_only and self.best_price(order) == order.price:
            order = replace(order, post_only=False)
        return super()._new(sequence, order)


@wrong
class FokIgnoresOwnOrders(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        fillable = engine_module._fillable
        with patch.object(engine_module, "_fillable", lambda order, side: fillable(replace(order, owner=NOBODY), side)):
            return super()._new(sequence, order)


@wrong
class FokFearsOwnOrdersBeyondItsNeed(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        own = any(other.owner == order.owner and other.side is not order.side for other in self.orders.values())
        if order.time_in_force is TimeInForce.FOK and own and self.phase is Phase.CONTINUOUS:
            return [Ended("end", order.order_id, Reason.FOK_UNFILLABLE, order.quantity)]
        return super()._new(sequence, order)


@wrong
class FokCountsTheFirstPriceOnly(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        levels = BookSide.levels
        with patch.object(BookSide, "levels", lambda side: iter([*levels(side)][:1])):
            return super()._new(sequence, order)


@wrong
class MarketIgnoresItsProtectionPrice(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        if order.market:
            order = replace(order, price=10**6 if order.side is Side.BUY else 1)
        return super()._new(sequence, order)


@wrong
class BudgetSpendsOneLotTooMany(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        best = self.best_price(order)
        if order.budget is not None and best is not None:
            order = replace(order, budget=order.budget + best - 1)
        return super()._new(sequence, order)


@wrong
class BudgetStopsAtTheFirstPrice(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        return super()._new(sequence, order if order.budget is None else self.at_best_price(order))


@wrong
class OwnersTradeWithThemselves(Changed):
    def _take(self, order: NewOrder, opposite: BookSide, events: list[Event]) -> tuple[int | None, Reason | None]:
        return super()._take(replace(order, owner=NOBODY), opposite, events)


@wrong
class PreventionEndsTheMakerToo(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        events = super()._new(sequence, order)
        for event in events:
            if isinstance(event, Prevented):
                self._end(self.orders[event.maker_order_id], Reason.SELF_TRADE)
        return events


@wrong
class CancelLeavesItsQuantityInTheTotal(Changed):
    def _end(self, order: RestingOrder, reason: Reason) -> Ended:
        event = super()._end(order, reason)
        order.level.total += event.dropped
        return event


@wrong
class CancelLeavesTheOrderInItsQueue(Changed):
    def _end(self, order: RestingOrder, reason: Reason) -> Ended:
        del self.orders[order.order_id]
        return Ended("end", order.order_id, reason, order.left)


@wrong
class CancelLeavesTheOrderInTheIndex(Changed):
    def _end(self, order: RestingOrder, reason: Reason) -> Ended:
        event = super()._end(order, reason)
        self.orders[order.order_id] = order
        return event


@wrong
class ReduceLosesItsPlace(Changed):
    def _reduce(self, sequence: int, command: Reduce) -> list[Event]:
        events = super()._reduce(sequence, command)
        if events and isinstance(events[0], Reduced):
            send_back(self.orders[command.order_id])
        return events


@wrong
class ReduceForgetsTheFilledPart(Changed):
    def _reduce(self, sequence: int, command: Reduce) -> list[Event]:
        order = self.orders.get(command.order_id)
        filled = 0 if order is None else order.quantity - order.left
        return super()._reduce(sequence, replace(command, quantity=command.quantity + filled))


@wrong
class SecondReduceForgetsTheFirst(Changed):
    def _reduce(self, sequence: int, command: Reduce) -> list[Event]:
        order = self.orders.get(command.order_id)
        quantity = None if order is None else order.quantity
        events = super()._reduce(sequence, command)
        if order is not None:
            order.quantity = quantity
        return events


@wrong
class CancelOnlyLetsOrdersIn(Changed):
    def _set_phase(self, sequence: int, command: SetPhase) -> list[Event]:
        events = super()._set_phase(sequence, command)
        self.phase = Phase.CONTINUOUS if command.phase is Phase.CANCEL_ONLY else command.phase
        return events


@wrong
class HaltForbidsCancels(Changed):
    def _cancel(self, sequence: int, command: Cancel) -> list[Event]:
        return [] if self.phase is Phase.HALTED else super()._cancel(sequence, command)


@wrong
class SweepTurnsTheLineAround(Changed):
    class Bids(BookSide):
        def take(self, order: RestingOrder, lots: int) -> None:
            queue = order.level.queue
            super().take(order, lots)
            if order.level.queue is not queue:
                order.level.queue.reverse()


@wrong
class PruneDropsTheLiving(Changed):
    class Bids(BookSide):
        def _prune(self) -> None:
            self._levels, self._heap, self._empty = {}, [], 0


def search_for_faults(engine: type[Engine], max_examples: int) -> None:
    machine = type("OtherEngineAndOracle", (EngineAndOracle,), {"make_engine": engine})
    search(
        machine,
        max_examples=max_examples,
        phases=[Search.generate],
        derandomize=True,
        database=None,
        report_multiple_bugs=False,
    )


def test_search_finds_nothing_in_an_engine_that_only_could_be_wrong():
    search_for_faults(Changed, max_examples=50)


@pytest.mark.parametrize("engine", WRONG, ids=lambda engine: engine.__name__)
def test_search_finds(engine):
    with pytest.raises(AssertionError):
        search_for_faults(engine, max_examples=500)
