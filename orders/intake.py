"""Take orders in: judge them, hold their funds, write them and their commands.

The law: an acknowledged order is on disk with its hold and its journal command, all in one commit; a refused one left
nothing; a repeat by client order id gets the first order again. Nothing here matches.
Markets' settings are checked first, in orders/rules.py; what the moment decides, in the statement of orders/statement.py.
Canceling, reducing and halting are orders/changes.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import DEFAULT_DB_ALIAS, transaction

from accounts.errors import DomainError
from orders import bell
from orders.models import Order
from orders.refusals import duplicate, refusal_of, short_of_funds
from orders.requests import NewOrder
from orders.rules import (
    MarketRules,
    check_order,
    current_rules,
    expiry_of,
    refresh_rules,
    rules_of_market,
    rules_of_symbol,
)
from orders.statement import ATTEMPTS, Candidate, Row, execute
from orders.terms import STOP_TYPES, OrderStatus, Side

BATCH_MAX = 1000
_ORDER_COLUMNS = [field.attname for field in Order._meta.concrete_fields]


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that is on disk; `repeated` if an earlier request with its client order id had placed it."""

    order: Order
    rules: MarketRules
    command_id: int | None = None
    repeated: bool = False


Outcome = Placed | DomainError


def place(account_id: int, orders: Sequence[NewOrder]) -> list[Outcome]:
    """Place an account's orders, each on its own; returns what became of each, in order.

    A single order costs one database round trip, which is its own commit. Orders of a batch take the account's funds in
    their order; one that finds too little left is refused and the next is tried.
    """
    return place_many([(account_id, order) for order in orders])


def place_many(requests: Sequence[tuple[int, NewOrder]], positions: Sequence[int] | None = None) -> list[Outcome]:
    """Place orders of several accounts, as place() does; their commands enter the journal in this order.

    Whoever brings orders and cancels together gives their positions, from journal_positions().
    """
    outcomes: list[Outcome | None] = [None] * len(requests)
    same_as = _repeats_within(requests, outcomes)
    todo = [n for n, outcome in enumerate(outcomes) if outcome is None and n not in same_as]
    for _ in range(ATTEMPTS):
        candidates = _candidates(requests, positions, todo, outcomes)
        todo = _submit(candidates, outcomes)
        if not todo:
            break
        refresh_rules()
    for n in todo:
        outcomes[n] = DomainError("unavailable", "The market's rules kept changing; try again.")
    for n, first in same_as.items():
        outcome = outcomes[first]
        outcomes[n] = (
            Placed(outcome.order, outcome.rules, outcome.command_id, repeated=True)
            if isinstance(outcome, Placed)
            else outcome
        )
    # The statement has no row for it; the others are placed all the same, and keep their places.
    nobody = DomainError("not_found", "There is no such account.")
    return [nobody if outcome is None else outcome for outcome in outcomes]


def rehearse(account_id: int, order: NewOrder) -> Placed:
    """Do all that placing the order would, and undo it. Raises DomainError where it would be refused."""
    with transaction.atomic():
        (outcome,) = place(account_id, [order])
        transaction.set_rollback(True)
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


def _candidates(
    requests: Sequence[tuple[int, NewOrder]],
    positions: Sequence[int] | None,
    todo: Sequence[int],
    outcomes: list[Outcome | None],
) -> list[Candidate]:
    """Check orders against their markets' settings; note the refusals.

    The statement tells a cached copy's age of those that pass; one that refuses is compared with the database here.
    """
    candidates = []
    current: dict[str, MarketRules] = {}
    for n in todo:
        account_id, order = requests[n]
        try:
            rules = current.get(order.symbol) or rules_of_symbol(order.symbol)
            try:
                check_order(order, rules)
            except DomainError:
                if order.symbol in current:
                    raise
                rules = current[order.symbol] = current_rules(rules)
                check_order(order, rules)
        except DomainError as error:
            outcomes[n] = _earlier_or(error, account_id, order)
        else:
            position = None if positions is None else positions[n]
            candidates.append(Candidate(n, position, account_id, order, rules, expiry_of(order, rules)))
    return candidates


def _repeats_within(requests: Sequence[tuple[int, NewOrder]], outcomes: list[Outcome | None]) -> dict[int, int]:
    """Find repeats of a client order id inside one batch: position → position of the first; refuse differing ones."""
    if len(requests) == 1:
        return {}
    first_of: dict[tuple[int, str], int] = {}
    same_as = {}
    for n, (account_id, order) in enumerate(requests):
        if order.client_order_id is None:
            continue
        first = first_of.setdefault((account_id, order.client_order_id), n)
        if first != n and requests[first][1] == order:
            same_as[n] = first
        elif first != n:
            outcomes[n] = duplicate(order)
    return same_as


