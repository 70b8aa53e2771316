"""Hold the engine to the oracle: both are given the same commands, and after each must have done the same.

The law: equal events, an equal book down to the order, and the laws of laws.py; a book rebuilt at any moment goes on
identically. A failure prints the commands that lead to it, and how to run them again. The profile `long` makes 10,000
sequences of up to 50 steps.
That the search would find a fault is for test_wrong_engines.py to show.
"""

from collections import Counter
from typing import get_args
from unittest.mock import patch

import pytest
from hypothesis import Phase as Search
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from orders.terms import CALL_PHASES, OrderType, Phase, Reason, SelfTradePrevention, Side, TimeInForce
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
from trading.engine.engine import Engine
from trading.engine.events import Event
from trading.tests.engine.laws import Account, check_events
from trading.tests.engine.oracle import Oracle
from trading.tests.engine.oracle_order import Home
from trading.tests.engine.scene import check_book, market, restore_from, stop, trailing

FIRST_ID = 1000
LOWEST, HIGHEST = 5, 10
LAST_TIME = 6
PROTECTION = 20_000_000

# Few of each, so that orders meet; low prices, so that a budget's rest often lies between one price and the next.
_prices = st.integers(LOWEST, HIGHEST)
_lots = st.integers(1, 9)
_owners = st.integers(1, 5)
_accounts = st.integers(1, 7)
_sides = st.sampled_from(Side)
_modes = st.sampled_from(SelfTradePrevention)
_times = st.integers(1, LAST_TIME)
_bands = st.sampled_from([10_000_000, 20_000_000, 40_000_000, None])
_rules = st.builds(SetRules, st.one_of(_prices, st.none()), _bands, _bands)
_switches = st.one_of(
    st.builds(Protect, _accounts, st.just(True)),
    st.builds(Protect, _accounts, st.booleans()),
    st.builds(Expire, _times),
    st.builds(Expire, st.just(LAST_TIME)),
    st.builds(CancelAll, st.just(Reason.KILL_SWITCH), _accounts, st.none()),
    st.builds(CancelAll, st.just(Reason.KILL_SWITCH), st.one_of(st.none(), _accounts), _owners),
    _rules,
)
_mostly = st.sampled_from([True, True, True, False])
_phases = st.sampled_from([*Phase, *[Phase.CONTINUOUS] * 6])
_limits = st.tuples(_owners, _sides, _prices, _lots)

LIMIT: dict = {}
_plain = st.just(LIMIT)
_ending = st.builds(dict, time_in_force=st.sampled_from([TimeInForce.GTD, TimeInForce.DAY]), expires_at=_times)
_maker = st.builds(dict, post_only=st.booleans(), market_maker_protection=st.just(True))
_post_only = st.just({"post_only": True})
_taker = st.builds(
    dict,
    time_in_force=st.sampled_from(
        [TimeInForce.FOK, TimeInForce.FOK, TimeInForce.FOK, TimeInForce.GTC, TimeInForce.IOC]
    ),
    self_trade_prevention=_modes,
)
_iceberg = st.builds(dict, display=st.integers(1, 3), self_trade_prevention=_modes)
_auction_only = st.just({"time_in_force": TimeInForce.AUCTION_ONLY})
_market = st.builds(market, self_trade_prevention=_modes)
_by_budget = st.builds(market, budget=st.integers(1, 120), self_trade_prevention=_modes)
_to_market = st.builds(stop, st.sampled_from([OrderType.STOP_MARKET, OrderType.TAKE_PROFIT]), _prices)
_to_limit = st.builds(
    stop,
    st.sampled_from([OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT]),
    _prices,
    time_in_force=st.sampled_from(TimeInForce),
    expires_at=_times,
)
_to_post_only = st.builds(stop, st.just(OrderType.STOP_LIMIT), _prices, post_only=st.just(True))
_trailing = st.builds(
    trailing,
    st.sampled_from([500, 1500, 3000]),
    stop_price=st.one_of(st.none(), _prices),
    protection=st.just(PROTECTION),
)
_kinds = [
    _plain,
    _taker,
    _ending,
    _maker,
    _iceberg,
    _auction_only,
    _market,
    _by_budget,
    _to_market,
    _to_limit,
    _to_post_only,
    _trailing,
]
_makers = st.tuples(st.one_of(_plain, _maker, _ending, _iceberg, _iceberg), _owners, _prices, _lots)
_takers = st.tuples(st.one_of(_taker, _taker, _taker, _market, _by_budget), _owners, st.one_of(st.none(), _prices))
_orders = st.tuples(st.one_of(_plain, _plain, _iceberg, *_kinds), _owners, _sides, _prices, _lots)
STANDSTILL = [Phase.POST_ONLY, Phase.CANCEL_ONLY, Phase.HALTED, Phase.CLOSED]
ASKED_FOR = {Reason.MASS_CANCEL, Reason.DEAD_MAN, Reason.DISCONNECT}
"""What the engine tells as it is told, like the two reasons that are tried here."""


