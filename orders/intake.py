"""Take orders in: judge them, hold their funds, write them and their commands.

The law: an acknowledged order is on disk with its hold and its journal command, all in one commit; a refused one left
nothing. Whatever is to change a book is asked for here, as a pending command; nothing here matches.
A repeat by client order id gets the first order again. SQL that judges and writes is orders/sql/place.sql; the hold in it
is the ledger's. Settings of markets are checked before, in orders/rules.py.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from weakref import WeakSet

import msgspec
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.errors import DomainError, FieldError, refusal
from accounts.ledger import HOLD_FUNDS
from accounts.numbers import EXACT, from_units
from orders import bell
from orders.journal import CancelPayload, PhasePayload, ReducePayload, write_payload
from orders.models import Command, Market, Order
from orders.requests import Amendment, NewOrder
from orders.rules import (
    MarketRules,
    check_order,
    check_quantity,
    current_rules,
    forget_rules,
    limit_hold,
    rules_of_market,
    rules_of_symbol,
)
from orders.terms import CommandKind, OrderStatus, OrderType, Phase, Reason, Side

BATCH_MAX = 1000
WAIT_MAX_MS = 5000
_ATTEMPTS = 5
_PLACE = (Path(__file__).parent / "sql" / "place.sql").read_text().replace("{hold_funds}", HOLD_FUNDS.strip())


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that is on disk; `repeated` if an earlier request with its client order id had placed it."""

    order: Order
    rules: MarketRules
    command_id: int | None = None
    repeated: bool = False


Outcome = Placed | DomainError


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An order that its market's settings allow, on its way to the database."""

    n: int
    position: int | None
    account_id: int
    order: NewOrder
    rules: MarketRules


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
    for _ in range(_ATTEMPTS):
        candidates = _candidates(requests, positions, todo, outcomes)
        todo = _submit(candidates, outcomes)
        if not todo:
            break
        forget_rules()
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


def _candidates(
    requests: Sequence[tuple[int, NewOrder]],
    positions: Sequence[int] | None,
    todo: Sequence[int],
    outcomes: list[Outcome | None],
) -> list[_Candidate]:
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
            candidates.append(_Candidate(n, position, account_id, order, rules))
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
            outcomes[n] = _duplicate(order)
    return same_as


def _submit(candidates: Sequence[_Candidate], outcomes: list[Outcome | None]) -> list[int]:
    """Bring candidates to the database and note their outcomes; returns the positions whose rules were stale."""
    if not candidates:
        return []
    by_n = {candidate.n: candidate for candidate in candidates}
    rows = _execute(candidates)
    if len(candidates) > 1 and any(row.available is not None for row in rows):
        rows = _execute_what_fits(candidates, outcomes)
    stale = []
    for row in rows:
        candidate = by_n[row.n]
        if row.decision == "stale_rules":
            stale.append(row.n)
        else:
            outcomes[row.n] = _outcome(row, candidate)
    for shard in {by_n[row.n].rules.shard for row in rows if row.command_id is not None}:
        bell.ring_on_commit(shard)
    return stale


def _execute_what_fits(candidates: Sequence[_Candidate], outcomes: list[Outcome | None]) -> "list[_Row]":
    """Place those candidates that the balances can carry one after another, refusing the others.

    While any balance is short nothing is placed, but the balances are locked from the first try on. What a market order
    holds may still change between two tries, with the price it is protected from; each try leaves out at least one.
    """
    with transaction.atomic():
        rows = _execute(candidates)
        while any(row.available is not None for row in rows):
            candidates = _that_fit(candidates, rows, outcomes)
            rows = _execute(candidates) if candidates else []
    return rows


def _that_fit(candidates: Sequence[_Candidate], rows: "list[_Row]", outcomes: list[Outcome | None]) -> list[_Candidate]:
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


def _hold_key(candidate: _Candidate) -> tuple[int, int]:
    rules = candidate.rules
    return candidate.account_id, rules.quote_id if candidate.order.side is Side.BUY else rules.base_id


class _Row(msgspec.Struct, frozen=True):
    """What the statement says of one order, in its columns' order."""

    n: int
    decision: str | None
    existing_id: int | None
    existing_digest: str | None
    phase: str
    reference: Decimal | None
    market_price: Decimal | None
    band_low: Decimal | None
    band_high: Decimal | None
    open_limit: int | None
    open_now: int | None
    available: Decimal | None
    order_id: int | None
    command_id: int | None
    maker_fee: Decimal | None
    taker_fee: Decimal | None
    held_amount: Decimal | None
    worst_price: Decimal | None
    created_at: Any


_prepared_on: WeakSet[Any] = WeakSet()