def _submit(candidates: Sequence[Candidate], outcomes: list[Outcome | None]) -> list[int]:
    """Bring candidates to the database and note their outcomes; returns the positions whose rules were stale."""
    if not candidates:
        return []
    by_n = {candidate.n: candidate for candidate in candidates}
    rows = execute(candidates)
    if len(candidates) > 1 and any(row.available is not None for row in rows):
        rows = _execute_what_fits(candidates, outcomes)
    stale = []
    for row in rows:
        candidate = by_n[row.n]
        # A day that has ended meanwhile is followed by another.
        if row.decision == "stale_rules" or (row.decision == "time_is_up" and candidate.order.expires_at is None):
            stale.append(row.n)
        else:
            outcomes[row.n] = _outcome(row, candidate)
    for shard in {by_n[row.n].rules.shard for row in rows if row.command_id is not None}:
        bell.ring_on_commit(shard)
    return stale


def _execute_what_fits(candidates: Sequence[Candidate], outcomes: list[Outcome | None]) -> "list[Row]":
    """Place those candidates that the balances can carry one after another, refusing the others.

    While any balance is short nothing is placed, but the balances are locked from the first try on. What a market order
    holds may still change between two tries, with the price it is protected from; each try leaves out at least one.
    """
    with transaction.atomic():
        rows = execute(candidates)
        while any(row.available is not None for row in rows):
            candidates = _that_fit(candidates, rows, outcomes)
            rows = execute(candidates) if candidates else []
    return rows


def _that_fit(candidates: Sequence[Candidate], rows: "list[Row]", outcomes: list[Outcome | None]) -> list[Candidate]:
    """Choose the candidates that the balances can carry one after another; note the refusals of the others."""
    by_n = {candidate.n: candidate for candidate in candidates}
    left = {_hold_key(by_n[row.n]): row.available for row in rows if row.available is not None}
    chosen = []
    for row in rows:
        candidate = by_n[row.n]
        key = _hold_key(candidate)
        if row.held_amount is None or key not in left:
            chosen.append(candidate)
        elif row.held_amount <= left[key]:
            left[key] -= row.held_amount
            chosen.append(candidate)
        else:
            outcomes[row.n] = _short(candidate, left[key], row.held_amount)
    return chosen


def _hold_key(candidate: Candidate) -> tuple[int, int]:
    rules = candidate.rules
    return candidate.account_id, rules.quote_id if candidate.order.side is Side.BUY else rules.base_id


def _outcome(row: Row, candidate: Candidate) -> Outcome:
    """Turn the statement's row into an order, or into the refusal it stands for."""
    if row.available is not None:
        assert row.held_amount is not None
        return _short(candidate, row.available, row.held_amount)
    if row.decision is None:
        return Placed(_order_of(row, candidate), candidate.rules, row.command_id)
    if row.decision == "existing":
        assert row.existing_id is not None
        if row.existing_digest != candidate.order.digest().hex():
            return duplicate(candidate.order)
        return Placed(Order.objects.get(pk=row.existing_id), candidate.rules, repeated=True)
    return refusal_of(row, candidate)


def _order_of(row: Row, candidate: Candidate) -> Order:
    """Build the order as it was inserted, without reading it back.

    As Django builds one of a row that it has read, which takes less than half of what the constructor does.
    """
    request = candidate.order
    zero = Decimal(0)
    values = {
        "id": row.order_id,
        "account_id": candidate.account_id,
        "market_id": candidate.rules.market_id,
        "client_order_id": request.client_order_id,
        "side": request.side,
        "order_type": request.order_type,
        "time_in_force": request.time_in_force,
        "post_only": request.post_only,
        "self_trade_prevention": request.self_trade_prevention,
        "market_maker_protection": request.market_maker_protection,
        "price": request.price,
        "protection_price": row.worst_price if request.price is None else None,
        "stop_price": request.stop_price,
        "trailing_offset": request.trailing_offset,
        "quantity": request.quantity,
        "quote_quantity": request.quote_quantity,
        "display_quantity": request.display_quantity,
        "expires_at": candidate.expires_at,
        "filled_quantity": zero,
        "filled_quote": zero,
        "prevented_quantity": zero,
        "remaining_quantity": request.quantity,
        "held_amount": row.held_amount,
        "maker_fee": row.maker_fee,
        "taker_fee": row.taker_fee,
        "status": OrderStatus.PENDING_TRIGGER if request.order_type in STOP_TYPES else OrderStatus.NEW,
        "created_at": row.created_at,
        "updated_at": row.created_at,
    }
    return Order.from_db(DEFAULT_DB_ALIAS, _ORDER_COLUMNS, [values.get(name) for name in _ORDER_COLUMNS])


def _short(candidate: Candidate, available: Decimal, needed: Decimal) -> Outcome:
    """Refuse for want of funds, unless what took them was the same request, committed while this one waited for them."""
    return _earlier_or(short_of_funds(candidate, available, needed), candidate.account_id, candidate.order)


def _earlier_or(error: DomainError, account_id: int, order: NewOrder) -> Outcome:
    """Find the order that a request placed before the rules began to refuse it; else keep the refusal."""
    if order.client_order_id is None:
        return error
    earlier = Order.objects.filter(account_id=account_id, client_order_id=order.client_order_id).first()
    if earlier is None:
        return error
    if bytes(earlier.request_digest or b"") != order.digest():
        return duplicate(order)
    return Placed(earlier, rules_of_market(earlier.market_id), repeated=True)
