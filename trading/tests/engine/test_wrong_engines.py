"""Show that the search of test_oracle.py finds faults: engines that are wrong, each in one way, and are found out.

The law: no engine here passes. Each is the real engine but for the few lines that its class changes, so that a rule which
the search tries no more, or a comparison which it makes no more, fails here.
What is right is for oracle.py to say.
"""

from collections import deque
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import Phase as Search

from orders.terms import CALL_PHASES, Phase, Reason, SelfTradePrevention, Side, TimeInForce
from trading.engine import auction as auction_module
from trading.engine import calls as calls_module
from trading.engine import engine as engine_module
from trading.engine import stops as stops_module
from trading.engine import trails as trails_module
from trading.engine.auction import Interest, Uncross
from trading.engine.book import BookSide, Level, RestingOrder, priority
from trading.engine.commands import Amend, Cancel, CancelAll, NewOrder, Protect, Reduce, SetPhase, Trigger
from trading.engine.engine import Engine, Taker
from trading.engine.events import Ended, Event, Prevented, Reduced, Traded, Uncrossed
from trading.engine.stops import Look, Stops
from trading.engine.trails import Trail, Trails
from trading.tests.engine.test_oracle import EngineAndOracle, search

NOBODY = 0
WRONG: list[type[Engine]] = []


def wrong(engine: type[Engine]) -> type[Engine]:
    WRONG.append(engine)
    return engine


class Changed(Engine):
    """The right engine, made so that what is below can change a new order on its way in, and the kind of book and stops."""

    OwnSide = BookSide
    OwnStops = Stops

    def __init__(self, phase: Phase = Phase.CONTINUOUS) -> None:
        super().__init__(phase)
        self.bids, self.asks = self.OwnSide(Side.BUY), self.OwnSide(Side.SELL)
        self.stops = self.OwnStops()

    def best_price(self, order: NewOrder) -> int | None:
        level = (self.asks if order.side is Side.BUY else self.bids).best()
        return None if level is None else level.price

    def walk_as(self, order: NewOrder, taker: Taker, opposite: BookSide, reach: int) -> None:
        """Let a taker trade as if it were this order."""
        own, taker.order = taker.order, order
        Engine._walk(self, taker, opposite, reach)
        taker.order = own

    def used(self, order_id: int) -> int:
        """Count the lots of an order that have been filled or prevented."""
        order = self.find(order_id)
        return 0 if order is None or order.quantity is None else order.quantity - order.lots_at(1)

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
class PartOfAnOrderIsTakenUntold(Changed):
    class OwnSide(BookSide):
        def take(self, order: RestingOrder, lots: int) -> None:
            told = order.level.price in self._changed
            super().take(order, lots)
            if order.left and not told:
                self._changed.discard(order.level.price)


@wrong
class ShownAnewInAnUncrossUntold(Changed):
    class OwnSide(BookSide):
        def fill(self, order: RestingOrder, lots: int) -> None:
            changed = set(self._changed)
            super().fill(order, lots)
            if order.left:
                self._changed = changed


@wrong
class LastInFirstOut(Changed):
    def put_in_book(self, order: RestingOrder, terms: NewOrder) -> None:
        super().put_in_book(order, terms)
        order.level.queue.rotate(1)


@wrong
class LowerIdFirst(Changed):
    def put_in_book(self, order: RestingOrder, terms: NewOrder) -> None:
        super().put_in_book(order, terms)
        queue = order.level.queue
        order.level.queue = type(queue)(sorted(queue, key=lambda order: order.order_id))


@wrong
class WorstPriceFirst(Changed):
    class OwnSide(BookSide):
        def best(self) -> Level | None:
            return max(self.levels(), key=lambda level: level.key, default=None)


