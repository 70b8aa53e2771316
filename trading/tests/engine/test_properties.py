"""Test the engine's laws on random sequences of commands; a failure prints the sequence and the seed that made it."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from orders.terms import Phase, Reason, Side, TimeInForce
from trading.engine.commands import Cancel, Command, NewOrder, Reduce, SetPhase
from trading.engine.engine import Engine
from trading.engine.events import Ended, Event, Prevented, Reduced, Rested, Traded
from trading.tests.engine.scene import check_book
from trading.tests.engine.test_book import restore_from

_prices = st.integers(95, 105)
_lots = st.integers(1, 9)
_owners = st.integers(1, 4)
_sides = st.sampled_from(Side)
_limits = st.builds(
    lambda side, price, lots, owner, tif: NewOrder(0, owner, side, price, lots, time_in_force=tif),
    _sides, _prices, _lots, _owners, st.sampled_from([*TimeInForce, TimeInForce.GTC, TimeInForce.GTC]),
)  # fmt: skip
_post_only = st.builds(
    lambda side, price, lots, owner: NewOrder(0, owner, side, price, lots, post_only=True),
    _sides, _prices, _lots, _owners,
)  # fmt: skip
_markets = st.builds(
    lambda side, price, lots, owner: NewOrder(0, owner, side, price, lots, time_in_force=TimeInForce.IOC, market=True),
    _sides, _prices, _lots, _owners,
)  # fmt: skip
_budgets = st.builds(
    lambda price, budget, owner: NewOrder(
        0, owner, Side.BUY, price, None, budget=budget, time_in_force=TimeInForce.IOC, market=True
    ),
    _prices, st.integers(1, 2000), _owners,
)  # fmt: skip
_which = st.integers(1, 60)
_cancels = st.builds(Cancel, _which)
_reduces = st.builds(Reduce, _which, _lots)
_phases = st.builds(SetPhase, st.sampled_from([*Phase, Phase.CONTINUOUS, Phase.CONTINUOUS]))
_commands = st.one_of(_limits, _limits, _limits, _post_only, _markets, _budgets, _cancels, _reduces, _phases)


@settings(max_examples=max(200, settings.default.max_examples), print_blob=True)
@given(st.lists(_commands, max_size=60))
def test_laws_of_the_book_hold_after_every_command(commands: list[Command]):
    engine = Engine()
    account = QuantityAccount()
    for sequence, command in enumerate(commands, start=1):
        if isinstance(command, NewOrder):
            command.order_id = sequence
            account.enter(command)
        best_before = _best_prices(engine)

        events = engine.apply(sequence, command)

        check_book(engine)
        account.follow(command, events)
        account.check(engine)
        if isinstance(command, NewOrder):
            _check_new_order(command, events, best_before)


@settings(print_blob=True)
@given(st.lists(_commands, max_size=40), st.lists(_commands, max_size=20))
def test_restored_book_has_the_same_future(past: list[Command], future: list[Command]):
    engine = Engine()
    for sequence, command in enumerate(past, start=1):
        if isinstance(command, NewOrder):
            command.order_id = sequence
        engine.apply(sequence, command)
    restored = restore_from(engine)

    for sequence, command in enumerate(future, start=len(past) + 1):
        if isinstance(command, NewOrder):
            command.order_id = sequence

        assert restored.apply(sequence, command) == engine.apply(sequence, command)


class QuantityAccount:
    """Keep account of every order's lots: quantity = filled + dropped + reduced + resting, always."""

    def __init__(self) -> None:
        self.entered: dict[int, NewOrder] = {}
        self.filled: Counter[int] = Counter()
        self.dropped: Counter[int] = Counter()
        self.spent: Counter[int] = Counter()
        self.ended: set[int] = set()

    def enter(self, order: NewOrder) -> None:
        self.entered[order.order_id] = order

    def follow(self, command: Command, events: list[Event]) -> None:
        for event in events:
            match event:
                case Traded():
                    assert self.entered[event.maker_order_id].owner != self.entered[event.taker_order_id].owner
                    assert self.entered[event.maker_order_id].side is not self.entered[event.taker_order_id].side
                    assert not self.ended & {event.maker_order_id, event.taker_order_id}
                    assert event.taker_order_id == command.order_id
                    for order_id in (event.maker_order_id, event.taker_order_id):
                        self.filled[order_id] += event.quantity
                        self.spent[order_id] += event.quantity * event.price
                    if not event.maker_left:
                        self.ended.add(event.maker_order_id)
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
            assert order.quantity == self.filled[order_id] + self.dropped[order_id] + resting


def _check_new_order(order: NewOrder, events: list[Event], best_before: tuple[int | None, int | None]) -> None:
    trades = [event for event in events if isinstance(event, Traded)]
    last = events[-1]
    assert isinstance(last, Rested | Ended)
    assert not any(isinstance(event, Rested | Ended) for event in events[:-1])
    for trade in trades:
        assert trade.price <= order.price if order.side is Side.BUY else trade.price >= order.price
    prices = [trade.price for trade in trades]
    assert prices == sorted(prices, reverse=order.side is Side.SELL)
    if trades:
        assert prices[0] == best_before[0 if order.side is Side.SELL else 1]
    if order.post_only:
        assert not trades
    if order.time_in_force is TimeInForce.FOK:
        assert (sum(trade.quantity for trade in trades) == order.quantity) == (last.reason is None)
        assert last.reason is None or not trades
    if order.market or order.time_in_force is not TimeInForce.GTC:
        assert isinstance(last, Ended)
    if any(isinstance(event, Prevented) for event in events):
        assert last.reason is Reason.SELF_TRADE


def _best_prices(engine: Engine) -> tuple[int | None, int | None]:
    bid, ask = engine.bids.best(), engine.asks.best()
    return bid and bid.price, ask and ask.price
