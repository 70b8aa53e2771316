"""Hold the engine to the oracle: both are given the same commands, and after each must have done the same.

The law: equal events, an equal book down to the order, and the laws of laws.py; a book rebuilt at any moment goes on
identically. A failure prints the commands that lead to it, and how to run them again. The profile `long` makes 10,000
sequences of up to 50 steps.
That the search would find a fault is for test_wrong_engines.py to show.
"""

from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from orders.terms import Phase, Reason, Side, TimeInForce
from trading.engine.commands import Cancel, Command, NewOrder, Reduce, SetPhase
from trading.engine.engine import Engine
from trading.tests.engine.laws import Account
from trading.tests.engine.oracle import Oracle
from trading.tests.engine.scene import check_book, restore_from

# Few of each, so that orders meet; low prices, so that a budget's rest often lies between one price and the next.
_prices = st.integers(5, 10)
_lots = st.integers(1, 9)
_owners = st.integers(1, 5)
_sides = st.sampled_from(Side)
_limits = st.tuples(_owners, _sides, _prices, _lots)
_budgets = st.integers(1, 120)
_phases = st.sampled_from([*Phase, *[Phase.CONTINUOUS] * 6])
FIRST_ID = 1000


def _ids(machine: "EngineAndOracle") -> st.SearchStrategy[int]:
    """Draw the id of an order: mostly of one that rests, sometimes of one that has gone or never was."""
    any_id = st.integers(FIRST_ID - machine.sequence, FIRST_ID)
    living = [order.order_id for order in machine.oracle.resting]
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

    def do(self, command: Command) -> None:
        self.sequence += 1
        expected = self.oracle.apply(self.sequence, command)
        events = self.engine.apply(self.sequence, command)
        assert events == expected
        self.account.follow(command, events)
        self.compare()

    def compare(self) -> None:
        assert self.engine.phase is self.oracle.phase
        assert _book(self.engine) == self.oracle.book()
        check_book(self.engine)
        self.account.check(self.engine)

    def enter(self, owner: int, side: Side, price: int, lots: int | None, **fields: object) -> None:
        # Ids fall while sequences rise, so that whoever takes the one for the other is found out.
        self.do(NewOrder(FIRST_ID - self.sequence, owner, side, price, lots, **fields))

    @initialize(orders=st.lists(_limits, max_size=20))
    def open(self, orders):
        # Else the other rules would mostly meet an empty book.
        self.limits(orders)

    @rule(orders=st.lists(_limits, min_size=1, max_size=4))
    def limits(self, orders):
        for order in orders:
            self.enter(*order)

    @rule(owner=_owners, side=_sides, price=_prices, lots=_lots)
    def immediate_or_cancel(self, owner, side, price, lots):
        self.enter(owner, side, price, lots, time_in_force=TimeInForce.IOC)

    @rule(owner=_owners, side=_sides, price=_prices, lots=_lots)
    def fill_or_kill(self, owner, side, price, lots):
        self.enter(owner, side, price, lots, time_in_force=TimeInForce.FOK)

    @rule(owner=_owners, side=_sides, price=_prices, lots=_lots)
    def post_only(self, owner, side, price, lots):
        self.enter(owner, side, price, lots, post_only=True)

    @rule(owner=_owners, side=_sides, price=_prices, lots=_lots)
    def market(self, owner, side, price, lots):
        self.enter(owner, side, price, lots, time_in_force=TimeInForce.IOC, market=True)

    @rule(owner=_owners, price=_prices, budget=_budgets)
    def market_by_budget(self, owner, price, budget):
        self.enter(owner, Side.BUY, price, None, budget=budget, time_in_force=TimeInForce.IOC, market=True)

    @rule(order_id=_order_ids)
    def cancel(self, order_id):
        self.do(Cancel(order_id))

    @rule(owner=_owners)
    def cancel_all(self, owner):
        for order_id in [order.order_id for order in self.oracle.resting if order.owner == owner]:
            self.do(Cancel(order_id, Reason.MASS_CANCEL))

    @rule(order_id=_order_ids, quantity=_lots)
    def reduce(self, order_id, quantity):
        self.do(Reduce(order_id, quantity))

    @rule(phase=_phases)
    def set_phase(self, phase):
        self.do(SetPhase(phase))

    @rule()
    def rebuild(self):
        self.engine = restore_from(self.engine)
        self.compare()


def _book(engine: Engine) -> list[tuple[Side, int, int, int, tuple[int, int]]]:
    return [
        (order.side, level.price, order.order_id, order.left, (order.sequence, order.ordinal))
        for book_side in (engine.bids, engine.asks)
        for level in book_side.levels()
        for order in level.living()
    ]


def search(machine: type[EngineAndOracle], **options: object) -> None:
    # Short sequences must reach the book's housekeeping too.
    with patch.multiple("trading.engine.book", SWEEP_SLACK=0, PRUNE_SLACK=0):
        run_state_machine_as_test(machine, settings=settings(**options))


@pytest.mark.parametrize("part", range(5))
def test_engine_does_what_the_oracle_does(part):
    """In parts, since a search keeps all it has tried; each has a name of its own, hence other commands in CI too."""
    search(type(f"EngineAndOracle{part}", (EngineAndOracle,), {}), print_blob=True)