@wrong
class PartialFillLosesItsPlace(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        events = super()._new(sequence, order)
        for event in events:
            if isinstance(event, Traded) and event.maker_order_id in self.orders:
                send_back(self.orders[event.maker_order_id])
        return events


@wrong
class TradesAtTheTakersPrice(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        events = super()._new(sequence, order)
        return [event._replace(price=order.price) if isinstance(event, Traded) else event for event in events]


@wrong
class EqualPriceDoesNotMatch(Changed):
    def _walk(self, taker: Taker, opposite: BookSide, reach: int) -> None:
        super()._walk(taker, opposite, min(reach, opposite.key(taker.order.price) - 1))


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
        with patch.object(
            engine_module, "_fillable", lambda order, *rest: fillable(replace(order, owner=NOBODY), *rest)
        ):
            return super()._new(sequence, order)


@wrong
class FokFearsOwnOrdersBeyondItsNeed(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        own = any(other.owner == order.owner and other.side is not order.side for other in self.orders.values())
        if order.time_in_force is TimeInForce.FOK and own and self.phase is Phase.CONTINUOUS and order.stop is None:
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
    def _walk(self, taker: Taker, *rest) -> None:
        self.walk_as(replace(taker.order, owner=NOBODY), taker, *rest)


@wrong
class PreventionEndsTheMakerToo(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        events = super()._new(sequence, order)
        for event in events:
            if isinstance(event, Prevented) and event.maker_order_id in self.orders:
                self.end(self.orders[event.maker_order_id], Reason.SELF_TRADE)
        return events


@wrong
class CancelLeavesItsQuantityInTheTotal(Changed):
    def end(self, order: RestingOrder, reason: Reason) -> Ended:
        in_book = order.order_id in self.orders
        event = super().end(order, reason)
        if in_book:
            order.level.total += event.dropped
        return event


@wrong
class CancelLeavesTheOrderInItsQueue(Changed):
    def take_out(self, order: RestingOrder) -> None:
        if self.orders.pop(order.order_id, None) is None:
            super().take_out(order)


@wrong
class CancelLeavesTheOrderInTheIndex(Changed):
    def end(self, order: RestingOrder, reason: Reason) -> Ended:
        event = super().end(order, reason)
        self.orders[order.order_id] = order
        return event


@wrong
class ReduceLosesItsPlace(Changed):
    def _reduce(self, sequence: int, command: Reduce) -> list[Event]:
        events = super()._reduce(sequence, command)
        if events and isinstance(events[0], Reduced) and command.order_id in self.orders:
            send_back(self.orders[command.order_id])
        return events


@wrong
class ReduceForgetsTheFilledPart(Changed):
    def _reduce(self, sequence: int, command: Reduce) -> list[Event]:
        return super()._reduce(sequence, replace(command, quantity=command.quantity + self.used(command.order_id)))


@wrong
class SecondReduceForgetsTheFirst(Changed):
    def _reduce(self, sequence: int, command: Reduce) -> list[Event]:
        order = self.find(command.order_id)
        terms = None if order is None else order.terms
        events = super()._reduce(sequence, command)
        if order is not None:
            order.terms = terms
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
    class OwnSide(BookSide):
        def take(self, order: RestingOrder, lots: int) -> None:
            queue = order.level.queue
            super().take(order, lots)
            if order.level.queue is not queue:
                order.level.queue.reverse()


@wrong
class PruneDropsTheLiving(Changed):
    class OwnSide(BookSide):
        def _prune(self) -> None:
            self._levels, self._heap, self._empty = {}, [], 0


# Self-trade prevention


def with_mode(order: NewOrder, **modes: SelfTradePrevention) -> NewOrder:
    """Give an order that has one of these modes another one."""
    return replace(
        order, self_trade_prevention=modes.get(order.self_trade_prevention.name, order.self_trade_prevention)
    )


@wrong
class CancelOldestEndsTheTakerToo(Changed):
    def _walk(self, taker: Taker, *rest) -> None:
        self.walk_as(with_mode(taker.order, CANCEL_OLDEST=SelfTradePrevention.CANCEL_BOTH), taker, *rest)


@wrong
class CancelBothLeavesTheMaker(Changed):
    def end(self, order: RestingOrder, reason: Reason) -> Ended:
        if reason is Reason.SELF_TRADE and self.taker.self_trade_prevention is SelfTradePrevention.CANCEL_BOTH:
            return Ended("end", order.order_id, reason, order.left + order.hidden)
        return super().end(order, reason)

    def _walk(self, taker: Taker, *rest) -> None:
        self.taker = taker.order
        super()._walk(taker, *rest)


@wrong
class DecrementIsCancelNewest(Changed):
    def _walk(self, taker: Taker, *rest) -> None:
        self.walk_as(with_mode(taker.order, DECREMENT=SelfTradePrevention.CANCEL_NEWEST), taker, *rest)


@wrong
class DecrementSparesTheMaker(Changed):
    def _prevent(self, taker: Taker, maker: RestingOrder, price: int, quantity: int, side: BookSide) -> None:
        mode = taker.order.self_trade_prevention
        if mode is SelfTradePrevention.DECREMENT:
            taker.events.append(Prevented("prevent", maker.order_id, taker.order.order_id, mode, price, quantity))
        else:
            super()._prevent(taker, maker, price, quantity, side)


@wrong
class DecrementOfTheLastLotsFills(Changed):
    def _walk(self, taker: Taker, *rest) -> None:
        super()._walk(taker, *rest)
        if taker.order.self_trade_prevention is SelfTradePrevention.DECREMENT:
            taker.reason = None


@wrong
class MakersModeDecides(Changed):
    def _walk(self, taker: Taker, opposite: BookSide, reach: int) -> None:
        modes = [
            maker.terms.self_trade_prevention
            for level in opposite.levels()
            for maker in level.living()
            if maker.owner == taker.order.owner
        ]
        own = taker.order.self_trade_prevention
        self.walk_as(replace(taker.order, self_trade_prevention=[*modes, own][0]), taker, opposite, reach)


@wrong
class FokCountsOwnOrdersUnderDecrement(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        fillable, passes = engine_module._fillable, SelfTradePrevention.CANCEL_OLDEST

        def lenient(order: NewOrder, *rest) -> bool:
            return fillable(with_mode(order, DECREMENT=passes), *rest)

        with patch.object(engine_module, "_fillable", lenient):
            return super()._new(sequence, order)


@wrong
class UncrossTradesWithinAnOwner(Changed):
    def _trade_at(self, price: int, events: list[Event]) -> bool:
        owners = [(order, order.owner) for order in self.living()]
        for order, _ in owners:
            order.owner = -order.order_id
        traded = super()._trade_at(price, events)
        for order, owner in owners:
            order.owner = owner
        return traded


# Icebergs


@wrong
class IcebergKeepsItsPlace(Changed):
    class OwnSide(BookSide):
        def show_next(self, order: RestingOrder) -> None:
            super().show_next(order)
            order.level.queue.rotate(1)


@wrong
class IcebergShowsAll(Changed):
    def _rest(self, sequence, order, *rest) -> None:
        super()._rest(sequence, replace(order, display=None), *rest)


@wrong
class IcebergShowsItsNextPartTooLarge(Changed):
    class OwnSide(BookSide):
        def show_next(self, order: RestingOrder) -> None:
            order.terms = replace(order.terms, display=order.terms.display + 1)
            super().show_next(order)


@wrong
class IcebergTakesWithItsPartAlone(Changed):
    def _walk(self, taker: Taker, *rest) -> None:
        kept = max(0, taker.left - taker.order.display) if taker.order.display is not None else 0
        taker.left = taker.left - kept if kept else taker.left
        super()._walk(taker, *rest)
        taker.left = taker.left + kept if kept else taker.left


@wrong
class ReduceTakesShownLotsFirst(Changed):
    class OwnSide(BookSide):
        def reduce(self, order: RestingOrder, lots: int) -> None:
            if lots < order.left:
                self.take(order, lots)
            else:
                super().reduce(order, lots)


@wrong
class FokForgetsHiddenLots(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        fillable = engine_module._fillable

        def strict(order: NewOrder, opposite: BookSide, reach: int) -> bool:
            shown = sum(level.total for level in opposite.levels() if level.key <= reach)
            return shown >= order.quantity and fillable(order, opposite, reach)

        with patch.object(engine_module, "_fillable", strict):
            return super()._new(sequence, order)


@wrong
class HiddenLotsStayOutOfTheUncross(Changed):
    def interest(self, side: Side) -> Interest:
        hidden = [(level, level.hidden) for level in self.side(side).levels()]
        for level, _ in hidden:
            level.hidden = 0
        interest = super().interest(side)
        for level, lots in hidden:
            level.hidden = lots
        return interest


@wrong
class IcebergLosesItsPlaceInTheUncross(Changed):
    def fill(self, order: RestingOrder, lots: int, price: int) -> None:
        part_is_gone = order.hidden and lots >= order.left
        super().fill(order, lots, price)
        if part_is_gone and order.left:
            send_back(order)


# Stops


@wrong
class StopWaitsForAPriceBeyondItsOwn(Changed):
    class OwnStops(Stops):
        def look(self, *prices, **how) -> Look:
            take = stops_module._Waiting.take_within
            with patch.object(stops_module._Waiting, "take_within", lambda waiting, reach: take(waiting, reach - 1)):
                return super().look(*prices, **how)


@wrong
class StopsTriggerByTimeAlone(Changed):
    class OwnStops(Stops):
        def _reached(self, *passed) -> list[RestingOrder]:
            return sorted(super()._reached(*passed), key=priority)


@wrong
class StopsTriggerFromTheFarEnd(Changed):
    class OwnStops(Stops):
        def _reached(self, *passed) -> list[RestingOrder]:
            return super()._reached(*passed)[::-1]


@wrong
class TakeProfitsTriggerLikeStops(Changed):
    class OwnStops(Stops):
        def add(self, order: RestingOrder) -> None:
            with patch.object(stops_module, "triggers_on_rise", lambda _, side: side is Side.BUY):
                super().add(order)


@wrong
class StopsSeeTheLastTradeAlone(Changed):
    class OwnStops(Stops):
        def look(self, prices, **how) -> Look:
            return super().look([*prices][-1:], **how)


@wrong
class StopsTriggerInACall(Changed):
    class OwnStops(Stops):
        def look(self, prices, **how) -> Look:
            return super().look(prices, may_trigger=True)


@wrong
class StopsDoNotSeeTheUncross(Changed):
    def look_at_stops(self, events: list[Event], **how) -> None:
        if not any(isinstance(event, Uncrossed) for event in events):
            super().look_at_stops(events, **how)


@wrong
class StopOnTheWrongSideWaits(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        with patch.object(engine_module, "would_trigger", lambda *_: False):
            return super()._new(sequence, order)


@wrong
class StopsThatWerePassedInACallStayThere(Changed):
    def look_at_stops(self, events: list[Event], **how) -> None:
        super().look_at_stops(events, may_trigger=how["may_trigger"])


@wrong
class TrailingStopFollowsThePriceBothWays(Changed):
    def look_at_stops(self, events: list[Event], **how) -> None:
        def follow(trails: Trails, price: int) -> None:
            for order in [entry[2] for trail in trails._trails for entry in trail.waiting]:
                if order.trail is not None:
                    trails.remove(order)
                    trails.add(order, price)

        with patch.object(Trails, "note", follow):
            super().look_at_stops(events, **how)


@wrong
class TrailingStopStaysWhereItWasArmed(Changed):
    def look_at_stops(self, events: list[Event], **how) -> None:
        with patch.object(Trails, "note", lambda *_: None):
            super().look_at_stops(events, **how)


@wrong
class TrailsThatJoinLoseAStop(Changed):
    def look_at_stops(self, events: list[Event], **how) -> None:
        with patch.object(Trail, "join", lambda trail, other: trail):
            super().look_at_stops(events, **how)


@wrong
class TrailingStopIsArmedAtOnce(Changed):
    def _await(self, sequence, order, left, extreme, events) -> None:
        armed_at = self.last_price if order.trailing_offset is not None else None
        super()._await(sequence, order, left, armed_at, events)


@wrong
class TrailingBuyRoundsDown(Changed):
    def look_at_stops(self, events: list[Event], **how) -> None:
        def rounded_down(extreme: int, order: RestingOrder) -> int:
            sign = 1 if order.side is Side.BUY else -1
            return extreme * (10_000 + sign * order.terms.trailing_offset) // 10_000

        with (
            patch.object(stops_module, "trigger_at", rounded_down),
            patch.object(trails_module, "trigger_at", rounded_down),
        ):
            super().look_at_stops(events, **how)


@wrong
class TrailingStopTradesAtAnyPrice(Changed):
    def _trigger(self, sequence: int, command: Trigger) -> list[Event]:
        with patch.object(engine_module, "band_around", lambda *_: (1, 10**6)):
            return super()._trigger(sequence, command)


@wrong
class AmendedStopForgetsItsExtreme(Changed):
    def _amend(self, sequence: int, command: Amend) -> list[Event]:
        wait = self._await
        with patch.object(
            self, "_await", lambda sequence, order, left, _, events: wait(sequence, order, left, None, events)
        ):
            return super()._amend(sequence, command)


# Amendments


@wrong
class AmendKeepsItsPlace(Changed):
    def _amend(self, sequence: int, command: Amend) -> list[Event]:
        before = self.orders.get(command.order_id)
        events = super()._amend(sequence, command)
        after = self.orders.get(command.order_id)
        if after is not None and after is not before:
            after.level.queue.rotate(1)
        return events


@wrong
class AmendForgetsTheFilledPart(Changed):
    def _amend(self, sequence: int, command: Amend) -> list[Event]:
        return super()._amend(sequence, replace(command, quantity=command.quantity + self.used(command.order_id)))


@wrong
class AmendNeedsNoFunds(Changed):
    def _amend(self, sequence: int, command: Amend) -> list[Event]:
        return super()._amend(sequence, replace(command, extra=10**6))


@wrong
class AmendedOrderDoesNotMatch(Changed):
    def _amend(self, sequence: int, command: Amend) -> list[Event]:
        with patch.object(self, "_enter", self._rest):
            return super()._amend(sequence, command)


@wrong
class PostOnlyIsAmendedToTake(Changed):
    def _would_take(self, order: NewOrder) -> bool:
        return False


# Calls


@wrong
class LimitsMatchInACall(Changed):
    def _enter(self, sequence: int, order: NewOrder, left: int | None, events: list[Event]) -> None:
        phase, self.phase = self.phase, Phase.CONTINUOUS if self.phase in CALL_PHASES else self.phase
        super()._enter(sequence, order, left, events)
        if self.phase is Phase.CONTINUOUS:
            self.phase = phase


@wrong
class AuctionOnlyTradesAtOnce(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        if order.time_in_force is TimeInForce.AUCTION_ONLY and self.phase is Phase.CONTINUOUS:
            order = replace(order, time_in_force=TimeInForce.IOC)
        return super()._new(sequence, order)


@wrong
class AuctionForgetsTheReference(Changed):
    def indicative(self) -> Uncross | None:
        with patch.object(self, "reference", lambda: None):
            return super().indicative()


@wrong
class AuctionLeavesAnySurplus(Changed):
    def indicative(self) -> Uncross | None:
        found, buys, sells = super().indicative(), self.interest(Side.BUY), self.interest(Side.SELL)
        rungs = [auction_module._at(price, buys, sells) for price in sorted(buys.prices | sells.prices)]
        same = [rung for rung in rungs if found is not None and rung.quantity == found.quantity]
        return same[0] if same else found


@wrong
class ProtectionPricesMakeThePrice(Changed):
    def interest(self, side: Side) -> Interest:
        interest = super().interest(side)
        interest.prices |= {order.price for order in self.parked.values() if order.side is side}
        return interest


@wrong
class MarketOrdersIgnoreTheirProtectionPriceInTheUncross(Changed):
    def _uncross(self, events: list[Event]) -> None:
        for order in self.parked.values():
            if order.terms.market:
                order.terms = replace(order.terms, price=10**6 if order.side is Side.BUY else 1)
        super()._uncross(events)


@wrong
class MarketOrdersLineUpByProtectionPrice(Changed):
    def line_up(self, side: Side, price: int) -> deque[RestingOrder]:
        key = self.side(side).key
        return deque(sorted(super().line_up(side, price), key=lambda order: (not order.terms.market, key(order.price))))


@wrong
class LimitsLineUpWithMarketOrders(Changed):
    def line_up(self, side: Side, price: int) -> deque[RestingOrder]:
        key = self.side(side).key
        return deque(sorted(super().line_up(side, price), key=lambda order: (key(order.price), priority(order))))


@wrong
class UncrossGoesByTimeAlone(Changed):
    def line_up(self, side: Side, price: int) -> deque[RestingOrder]:
        return deque(sorted(super().line_up(side, price), key=priority))


@wrong
class BudgetSpendsAllInTheUncross(Changed):
    def fill(self, order: RestingOrder, lots: int, price: int) -> None:
        super().fill(order, lots, price)
        if order.budget is not None:
            order.budget = 0
            self.parked.pop(order.order_id, None)


@wrong
class ParkedOrdersOutliveTheUncross(Changed):
    def end_all(self, orders, reason: Reason) -> list[Event]:
        return [] if reason is Reason.AUCTION_END else super().end_all(orders, reason)


@wrong
class CallIsNeverExtended(Changed):
    def _extends(self, events: list[Event]) -> bool:
        return False


@wrong
class CallIsExtendedForEver(Changed):
    def _extends(self, events: list[Event]) -> bool:
        with patch.object(calls_module, "EXTENSIONS_MAX", 9):
            return super()._extends(events)


@wrong
class HaltEndsWithoutACall(Changed):
    def set_phase(self, command: SetPhase) -> list[Event]:
        with patch.object(calls_module, "STANDSTILL_PHASES", ()):
            return super().set_phase(command)


@wrong
class BrokenOffCallUncrosses(Changed):
    def set_phase(self, command: SetPhase) -> list[Event]:
        events: list[Event] = []
        if self.phase in CALL_PHASES and command.phase is Phase.HALTED:
            self._uncross(events)
        return [*events, *super().set_phase(command)]


@wrong
class CrossedBookGoesOnCrossed(Changed):
    def set_phase(self, command: SetPhase) -> list[Event]:
        with patch.object(self, "_uncross", lambda events: None):
            return super().set_phase(command)


# Volatility interruptions


@wrong
class BandExcludesItsEdge(Changed):
    def _reach(self, opposite: BookSide, limit: int) -> int:
        inside = calls_module.band_around
        with patch.object(engine_module, "band_around", lambda *of: (inside(*of)[0] + 1, inside(*of)[1] - 1)):
            return super()._reach(opposite, limit)


@wrong
class OnlyRisesInterrupt(Changed):
    def _reach(self, opposite: BookSide, limit: int) -> int:
        return limit if opposite is self.bids else super()._reach(opposite, limit)


@wrong
class BandIsAroundTheOperatorsPrice(Changed):
    def _reach(self, opposite: BookSide, limit: int) -> int:
        with patch.object(self, "reference", lambda: self.rules.reference_price):
            return super()._reach(opposite, limit)


@wrong
class FokInterrupts(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        fillable = engine_module._fillable
        with patch.object(
            engine_module, "_fillable", lambda order, side, reach: fillable(order, side, side.key(order.price))
        ):
            return super()._new(sequence, order)


@wrong
class BudgetThatBuysNothingInterrupts(Changed):
    def _new(self, sequence: int, order: NewOrder) -> list[Event]:
        with patch.object(Taker, "buys_at", lambda *_: True):
            return super()._new(sequence, order)


@wrong
class InterruptionDropsTheRest(Changed):
    def _collect(self, sequence, order, left, budget, events) -> None:
        if self.call_wanted:
            events.append(Ended("end", order.order_id, Reason.IOC_REMAINDER, left or 0))
        else:
            super()._collect(sequence, order, left, budget, events)


# Switches


@wrong
class CancelAllForgetsTheStops(Changed):
    def _cancel_all(self, sequence: int, command: CancelAll) -> list[Event]:
        with patch.object(self, "stops", Stops()):
            return super()._cancel_all(sequence, command)


@wrong
class CancelAllTakesTheAccountForTheOwner(Changed):
    def _cancel_all(self, sequence: int, command: CancelAll) -> list[Event]:
        return super()._cancel_all(sequence, replace(command, account=command.owner, owner=command.account))


@wrong
class AllOrdersGoByTheirIds(Changed):
    def living(self, *wanted) -> list[RestingOrder]:
        return sorted(super().living(*wanted), key=lambda order: order.order_id)


@wrong
class ProtectionEndsAllOrders(Changed):
    def _protect(self, sequence: int, command: Protect) -> list[Event]:
        own = [order for order in self.living() if order.terms.account == command.account]
        for order in own if command.on else ():
            order.terms = replace(order.terms, market_maker_protection=True)
        return super()._protect(sequence, command)


@wrong
class ProtectionEndsNothing(Changed):
    def _protect(self, sequence: int, command: Protect) -> list[Event]:
        with patch.object(self, "living", lambda _: []):
            return super()._protect(sequence, command)


@wrong
class ProtectionTakesOrdersStill(Changed):
    def _refusal(self, order: NewOrder) -> Reason | None:
        return super()._refusal(replace(order, market_maker_protection=False))


@wrong
class ExpiryIsLate(Changed):
    def expired(self, at: int) -> list[RestingOrder]:
        return super().expired(at - 1)


@wrong
class ExpiryGoesByTimeOfEntry(Changed):
    def expired(self, at: int) -> list[RestingOrder]:
        return sorted(super().expired(at), key=priority)


@wrong
class CloseKeepsTheOrdersOfTheDay(Changed):
    def set_phase(self, command: SetPhase) -> list[Event]:
        with patch.object(self, "living", lambda _: []):
            return super().set_phase(command)


def search_for_faults(engine: type[Engine], parts: int) -> None:
    """Search in parts, which have names of their own and hence other commands: a search goes on with what it began with."""
    for part in range(parts):
        search(
            type(f"OtherEngineAndOracle{part}", (EngineAndOracle,), {"make_engine": engine}),
            max_examples=50,
            phases=[Search.generate],
            derandomize=True,
            database=None,
            report_multiple_bugs=False,
        )


def test_search_finds_nothing_in_an_engine_that_only_could_be_wrong():
    search_for_faults(Changed, parts=1)


# Each takes a second or so: one in sixteen in every run, all of them in the long one.
EACH = [
    pytest.param(engine, marks=[pytest.mark.long] if n % 16 else [], id=engine.__name__)
    for n, engine in enumerate(WRONG)
]


@pytest.mark.parametrize("engine", EACH)
def test_search_finds(engine):
    with pytest.raises(AssertionError):
        search_for_faults(engine, parts=12)