def _execute(candidates: Sequence[_Candidate]) -> list[_Row]:
    """Run the statement; once more where an equal client order id was committed beside it."""
    text = msgspec.json.encode([_input(candidate) for candidate in candidates]).decode()
    may_repeat = any(candidate.order.client_order_id is not None for candidate in candidates)
    for attempt in range(_ATTEMPTS):
        try:
            # Inside somebody's transaction a savepoint keeps a lost race from spoiling it; alone, the statement commits itself.
            if may_repeat and connection.in_atomic_block:
                with transaction.atomic():
                    return _run(text)
            return _run(text)
        except IntegrityError as error:
            if attempt == _ATTEMPTS - 1 or _constraint(error) != "orders_client_order_id":
                raise
    raise AssertionError("unreachable")


def _run(text: str) -> list[_Row]:
    connection.ensure_connection()
    with connection.cursor() as cursor:
        # Prepared once a connection: planning it takes longer than running it.
        if connection.connection not in _prepared_on:
            cursor.execute(f"PREPARE place_orders (jsonb) AS {_PLACE}")
            _prepared_on.add(connection.connection)
        cursor.execute("EXECUTE place_orders (%s)", [text])
        return [_Row(*row) for row in cursor.fetchall()]


def _constraint(error: DatabaseError) -> str | None:
    diagnostics = getattr(error.__cause__, "diag", None)
    return getattr(diagnostics, "constraint_name", None)


def _input(candidate: _Candidate) -> dict[str, Any]:
    """Lay a candidate out as place.sql reads it. What only the moment decides is added to the payload there."""
    order, rules = candidate.order, candidate.rules
    buys = order.side is Side.BUY
    lots = None if order.quantity is None else rules.lots(order.quantity)
    payload: dict[str, Any] = {"side": order.side, "type": order.order_type, "tif": order.time_in_force}
    if lots is not None:
        payload["quantity"] = lots
    hold = limit_hold(order, rules)
    if order.quote_quantity is not None:
        assert hold is not None
        payload["budget"] = hold // rules.tick_lot_units
    if order.post_only:
        payload["post_only"] = True
    return {
        "n": candidate.n,
        "position": candidate.position,
        "account_id": candidate.account_id,
        "market_id": rules.market_id,
        "rules_version": rules.version,
        "client_order_id": order.client_order_id,
        "request_digest": order.digest().hex() if order.client_order_id is not None else None,
        "side": order.side,
        "order_type": order.order_type,
        "time_in_force": order.time_in_force,
        "post_only": order.post_only,
        "self_trade_prevention": order.self_trade_prevention,
        "price": order.price,
        "quantity": order.quantity,
        "quote_quantity": order.quote_quantity,
        "lots": lots,
        "tick_lot_units": rules.tick_lot_units,
        "hold_asset_id": rules.quote_id if buys else rules.base_id,
        "receive_asset_id": rules.base_id if buys else rules.quote_id,
        "hold_units": hold,
        "hold_unit": from_units(1, rules.quote_scale if buys else rules.base_scale),
        "payload": payload,
    }


def _outcome(row: _Row, candidate: _Candidate) -> Outcome:
    """Turn the statement's row into an order, or into the refusal it stands for."""
    if row.available is not None:
        assert row.held_amount is not None
        return _short(candidate, row.available, row.held_amount)
    if row.decision is None:
        return Placed(_order_of(row, candidate), candidate.rules, row.command_id)
    if row.decision == "existing":
        assert row.existing_id is not None
        if row.existing_digest != candidate.order.digest().hex():
            return _duplicate(candidate.order)
        return Placed(Order.objects.get(pk=row.existing_id), candidate.rules, repeated=True)
    return _refusal(row, candidate)


def _order_of(row: _Row, candidate: _Candidate) -> Order:
    """Build the order as it was inserted, without reading it back."""
    request = candidate.order
    assert row.held_amount is not None
    assert row.maker_fee is not None
    assert row.taker_fee is not None
    return Order(
        id=row.order_id,
        account_id=candidate.account_id,
        market_id=candidate.rules.market_id,
        client_order_id=request.client_order_id,
        side=request.side,
        order_type=request.order_type,
        time_in_force=request.time_in_force,
        post_only=request.post_only,
        self_trade_prevention=request.self_trade_prevention,
        price=request.price,
        protection_price=row.worst_price if request.order_type is OrderType.MARKET else None,
        quantity=request.quantity,
        quote_quantity=request.quote_quantity,
        remaining_quantity=request.quantity,
        held_amount=row.held_amount,
        maker_fee=row.maker_fee,
        taker_fee=row.taker_fee,
        status=OrderStatus.NEW,
        created_at=row.created_at,
        updated_at=row.created_at,
    )


