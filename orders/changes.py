"""Ask for changes of what is in the journal: the end of orders, other terms, other phases; and wait until they are taken.

The law: whatever is to change a book is a pending command, put down here or by order intake; nothing else may.
Whether a change still finds its order is the engine's to see. What new terms need is held by orders/amending.py.
"""

import secrets
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from django.db import connection

from accounts.errors import DomainError, refusal
from accounts.times import to_microseconds
from orders import bell
from orders.amending import ask_amend, check_amendment, keeps_priority, new_quantity, refusal_of
from orders.journal import CancelAllPayload, CancelPayload, PhasePayload, ReducePayload, write_payload
from orders.models import Command, Market, Order
from orders.requests import Amendment
from orders.rules import current_rules, rules_of_market
from orders.selectors import no_such_order, own_order
from orders.terms import OPEN_STATUSES, CommandKind, Phase, Reason

ATTEMPTS = 5
WAIT_MAX_MS = 5000
WAIT_LOOK_SECONDS_MIN = 0.002
WAIT_LOOK_SECONDS_MAX = 0.025


def cancel(account_id: int, order_id: int) -> tuple[Order, int]:
    """Ask for the end of an order; returns it as it stands, and the command's id.

    Raises DomainError not_found, or order_not_open where it has ended.
    """
    order = _open_order(account_id, order_id)
    (command_id,) = ask_cancels([(account_id, order_id)])
    if command_id is None:
        raise _ended(own_order(account_id, order_id))
    return order, command_id


def cancel_many(
    requests: Sequence[tuple[int, int]], positions: Sequence[int] | None = None
) -> list[tuple[Order, int] | DomainError]:
    """Ask for the end of several orders (account id, order id) at once; of each, what cancel() would return or raise.

    Two statements. Who asks twice for the end of one order is told of one command.
    """
    orders = Order.objects.in_bulk({order_id for _, order_id in requests})
    answers: dict[tuple[int, int], tuple[Order, int] | DomainError] = {}
    asked: dict[tuple[int, int], int] = {}
    for n, (account_id, order_id) in enumerate(requests):
        order = orders.get(order_id)
        if order is None or order.account_id != account_id:
            answers[account_id, order_id] = no_such_order(order_id)
        elif order.status not in OPEN_STATUSES:
            answers[account_id, order_id] = _ended(order)
        else:
            asked.setdefault((account_id, order_id), n)
    if asked:
        command_ids = ask_cancels(list(asked), None if positions is None else [positions[n] for n in asked.values()])
        for (account_id, order_id), command_id in zip(asked, command_ids, strict=True):
            if command_id is None:
                answers[account_id, order_id] = _ended(own_order(account_id, order_id))
            else:
                answers[account_id, order_id] = orders[order_id], command_id
    return [answers[request] for request in requests]


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
                WHERE o.status IN ('New', 'PendingTrigger', 'PartiallyFilled')
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
    ring_markets(market_id for _, _, market_id in rows)
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


class AskedAll(NamedTuple):
    """How many orders were open when their end was asked for, and the ids of the commands that ask, one a market."""

    open: int
    command_ids: list[int]


def cancel_all(account_id: int, market_id: int | None = None, *, reason: Reason = Reason.MASS_CANCEL) -> AskedAll:
    """Ask for the end of all the account's open orders, in one market or in all, by one command a market."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH open AS MATERIALIZED (
                SELECT market_id, count(*) AS orders FROM orders
                WHERE account_id = %s AND status IN ('New', 'PendingTrigger', 'PartiallyFilled')
                  AND (%s::bigint IS NULL OR market_id = %s)
                GROUP BY market_id
            ), asked AS (
                INSERT INTO commands (market_id, kind, account_id, payload)
                SELECT market_id, 'cancel_all', %s, %s::jsonb FROM open ORDER BY market_id
                RETURNING id, market_id
            )
            SELECT asked.id, market_id, open.orders FROM asked JOIN open USING (market_id) ORDER BY asked.id
            """,
            [account_id, market_id, market_id, account_id, write_payload(CancelAllPayload(reason))],
        )
        rows = cursor.fetchall()
    ring_markets(market_id for _, market_id, _ in rows)
    return AskedAll(sum(orders for _, _, orders in rows), [command_id for command_id, _, _ in rows])


