"""Send recorded order flow through order intake and the matching loop, as real orders of real accounts.

The law: the journal's order is the recording's; nothing is matched but by the matching loop. Buyers and sellers are two users,
one tick and one lot are the recording's own units, and every replay has markets of its own.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connection, transaction

from accounts import ledger
from accounts.assets import create_asset
from accounts.errors import DomainError
from accounts.models import Account, Asset, User
from accounts.outages import REDIS_ERRORS
from orders import changes, intake
from orders.intake import Placed
from orders.markets import create_market
from orders.models import Market
from orders.requests import Amendment, NewOrder
from orders.terms import OrderType, Side, TimeInForce
from trading.flow.reader import Flow, FlowEvent, Kind
from trading.heartbeat import is_alive
from trading.matching import Shard

SHARD = 0
STEPS_PER_COMMIT = 500
UNIT_SCALE = 8
UNIT = Decimal(1).scaleb(-UNIT_SCALE)
"""One tick, and one lot: small, so that what a recording needs stays well within what a balance can be."""

FUNDS = Decimal(10) ** 17

WORKER_TIMEOUT_MS = 60_000


@dataclass(slots=True, eq=False)
class Step:
    """What one or several events became: one command, or none (hidden executions, refused repeats)."""

    events: Sequence[FlowEvent]
    command_id: int | None = None
    order_id: int | None = None
    refused: str | None = None

    @property
    def kind(self) -> Kind:
        return self.events[0].kind

    @property
    def symbol(self) -> str:
        return self.events[0].symbol


@dataclass(slots=True)
class Replay:
    """A recording on its way through the exchange."""

    flow: Flow
    steps: list[Step]
    market_of: dict[str, Market] = field(default_factory=dict)
    account_of: dict[Side, Account] = field(default_factory=dict)
    seconds: float = 0.0
    by_worker: bool = False


def run(flow: Flow, progress: Callable[[int], None], *, sweeps: bool = True) -> Replay:
    """Replay a recording to its end; calls progress with the number of steps done.

    Executions of one incoming order are sent as that order; without `sweeps`, each as an order of its own.
    """
    replay = Replay(flow, list(_steps(flow.events, sweeps=sweeps)))
    _prepare(replay)
    replay.by_worker = _worker_is_alive()
    sender = _Sender(replay)
    began = time.monotonic()
    with nullcontext() if replay.by_worker else _matching_here():
        before: Sequence[Step] = ()
        for start in range(0, len(replay.steps), STEPS_PER_COMMIT):
            chunk = replay.steps[start : start + STEPS_PER_COMMIT]
            with transaction.atomic():
                sender.send(chunk)
            # No more than two commits ahead of matching: what waits to be canceled still holds its funds.
            _wait_for(before)
            before = chunk
            progress(start + len(chunk))
        _wait_for(before)
    replay.seconds = time.monotonic() - began
    return replay


def _wait_for(steps: Sequence[Step]) -> None:
    asked = [step.command_id for step in steps if step.command_id is not None]
    if not changes.wait_until_taken(asked, WORKER_TIMEOUT_MS):
        raise TimeoutError("the matching loop has not taken these commands in a minute")


def _worker_is_alive() -> bool:
    try:
        return is_alive(SHARD)
    except REDIS_ERRORS:
        return False


@contextmanager
def _matching_here() -> Iterator[None]:
    """Run the matching loop beside the caller, for a venue whose worker is not running."""
    done = threading.Event()

    def match() -> None:
        try:
            Shard(SHARD).run(seconds=math.inf, should_stop=done.is_set)
        finally:
            connection.close()

    thread = threading.Thread(target=match, name="matching")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _steps(events: Sequence[FlowEvent], *, sweeps: bool) -> Iterator[Step]:
    """Group the executions of one incoming order, which came one after another."""
    group: list[FlowEvent] = []
    for event in events:
        if group and not (sweeps and _same_sweep(group[0], event)):
            yield Step(group)
            group = []
        if event.kind is Kind.EXECUTE and event.fifo_ok:
            group.append(event)
        else:
            yield Step([event])
    if group:
        yield Step(group)


def _same_sweep(first: FlowEvent, event: FlowEvent) -> bool:
    return (
        event.kind is Kind.EXECUTE
        and event.fifo_ok
        and event.aggressor == first.aggressor != ""
        and event.side == first.side
        and event.symbol == first.symbol
    )


def _prepare(replay: Replay) -> None:
    """Make the accounts, assets and markets of this replay."""
    run_number = Asset.objects.count()
    quote = create_asset(code=f"Q{run_number}", scale=2 * UNIT_SCALE, name=f"price units of {replay.flow.name}")
    for side in Side:
        user = User.objects.create_user(f"replay-{run_number}-{side.lower()}@example.com")
        replay.account_of[side] = Account.objects.create(user=user, name=f"{replay.flow.name} {side}")
    ledger.deposit(account=replay.account_of[Side.BUY], asset=quote, amount=FUNDS)
    for number, symbol in enumerate(sorted({event.symbol for event in replay.flow.events})):
        base = create_asset(code=f"B{run_number}N{number}", scale=UNIT_SCALE, name=symbol or replay.flow.name)
        ledger.deposit(account=replay.account_of[Side.SELL], asset=base, amount=FUNDS)
        replay.market_of[symbol] = create_market(symbol=f"{base.code}/{quote.code}", tick_size=UNIT, lot_size=UNIT)


class _Sender:
    """Turn steps into orders, cancels and reductions; what lies between two reductions goes in two statements."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._placed_by: dict[str, Step] = {}
        self._quantity_of: dict[str, int] = {}
        self._orders: dict[Step, NewOrder] = {}
        self._cancels: dict[Step, Step] = {}
        self._gathered: list[Step] = []

    def send(self, steps: Sequence[Step]) -> None:
        """Ask for all these steps, in order. Expects a transaction, so that they cost one commit."""
        for step in steps:
            event = step.events[0]
            match event.kind:
                case Kind.SEED | Kind.NEW:
                    self._add_order(step, event.side, event.size, event.price, TimeInForce.GTC)
                    self._placed_by[event.order_id] = step
                    self._quantity_of[event.order_id] = event.size
                case Kind.EXECUTE if event.fifo_ok:
                    self._add_sweep(step)
                case Kind.EXECUTE | Kind.REDUCE:
                    self._reduce(step, event)
                case Kind.CANCEL:
                    self._add_cancel(step, event)
        self._flush()

    def _add_sweep(self, step: Step) -> None:
        """The incoming order of one or several executions: their sizes together, to the worst of their prices."""
        maker_side = step.events[0].side
        prices = [event.price for event in step.events]
        side, price = (Side.BUY, max(prices)) if maker_side is Side.SELL else (Side.SELL, min(prices))
        self._add_order(step, side, sum(event.size for event in step.events), price, TimeInForce.IOC)

    def _add_order(self, step: Step, side: Side | None, size: int, price: int, time_in_force: TimeInForce) -> None:
        if side is None:
            step.refused = "no side"
            return
        self._gathered.append(step)
        self._orders[step] = NewOrder(
            symbol=self._replay.market_of[step.symbol].symbol,
            side=side,
            order_type=OrderType.LIMIT,
            time_in_force=time_in_force,
            price=price * UNIT,
            quantity=size * UNIT,
        )

    def _add_cancel(self, step: Step, event: FlowEvent) -> None:
        placed_by = self._placed_by.get(event.order_id)
        if placed_by is None:
            step.refused = "unknown order"
            return
        if placed_by in self._cancels.values():
            self._flush()
        self._gathered.append(step)
        self._cancels[step] = placed_by

    def _reduce(self, step: Step, event: FlowEvent) -> None:
        """Take a part off an order; the exchange asks for what the quantity is to be."""
        self._flush()
        placed_by = self._placed_by.get(event.order_id)
        if placed_by is None or placed_by.order_id is None:
            step.refused = "unknown order"
            return
        step.order_id = placed_by.order_id
        account_id = self._account_of(placed_by)
        quantity = self._quantity_of[event.order_id] - event.size
        try:
            if quantity > 0:
                _, step.command_id = changes.amend(account_id, step.order_id, Amendment(quantity * UNIT))
                self._quantity_of[event.order_id] = quantity
            else:
                _, step.command_id = changes.cancel(account_id, step.order_id)
        except DomainError as error:
            step.refused = error.code

    def _flush(self) -> None:
        """Send what has gathered: orders, then cancels, each with its place in the journal."""
        position_of = dict(zip(self._gathered, changes.journal_positions(len(self._gathered)), strict=True))
        if self._orders:
            requests = [(self._replay.account_of[order.side].id, order) for order in self._orders.values()]
            outcomes = intake.place_many(requests, [position_of[step] for step in self._orders])
            for step, outcome in zip(self._orders, outcomes, strict=True):
                if isinstance(outcome, Placed):
                    step.command_id, step.order_id = outcome.command_id, outcome.order.id
                else:
                    step.refused = outcome.code
        self._send_cancels(position_of)
        self._orders.clear()
        self._cancels.clear()
        self._gathered.clear()

    def _send_cancels(self, position_of: "dict[Step, int]") -> None:
        found = {step: placed_by for step, placed_by in self._cancels.items() if placed_by.order_id is not None}
        for step in self._cancels:
            step.refused = "order_not_open"
        requests = [(self._account_of(placed_by), placed_by.order_id or 0) for placed_by in found.values()]
        if not requests:
            return
        asked = changes.ask_cancels(requests, [position_of[step] for step in found])
        for (step, placed_by), command_id in zip(found.items(), asked, strict=True):
            step.order_id = placed_by.order_id
            step.command_id = command_id
            step.refused = None if command_id else "order_not_open"

    def _account_of(self, placed_by: Step) -> int:
        side = placed_by.events[0].side
        assert side is not None
        return self._replay.account_of[side].id