def _ids(machine: "EngineAndOracle") -> st.SearchStrategy[int]:
    """Draw the id of an order: mostly of one that lives, sometimes of one that has gone or never was."""
    any_id = st.integers(FIRST_ID - machine.sequence, FIRST_ID)
    living = [order.order_id for order in machine.oracle.orders]
    if not living:
        return any_id
    return st.one_of(st.sampled_from(living), st.sampled_from(living), st.sampled_from(living), any_id)


_order_ids = st.runner().flatmap(_ids)


class EngineAndOracle(RuleBasedStateMachine):
    """One rule a kind of command; each makes the command and leaves the rest to `do`."""

    make_engine: type[Engine] = Engine

    def __init__(self) -> None:
        super().__init__()
        self.engine = self.make_engine()
        self.oracle = Oracle()
        self.account = Account()
        self.sequence = 0
        self.told: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def do(self, command: Command) -> None:
        """Give both a command, and then, as the matching loop does, those that it calls for."""
        self.give(command)
        while self.oracle.call_wanted or self.oracle.triggered:
            if self.oracle.call_wanted:
                self.give(SetPhase(Phase.AUCTION, ends_at=self.sequence))
            else:
                self.give(Trigger(self.oracle.triggered[0]))

    def give(self, command: Command) -> None:
        self.sequence += 1
        expected = self.oracle.apply(self.sequence, command)
        events = self.engine.apply(self.sequence, command)
        assert events == expected
        self.account.follow(command, events)
        check_events(self.engine, events)
        self.compare()

    def compare(self) -> None:
        assert _book(self.engine) == self.oracle.book()
        assert _outside(self.engine) == self.oracle.outside()
        assert _state(self.engine) == _state(self.oracle)
        assert self.engine.indicative() == self.oracle.indicative()
        check_book(self.engine)
        self.account.check(self.engine)
        self.check_told()

    def check_told(self) -> None:
        """Whoever follows the changes that the book tells of has the book's levels."""
        for side, told in zip((self.engine.bids, self.engine.asks), self.told, strict=True):
            told.update(side.take_changes())
            assert {price: lots for price, lots in told.items() if lots} == {
                level.price: level.total for level in side.levels()
            }

    def enter(self, fields: dict, owner: int, side: Side, price: int, lots: int) -> int:
        # Ids fall while sequences rise, so that whoever takes the one for the other is found out. An owner has two accounts.
        order_id = FIRST_ID - self.sequence
        if "budget" in fields:
            side, lots = Side.BUY, None
        self.do(NewOrder(order_id, owner, side, price, lots, account=owner + order_id % 2, **fields))
        return order_id

    @initialize(
        orders=st.lists(_limits, max_size=20), rules=_rules, phase=st.sampled_from([None, None, None, *CALL_PHASES])
    )
    def open(self, orders, rules, phase):
        # Else the other rules would mostly meet an empty book.
        self.do(rules)
        if phase:
            self.do(SetPhase(phase))
        for order in orders:
            self.enter(LIMIT, *order)

    def go_on(self, goes_on: bool) -> None:
        """Bring the market back, mostly: else the search would spend its time with orders that are refused."""
        if goes_on and self.oracle.phase is not Phase.CONTINUOUS:
            self.do(SetPhase(Phase.CONTINUOUS))

    def enter_all(self, orders: list[tuple]) -> None:
        for order in orders:
            self.enter(*order)

    @rule(orders=st.lists(_orders, min_size=1, max_size=10), goes_on=_mostly)
    def flow(self, orders, goes_on):
        self.go_on(goes_on)
        self.enter_all(orders)

    @rule(
        makers=st.lists(_makers, min_size=1, max_size=6),
        taker=_takers,
        side=_sides,
        lots=st.integers(1, 20),
        short=st.sampled_from([None, None, -1, 0, 0, 1, 2]),
        goes_on=_mostly,
    )
    def sweep(self, makers, taker, side, lots, short, goes_on):
        """Let an order meet more than it would by chance, and often just as much as it wants, or nearly so."""
        self.go_on(goes_on)
        for fields, owner, price, maker_lots in makers:
            self.enter(fields, owner, Side.SELL if side is Side.BUY else Side.BUY, price, maker_lots)
        fields, owner, price = taker
        if price is None:
            price = HIGHEST if side is Side.BUY else LOWEST
        if short is not None:
            lots = max(1, self.oracle.depth(side, price) - short)
        self.enter(fields, owner, side, price, lots)

    @rule(
        makers=st.lists(_makers, min_size=1, max_size=6),
        side=_sides,
        owner=_owners,
        mode=_modes,
        short=st.integers(-1, 9),
    )
    def fill_or_kill(self, makers, side, owner, mode, short):
        fields = {"time_in_force": TimeInForce.FOK, "self_trade_prevention": mode}
        self.sweep(makers, (fields, owner, None), side, 1, short, goes_on=True)

    @rule(fields=st.one_of(_post_only, _trailing), order=_limits, price=_prices, lots=_lots, goes_on=_mostly)
    def enter_and_amend(self, fields, order, price, lots, goes_on):
        """Amend what has just come in, for a search seldom draws the id of the right one."""
        self.go_on(goes_on)
        order_id = self.enter(fields, *order)
        self.do(Amend(order_id, price, lots, extra=100))

    @rule(orders=st.lists(_orders, min_size=2, max_size=8), tries=st.integers(0, 4))
    def auction(self, orders, tries):
        """Make what a search by single steps rarely makes: a call in which much comes together."""
        self.do(SetPhase(Phase.AUCTION))
        self.enter_all(orders)
        for _ in range(tries):
            self.do(SetPhase(Phase.CONTINUOUS, through_call=True))
        self.do(SetPhase(Phase.CONTINUOUS))

    @rule(
        phase=st.sampled_from(STANDSTILL),
        orders=st.lists(_orders, max_size=1),
        order_id=_order_ids,
        through_call=st.booleans(),
    )
    def stand_still(self, phase, orders, order_id, through_call):
        self.do(SetPhase(phase))
        self.enter_all(orders)
        self.do(Cancel(order_id))
        self.do(SetPhase(Phase.CONTINUOUS, through_call=through_call))

    @rule(order_id=_order_ids)
    def cancel(self, order_id):
        self.do(Cancel(order_id))

    @rule(order_id=_order_ids, quantity=_lots)
    def reduce(self, order_id, quantity):
        self.do(Reduce(order_id, quantity))

    @rule(order_id=_order_ids, by=st.integers(1, 3))
    def reduce_a_little(self, order_id, by):
        for order in self.oracle.orders:
            if order.order_id == order_id and not order.is_budget:
                self.do(Reduce(order_id, order.terms.quantity - by))

    @rule(order_id=_order_ids, price=_prices, quantity=_lots, extra=st.sampled_from([0, 100, 100]), goes_on=_mostly)
    def amend(self, order_id, price, quantity, extra, goes_on):
        self.go_on(goes_on)
        self.do(Amend(order_id, price, quantity, extra))

    @rule(command=_switches)
    def switch(self, command):
        self.do(command)

    @rule(phase=_phases, through_call=st.booleans())
    def set_phase(self, phase, through_call):
        self.do(SetPhase(phase, through_call=through_call))

    @rule()
    def rebuild(self):
        self.engine = restore_from(self.engine)
        self.told = ({}, {})
        self.compare()