def _short(candidate: _Candidate, available: Decimal, needed: Decimal) -> Outcome:
    """Refuse for want of funds, unless what took them was the same request, committed while this one waited for them."""
    rules = candidate.rules
    buys = candidate.order.side is Side.BUY
    asset, scale = (rules.quote, rules.quote_scale) if buys else (rules.base, rules.base_scale)
    field = "quote_quantity" if candidate.order.quote_quantity is not None else "quantity"
    limit, value = f"{available:.{scale}f}", f"{needed:.{scale}f}"
    message = f"The order needs {value} {asset}; {limit} {asset} is available."
    error = refusal("insufficient_funds", field, message, limit=limit, value=value)
    return _earlier_or(error, candidate.account_id, candidate.order)


def _refusal(row: _Row, candidate: _Candidate) -> DomainError:
    order, rules = candidate.order, candidate.rules
    match row.decision:
        case "account_frozen":
            return DomainError("account_frozen", "The account is frozen: it places no orders.")
        case "market_halted":
            return market_halted(row.phase)
        case "price_out_of_band":
            assert row.band_low is not None
            assert row.band_high is not None
            limit = [f"{EXACT.normalize(edge):f}" for edge in (row.band_low, row.band_high)]
            message = f"price must be between {limit[0]} and {limit[1]}."
            return refusal("price_out_of_band", "price", message, limit=limit, value=f"{order.price:f}")
        case "no_reference_price":
            message = f"{rules.symbol} has no price yet to protect a market order with; place a limit order."
            return refusal("no_reference_price", "order_type", message, value=str(order.order_type))
        case "below_min_notional":
            assert rules.min_notional is not None
            assert row.market_price is not None
            assert order.quantity is not None
            limit_text = f"{EXACT.normalize(rules.min_notional):f}"
            value = f"{EXACT.normalize(EXACT.multiply(order.quantity, row.market_price)):f}"
            message = f"quantity × market price must be at least {limit_text} {rules.quote}, got {value}."
            return refusal("below_min_notional", "quantity", message, limit=limit_text, value=value)
        case "too_many_open_orders":
            message = f"The account may have {row.open_limit} open orders here and has {row.open_now}."
            return refusal("too_many_open_orders", "symbol", message, limit=row.open_limit, value=row.open_now)
    raise AssertionError(f"place.sql decided {row.decision}")


def market_halted(phase: str) -> DomainError:
    """Build the refusal of a market whose phase takes no such order."""
    message = f"The market is in phase {phase} and takes no new orders."
    return refusal("market_halted", "symbol", message, limit=[str(Phase.CONTINUOUS)], value=phase)


def _duplicate(order: NewOrder) -> DomainError:
    message = "This client_order_id belongs to another order."
    return refusal("duplicate_client_order_id", "client_order_id", message, value=order.client_order_id)


def _earlier_or(error: DomainError, account_id: int, order: NewOrder) -> Outcome:
    """Find the order that a request placed before the rules began to refuse it; else keep the refusal."""
    if order.client_order_id is None:
        return error
    earlier = Order.objects.filter(account_id=account_id, client_order_id=order.client_order_id).first()
    if earlier is None:
        return error
    if bytes(earlier.request_digest or b"") != order.digest():
        return _duplicate(order)
    return Placed(earlier, rules_of_market(earlier.market_id), repeated=True)


def test_order(account_id: int, order: NewOrder) -> Placed:
    """Do all that placing the order would, and undo it. Raises DomainError where it would be refused."""
    with transaction.atomic():
        (outcome,) = place(account_id, [order])
        transaction.set_rollback(True)
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


def own_order(account_id: int, order_id: int) -> Order:
    """Return an account's order. Raises DomainError not_found for anybody else's."""
    order = Order.objects.filter(id=order_id, account_id=account_id).first()
    if order is None:
        raise DomainError("not_found", f"There is no order {order_id}.")
    return order


def cancel(account_id: int, order_id: int) -> tuple[Order, int]:
    """Ask for the end of an order; returns it as it stands, and the command's id.

    Raises DomainError not_found, or order_not_open where it has ended.
    """
    order = _open_order(account_id, order_id)
    (command_id,) = ask_cancels([(account_id, order_id)])
    if command_id is None:
        raise _ended(own_order(account_id, order_id))
    return order, command_id


