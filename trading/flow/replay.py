"""Send recorded order flow through order intake and the matching loop, as real orders of real accounts.

The law: the journal's order is the recording's; nothing is matched but by the matching loop. Buyers and sellers are two users,
one tick and one lot are the recording's own units, and every replay has markets of its own.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import transaction
from redis.exceptions import RedisError

from accounts import ledger
from accounts.assets import create_asset
from accounts.errors import DomainError
from accounts.models import Account, Asset, User
from orders import intake
from orders.intake import Placed
from orders.markets import create_market
from orders.models import Market
from orders.requests import Amendment, NewOrder
from orders.terms import OrderType, Side, TimeInForce
from trading.flow.reader import Flow, FlowEvent, Kind
from trading.heartbeat import is_alive
from trading.matching import Shard

STEPS_PER_COMMIT = 500
FUNDS = Decimal(10) ** 17
"""Of each asset, for buyers and sellers: more than any recording needs, and within what a balance can be."""

WORKER_TIMEOUT_MS = 60_000


@dataclass(slots=True)
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
    shard = Shard(0)
    sender = _Sender(replay)
    began = time.monotonic()
    for start in range(0, len(replay.steps), STEPS_PER_COMMIT):
        chunk = replay.steps[start : start + STEPS_PER_COMMIT]
        with transaction.atomic():
            sender.send(chunk)
        if not replay.by_worker:
            shard.drain()
        progress(start + len(chunk))
    asked = [step.command_id for step in replay.steps[-2 * STEPS_PER_COMMIT :] if step.command_id is not None]
    if not intake.wait_until_taken(asked, WORKER_TIMEOUT_MS):
        raise TimeoutError("the matching worker has not taken all commands")
    replay.seconds = time.monotonic() - began
    return replay


def _worker_is_alive() -> bool:
    try:
        return is_alive(0)
    except RedisError:
        return False


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
    quote = create_asset(code=f"Q{run_number}", scale=0, name=f"price units of {replay.flow.name}")
    for side in Side:
        user = User.objects.create_user(f"replay-{run_number}-{side.lower()}@example.com")
        replay.account_of[side] = Account.objects.create(user=user, name=f"{replay.flow.name} {side}")
    ledger.deposit(account=replay.account_of[Side.BUY], asset=quote, amount=FUNDS)
    for number, symbol in enumerate(sorted({event.symbol for event in replay.flow.events})):
        base = create_asset(code=f"B{run_number}N{number}", scale=0, name=symbol or replay.flow.name)
        ledger.deposit(account=replay.account_of[Side.SELL], asset=base, amount=FUNDS)
        replay.market_of[symbol] = create_market(
            symbol=f"{base.code}/{quote.code}", tick_size=Decimal(1), lot_size=Decimal(1)
        )


class _Sender:
    """Turn steps into orders, cancels and reductions, in bulk where several of a sort follow each other."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._order_of: dict[str, tuple[int, int]] = {}
        self._quantity_of: dict[str, int] = {}
        self._orders: list[tuple[Step, int, NewOrder]] = []
        self._cancels: list[tuple[Step, int, int]] = []

    def send(self, steps: Sequence[Step]) -> None:
        """Ask for all these steps, in order. Expects a transaction, so that they cost one commit."""
        for step in steps:
            event = step.events[0]
            match event.kind:
                case Kind.SEED | Kind.NEW:
                    self._add_order(step, event, event.side, event.size, event.price, TimeInForce.GTC)
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
        self._add_order(step, None, side, sum(event.size for event in step.events), price, TimeInForce.IOC)

    def _add_order(
        self, step: Step, event: FlowEvent | None, side: Side | None, size: int, price: int, tif: TimeInForce
    ) -> None:
        if side is None:
            step.refused = "no side"
            return
        self._flush_cancels()
        order = NewOrder(
            symbol=self._replay.market_of[step.symbol].symbol,
            side=side,
            order_type=OrderType.LIMIT,
            time_in_force=tif,
            price=Decimal(price),
            quantity=Decimal(size),
        )
        account = self._replay.account_of[side]
        self._orders.append((step, account.id, order))
        if event is not None:
            self._quantity_of[event.order_id] = size

    def _add_cancel(self, step: Step, event: FlowEvent) -> None:
        self._flush_orders()
        found = self._order_of.get(event.order_id)
        if found is None:
            step.refused = "unknown order"
            return
        if any(order_id == found[1] for _, _, order_id in self._cancels):
            self._flush_cancels()
        self._cancels.append((step, *found))
        step.order_id = found[1]

    def _reduce(self, step: Step, event: FlowEvent) -> None:
        self._flush()
        found = self._order_of.get(event.order_id)
        quantity = self._quantity_of.get(event.order_id, 0) - event.size
        if found is None:
            step.refused = "unknown order"
            return
        account_id, step.order_id = found
        try:
            if quantity > 0:
                _, step.command_id = intake.reduce(account_id, step.order_id, Amendment(Decimal(quantity)))
                self._quantity_of[event.order_id] = quantity
            else:
                _, step.command_id = intake.cancel(account_id, step.order_id)
        except DomainError as error:
            step.refused = error.code

    def _flush(self) -> None:
        self._flush_orders()
        self._flush_cancels()

    def _flush_orders(self) -> None:
        if not self._orders:
            return
        outcomes = intake.place_many([(account_id, order) for _, account_id, order in self._orders])
        for (step, account_id, _), outcome in zip(self._orders, outcomes, strict=True):
            if isinstance(outcome, Placed):
                step.command_id, step.order_id = outcome.command_id, outcome.order.id
                if step.kind in (Kind.SEED, Kind.NEW):
                    self._order_of[step.events[0].order_id] = (account_id, outcome.order.id)
            else:
                step.refused = outcome.code
        self._orders.clear()

    def _flush_cancels(self) -> None:
        if not self._cancels:
            return
        asked = intake.ask_cancels([(account_id, order_id) for _, account_id, order_id in self._cancels])
        for (step, _, _), command_id in zip(self._cancels, asked, strict=True):
            step.command_id = command_id
            step.refused = None if command_id else "order_not_open"
        self._cancels.clear()