def _book(engine: Engine) -> list[tuple[Side, int, int, int, int, tuple[int, int]]]:
    return [
        (order.side, level.price, order.order_id, order.left, order.hidden, (order.sequence, order.ordinal))
        for book_side in (engine.bids, engine.asks)
        for level in book_side.levels()
        for order in level.living()
    ]


def _outside(engine: Engine) -> dict[int, tuple]:
    parked = {
        order_id: (Home.PARKED, order.price, order.left, order.budget, None, (order.sequence, order.ordinal))
        for order_id, order in engine.parked.items()
    }
    awaiting = {
        order_id: (Home.AWAITING, order.price, order.left, None, order.extreme, (order.sequence, order.ordinal))
        for order_id, order in engine.stops.orders.items()
    }
    return parked | awaiting


def _state(market: Engine | Oracle) -> tuple:
    call = market.call_wanted, market.call_ends_at, market.call_extensions
    prices = market.last_price, market.last_auction_price
    return market.phase, call, prices, list(market.triggered), market.protected


def search(machine: type[EngineAndOracle], **options: object) -> None:
    # Short sequences must reach the housekeeping of book and stops too.
    with (
        patch.multiple("trading.engine.book", SWEEP_SLACK=0, PRUNE_SLACK=0),
        patch("trading.engine.stops.SLACK", 0),
        patch("trading.engine.trails.SLACK", 0),
    ):
        run_state_machine_as_test(machine, settings=settings(**options))