def ask_cancels(requests: Sequence[tuple[int, int]], positions: Sequence[int] | None = None) -> list[int | None]:
    """Ask for the end of several (account id, order id), all different, at once; positions as in place_many().

    Returns the commands' ids, None for an order that is not the account's or not open.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO commands (id, market_id, kind, order_id, account_id, payload)
            SELECT COALESCE(position, nextval('commands_id_seq')), market_id, 'cancel', id, account_id, %s::jsonb
            FROM (
                SELECT o.id, o.market_id, o.account_id, u.position
                FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[])
                    WITH ORDINALITY AS u (account_id, order_id, position, n)
                JOIN orders o ON o.id = u.order_id AND o.account_id = u.account_id
                WHERE o.status IN ('New', 'PartiallyFilled')
                ORDER BY u.n
            ) open
            RETURNING order_id, id, market_id
            """,
            [
                write_payload(CancelPayload()),
                [account_id for account_id, _ in requests],
                [order_id for _, order_id in requests],
                [None] * len(requests) if positions is None else list(positions),
            ],
        )
        rows = cursor.fetchall()
    _ring_markets(market_id for _, _, market_id in rows)
    command_of = {order_id: command_id for order_id, command_id, _ in rows}
    return [command_of.get(order_id) for _, order_id in requests]


def journal_positions(count: int) -> list[int]:
    """Reserve places in the journal, for what the current transaction will bring in several statements.

    The transaction takes its number first, for matching knows by that which commands may still be on their way.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH me AS MATERIALIZED (SELECT pg_current_xact_id())"
            " SELECT nextval('commands_id_seq') FROM me, generate_series(1, %s)",
            [count],
        )
        return [position for (position,) in cursor.fetchall()]


def cancel_all(account_id: int, market_id: int | None = None) -> list[int]:
    """Ask for the end of all the account's open orders, in one market or in all; returns the commands' ids."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO commands (market_id, kind, order_id, account_id, payload)
            SELECT market_id, 'cancel', id, account_id, %s::jsonb FROM orders
            WHERE account_id = %s AND status IN ('New', 'PartiallyFilled') AND (%s::bigint IS NULL OR market_id = %s)
            ORDER BY id RETURNING id, market_id
            """,
            [write_payload(CancelPayload(Reason.MASS_CANCEL)), account_id, market_id, market_id],
        )
        rows = cursor.fetchall()
    _ring_markets(market_id for _, market_id in rows)
    return [command_id for command_id, _ in rows]


def _ring_markets(market_ids: Iterable[int]) -> None:
    for shard in {rules_of_market(market_id).shard for market_id in set(market_ids)}:
        bell.ring_on_commit(shard)


def reduce(account_id: int, order_id: int, amendment: Amendment) -> tuple[Order, int]:
    """Ask for a lower quantity in place, filled part included; returns the order as it stands, and the command's id.

    Raises DomainError not_found, order_not_open, or what is wrong with the quantity.
    """
    order = _open_order(account_id, order_id)
    rules = rules_of_market(order.market_id)
    errors = check_quantity(amendment.quantity, rules)
    if errors:
        errors = check_quantity(amendment.quantity, current_rules(rules))
    if not errors and (order.quantity is None or amendment.quantity > order.quantity):
        limit = None if order.quantity is None else f"{order.quantity:.{rules.quantity_decimals}f}"
        message = "Only a lower quantity can be asked for yet: cancel the order and place another."
        errors.append(FieldError("quantity", "invalid_value", message, limit, f"{amendment.quantity:f}"))
    if errors:
        raise DomainError(errors[0].code, errors[0].message, errors)
    return order, _ask(order, CommandKind.REDUCE, ReducePayload(rules.lots(amendment.quantity)))


def _open_order(account_id: int, order_id: int) -> Order:
    order = own_order(account_id, order_id)
    if order.status not in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED):
        raise _ended(order)
    return order


def _ended(order: Order) -> DomainError:
    return refusal("order_not_open", "status", f"The order has ended: it is {order.status}.", value=order.status)


def _ask(order: Order, kind: CommandKind, payload: CancelPayload | ReducePayload) -> int:
    """Put a command about an order into the journal, pending."""
    command = Command.objects.create(
        market_id=order.market_id, kind=kind, order_id=order.id, account_id=order.account_id,
        payload=msgspec.to_builtins(payload),
    )  # fmt: skip
    bell.ring_on_commit(rules_of_market(order.market_id).shard)
    return command.id


def ask_phase(market: Market, phase: Phase, *, reason: str = "", by: str = "") -> int:
    """Ask for a change of a market's phase; returns the command's id."""
    payload = PhasePayload(phase, reason, by)
    command = Command.objects.create(market_id=market.id, kind=CommandKind.PHASE, payload=msgspec.to_builtins(payload))
    bell.ring_on_commit(market.shard)
    return command.id


def wait_until_taken(command_ids: Iterable[int], timeout_ms: int) -> bool:
    """Wait until the engine has taken all these commands, or for so long; tell which it was."""
    pending = Command.objects.filter(id__in=list(command_ids), sequence__isnull=True)
    deadline = time.monotonic() + timeout_ms / 1000
    pause = 0.002
    while pending.exists():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, 0.025)
    return True