def ring_markets(market_ids: Iterable[int]) -> None:
    """Ring for those who match these markets, once the current transaction has committed."""
    for shard in {rules_of_market(market_id).shard for market_id in set(market_ids)}:
        bell.ring_on_commit(shard)


def amend(account_id: int, order_id: int, amendment: Amendment) -> tuple[Order, int]:
    """Ask for other terms of an order, its filled part included; returns it as it stands, and the command's id.

    Less quantity alone keeps the order's priority; anything else loses it, and what it may cost more is held at once.
    Raises DomainError not_found, order_not_open, what is wrong with the terms, or what the moment forbids.
    """
    order = _open_order(account_id, order_id)
    rules = rules_of_market(order.market_id)
    for _ in range(ATTEMPTS):
        if check_amendment(order, amendment, rules):
            rules = current_rules(rules)
        errors = check_amendment(order, amendment, rules)
        if errors:
            raise DomainError(errors[0].code, errors[0].message, errors)
        if keeps_priority(order, amendment):
            payload = ReducePayload(rules.lots(new_quantity(order, amendment)))
            return order, _ask(order, CommandKind.REDUCE, payload)
        row = ask_amend(order, amendment, rules)
        if row.command_id is not None:
            bell.ring_on_commit(rules.shard)
            return order, row.command_id
        if row.decision == "order_not_open":
            raise _ended(own_order(account_id, order_id))
        if row.decision != "stale_rules":
            raise refusal_of(row, order, amendment, rules)
        rules = current_rules(rules)
    raise DomainError("unavailable", "The market's rules kept changing; try again.")


def _open_order(account_id: int, order_id: int) -> Order:
    order = own_order(account_id, order_id)
    if order.status not in OPEN_STATUSES:
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


def ask_phase(market: Market, phase: Phase, *, reason: str = "", by: str = "", direct: bool = False) -> int:
    """Ask for a change of a market's phase; returns the command's id.

    Continuous trading begins with a call where the market has stood still, and a call ends only at a price within its band,
    unless it is to be `direct`.
    """
    through_call = phase is Phase.CONTINUOUS and not direct
    ends_at, random = _end_of_call(market) if phase is Phase.AUCTION else (None, 0)
    payload = PhasePayload(phase, reason, by, through_call, ends_at, random)
    command = Command.objects.create(market_id=market.id, kind=CommandKind.PHASE, payload=msgspec.to_builtins(payload))
    bell.ring_on_commit(market.shard)
    return command.id


def _end_of_call(market: Market) -> tuple[int, int]:
    """Choose when a call that begins now is to end, so that nobody can know it; returns chance's share beside it."""
    random = secrets.randbelow(market.call_random_seconds * 1_000_000 + 1)
    return to_microseconds(datetime.now(UTC)) + market.call_seconds * 1_000_000 + random, random


def wait_until_taken(command_ids: Iterable[int], timeout_ms: int) -> bool:
    """Wait until the engine has taken all these commands, or for so long; tell which it was."""
    pending = Command.objects.filter(id__in=list(command_ids), sequence__isnull=True)
    began = time.monotonic()
    while pending.exists():
        waited = time.monotonic() - began
        left = timeout_ms / 1000 - waited
        if left <= 0:
            return False
        # Looking costs the database something, and looking late costs the caller: an eighth of the wait, at most.
        time.sleep(min(max(WAIT_LOOK_SECONDS_MIN, waited / 8), WAIT_LOOK_SECONDS_MAX, left))
    return True
