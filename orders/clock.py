"""Find what is due by now, and put it into the journal: expiries, dead men's switches, ends of calls, opening hours, sockets
that are gone.

The law: the time is the database's. Each part is one transaction under a lock of its own, so that two runs at once do each
thing once; what is pending in the journal already is not asked for again; a part that fails keeps no other back. After a
time in which nothing ran, what has become due meanwhile is done once.

That an order does not trade after its time is the matching loop's, which looks before each command; here is who sees to it
where nothing else goes on.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import structlog
from django.db import connection, transaction

from orders import changes, leases
from orders.journal import ExpirePayload
from orders.models import Command, Market
from orders.terms import CommandKind, Phase, Reason

log = structlog.get_logger(__name__)

CLOCK = "clock"
SCHEDULE = "schedule"
DEAD_MEN_A_RUN = 500
LEASES_A_RUN = 500
LOCKS = 0x0C10C
"""The first number of the parts' advisory locks."""

_EXPIRED = """
    SELECT DISTINCT market_id, (extract(epoch FROM now()) * 1000000)::bigint FROM orders o
    WHERE expires_at <= now() AND status IN ('New', 'PendingTrigger', 'PartiallyFilled')
      -- One without priority is not in the engine: it has yet to be taken, or is left to an operator.
      AND priority_sequence IS NOT NULL
      AND NOT EXISTS (
          SELECT FROM commands c WHERE c.market_id = o.market_id AND c.sequence IS NULL AND c.kind = 'expire'
      )
    ORDER BY market_id
"""
_DEAD_MEN = """
    DELETE FROM dead_man_switches WHERE account_id IN (
        SELECT account_id FROM dead_man_switches WHERE expires_at <= now()
        ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED
    ) RETURNING account_id
"""
_ENDED_CALLS = """
    SELECT market_id FROM market_states s
    WHERE phase = 'Auction' AND call_ends_at <= now()
      AND NOT EXISTS (
          SELECT FROM commands c WHERE c.market_id = s.market_id AND c.sequence IS NULL AND c.kind = 'phase'
      )
    ORDER BY market_id
"""
# The last boundary of each market with hours, where it has not been seen to. Seen to is one since which the schedule, or an
# operator, has asked for a phase; what the venue asks for by itself says nothing of the hours.
_BOUNDARIES = """
    SELECT m.id, last.phase
    FROM markets m JOIN market_states s ON s.market_id = m.id
    CROSS JOIN LATERAL (
        SELECT phase, today - CASE WHEN today > now() THEN interval '1 day' ELSE interval '0' END AS at
        FROM (VALUES ('Continuous', date_trunc('day', now(), 'UTC') + m.opens_at::interval),
                     ('Closed', date_trunc('day', now(), 'UTC') + m.closes_at::interval)) AS boundaries (phase, today)
        ORDER BY at DESC LIMIT 1
    ) last
    WHERE m.opens_at IS NOT NULL
      AND CASE last.phase WHEN 'Continuous' THEN s.phase IN ('Closed', 'PreOpen')
                          ELSE s.phase NOT IN ('Closed', 'CancelOnly', 'Halted') END
      AND NOT EXISTS (
          SELECT FROM commands c WHERE c.market_id = m.id AND c.kind = 'phase'
            AND (c.sequence IS NULL OR (c.accepted_at >= last.at AND c.payload ->> 'by' NOT IN ('clock', 'matching')))
      )
    ORDER BY m.id
"""


def do_what_is_due() -> dict[str, int]:
    """Do all that is due by now; returns how much of each there was. What fails is logged, and due again the next time."""
    done = {}
    for lock, part in enumerate(PARTS):
        try:
            with transaction.atomic():
                done[part.__name__] = part() if _is_alone(lock) else 0
        except Exception:
            log.exception("clock_part_failed", part=part.__name__)
    if any(done.values()):
        log.info("clock", **{name: count for name, count in done.items() if count})
    return done


def _is_alone(lock: int) -> bool:
    """Take a part's lock until the transaction ends; tells whether it was free."""
    return bool(_rows("SELECT pg_try_advisory_xact_lock(%s, %s)", LOCKS, lock)[0][0])


def expire_orders() -> int:
    """End the orders whose time is up; returns in how many markets."""
    due = _rows(_EXPIRED)
    for market_id, at in due:
        payload = msgspec.to_builtins(ExpirePayload(at))
        Command.objects.create(market_id=market_id, kind=CommandKind.EXPIRE, payload=payload)
    changes.ring_markets(market_id for market_id, _ in due)
    return len(due)


def fire_dead_men() -> int:
    """Cancel the orders of those who were not heard of in time; returns of how many accounts."""
    due = _rows(_DEAD_MEN, DEAD_MEN_A_RUN)
    for (account_id,) in due:
        asked = changes.cancel_all(account_id, reason=Reason.DEAD_MAN)
        log.warning("dead_man_switch_fired", account=account_id, orders=asked.open)
    return len(due)


def end_calls() -> int:
    """End the calls whose time is up, where their price allows it; returns how many."""
    due = _markets(market_id for (market_id,) in _rows(_ENDED_CALLS))
    for market in due.values():
        changes.ask_phase(market, Phase.CONTINUOUS, by=CLOCK)
    return len(due)


def keep_hours() -> int:
    """Open and close markets as they are scheduled; returns how many.

    What has been halted, or may only be canceled in, stays so until somebody lifts it.
    """
    phases = dict(_rows(_BOUNDARIES))
    due = _markets(phases)
    for market_id, market in due.items():
        changes.ask_phase(market, Phase(phases[market_id]), by=SCHEDULE)
        log.info("market_hours", market=market.symbol, phase=phases[market_id])
    return len(due)


def fire_leases() -> int:
    """Cancel the orders of those whose sockets died with their process; returns of how many accounts."""
    due = leases.sweep(LEASES_A_RUN)
    for account_id in due:
        asked = changes.cancel_all(account_id, reason=Reason.DISCONNECT)
        log.warning("disconnect_lease_ran_out", account=account_id, orders=asked.open)
    return len(due)


def _rows(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def _markets(ids: Iterable[int]) -> dict[int, Market]:
    return {market.id: market for market in Market.objects.filter(id__in=list(ids)).order_by("id")}


PARTS: tuple[Callable[[], int], ...] = (expire_orders, fire_dead_men, end_calls, keep_hours, fire_leases)