# A search keeps all it has tried and slows down with it: so there are parts, and the more of them the longer it is to be.
EXAMPLES_A_PART = 250
PARTS = max(1, settings().max_examples * 5 // EXAMPLES_A_PART)


@pytest.mark.parametrize("part", range(PARTS))
def test_engine_does_what_the_oracle_does(part):
    """Each part has a name of its own, hence other commands in CI too."""
    machine = type(f"EngineAndOracle{part}", (EngineAndOracle,), {})
    search(machine, max_examples=min(EXAMPLES_A_PART, settings().max_examples), print_blob=True)


def test_search_reaches_every_event_and_every_reason():
    """What the search never meets, it does not test."""
    met: Counter[str] = Counter()

    class Counting(EngineAndOracle):
        def give(self, command: Command) -> None:
            super().give(command)
            for event in self.oracle.events:
                met[event.tag] += 1
                if reason := getattr(event, "reason", None):
                    met[f"{event.tag} {reason}"] += 1

    search(Counting, max_examples=80, phases=[Search.generate], derandomize=True, database=None)

    tags = {event.__annotations__["tag"].__args__[0] for event in get_args(Event)}
    reasons = {
        f"end {reason}" for reason in set(Reason) - ASKED_FOR - {Reason.INTERNAL_ERROR, Reason.INSUFFICIENT_FUNDS}
    }
    refusals = {Reason.MARKET_HALTED, Reason.INSUFFICIENT_FUNDS, Reason.POST_ONLY_WOULD_TAKE}
    assert tags | reasons | {f"refuse {reason}" for reason in refusals} <= set(met)
