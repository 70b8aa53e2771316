"""Kill switches: block a user, a market or the venue, end all orders there, and say how many that were and how long it took.

The law: entry is blocked first, then all orders are canceled by the journal, then it is made sure that none has come in
meanwhile: a transaction that was in flight when entry was blocked may have judged its order by what held before. A switch
returns once no order is left, or raises and says how far it has come; to throw it again does no harm.
Entry opens again by lift_user(), and for markets by a change of phase.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import structlog
from django.db import connection, transaction
from django.db.models import QuerySet

from accounts.errors import DomainError
from accounts.models import Account, AccountKind, AccountStatus, User
from orders.changes import ask_phase, ring_markets, wait_until_taken
from orders.journal import CancelAllPayload
from orders.models import OPEN, Command, Market, Order
from orders.terms import CommandKind, Phase, Reason

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS = 10.0
READS_ONLY_AFTER_SECONDS = 1.0
"""A transaction in flight for so long that has no lock to write orders is not bringing any; a backup is such."""
_LOOK_SECONDS = 0.005

# The venue's processes share one role of the database, so each may see when the others' transactions began.
_IN_FLIGHT = """
    SELECT a.pid, a.xact_start, EXISTS (
        SELECT FROM pg_locks l
        WHERE l.pid = a.pid AND l.relation = 'orders'::regclass AND l.mode = 'RowExclusiveLock'
    )
    FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.xact_start IS NOT NULL AND a.pid <> pg_backend_pid()
      AND a.backend_type = 'client backend'
"""
_COUNT_CANCELED = """
    SELECT count(*) FROM commands c CROSS JOIN LATERAL jsonb_array_elements(c.events) AS event
    WHERE c.id = ANY(%s) AND event ->> 0 = 'end' AND event ->> 2 = %s
"""


class Killed(NamedTuple):
    """What a kill switch has done: how many orders it ended, and the seconds until the last was gone."""

    canceled: int
    seconds: float


def kill_user(user: User, *, by: str, reason: str, timeout: float = TIMEOUT_SECONDS) -> Killed:
    """Freeze a user's trading accounts and end all their orders. Raises DomainError unavailable where that takes too long."""
    kill = _Kill(f"{user} is frozen", CancelAllPayload(Reason.KILL_SWITCH, owner=user.id, by=by), timeout)
    log.warning("kill_switch", user=user.id, by=by, reason=reason)
    _traders_accounts(user).update(status=AccountStatus.FROZEN)
    orders = Order.objects.filter(OPEN, account__user=user)
    kill.cancel(_markets_of(orders))
    return kill.finish(orders)


def lift_user(user: User, *, by: str) -> None:
    """Let a user trade again."""
    log.warning("kill_switch_lifted", user=user.id, by=by)
    _traders_accounts(user).update(status=AccountStatus.ACTIVE)


def kill_market(market: Market, *, by: str, reason: str, timeout: float = TIMEOUT_SECONDS) -> Killed:
    """Let a market only cancel, and end all orders in it. Raises DomainError unavailable where that takes too long."""
    return kill_markets([market], by=by, reason=reason, timeout=timeout)


def kill_venue(*, by: str, reason: str, timeout: float = TIMEOUT_SECONDS) -> Killed:
    """Do so with all markets."""
    return kill_markets(list(Market.objects.order_by("id")), by=by, reason=reason, timeout=timeout)


def kill_markets(markets: Sequence[Market], *, by: str, reason: str, timeout: float = TIMEOUT_SECONDS) -> Killed:
    """Do so with several markets at once."""
    symbols = ", ".join(market.symbol for market in markets)
    kill = _Kill(f"{symbols} is to be CancelOnly", CancelAllPayload(Reason.KILL_SWITCH, by=by), timeout)
    log.warning("kill_switch", markets=symbols, by=by, reason=reason)
    market_ids = [market.id for market in markets]
    with transaction.atomic(durable=True):
        kill.wait_for_too([ask_phase(market, Phase.CANCEL_ONLY, reason=reason, by=by) for market in markets])
        kill.cancel(market_ids)
    return kill.finish(Order.objects.filter(OPEN, market_id__in=market_ids))


class _Kill:
    """A kill switch at work: the commands that it has put into the journal, and the time it has left."""

    def __init__(self, blocked: str, payload: CancelAllPayload, timeout: float) -> None:
        self._blocked = blocked
        self._payload = msgspec.to_builtins(payload)
        self._timeout = timeout
        self._began = time.monotonic()
        self._command_ids: list[int] = []

    def wait_for_too(self, command_ids: Iterable[int]) -> None:
        self._command_ids += command_ids

    def cancel(self, market_ids: Iterable[int]) -> None:
        """Ask for the end of the orders in these markets."""
        market_ids = list(market_ids)
        commands = Command.objects.bulk_create(
            Command(market_id=market_id, kind=CommandKind.CANCEL_ALL, payload=self._payload) for market_id in market_ids
        )
        ring_markets(market_ids)
        self.wait_for_too(command.id for command in commands)

    def finish(self, orders: QuerySet[Order]) -> Killed:
        """Wait until none of these orders is open, and none can come. Expects that entry is blocked, and this committed."""
        in_flight = {(pid, began) for pid, began, _ in _rows(_IN_FLIGHT)}
        self._wait_for_matching()
        self._wait_for(in_flight)
        if late := _markets_of(orders):
            self.cancel(late)
            self._wait_for_matching()
        ((canceled,),) = _rows(_COUNT_CANCELED, self._command_ids, str(Reason.KILL_SWITCH))
        killed = Killed(canceled, time.monotonic() - self._began)
        log.warning("kill_switch_done", what=self._blocked, canceled=canceled, seconds=round(killed.seconds, 3))
        return killed

    def _left(self) -> float:
        return max(0.0, self._began + self._timeout - time.monotonic())

    def _wait_for_matching(self) -> None:
        if not wait_until_taken(self._command_ids, int(self._left() * 1000)):
            pending = Command.objects.filter(id__in=self._command_ids, sequence__isnull=True)
            ids = ", ".join(str(command_id) for command_id in pending.values_list("id", flat=True).order_by("id")[:10])
            raise self._stuck(
                f"the commands that end the orders are in the journal, but matching has not taken {ids or 'the last'} "
                f"within {self._timeout:g} s. They take effect once it runs"
            )

    def _wait_for(self, in_flight: set[tuple[Any, ...]]) -> None:
        """Wait until all these transactions have ended that may bring orders."""
        began = time.monotonic()
        while True:
            writing = [writes for pid, start, writes in _rows(_IN_FLIGHT) if (pid, start) in in_flight]
            waited = time.monotonic() - began
            if not writing or (waited >= READS_ONLY_AFTER_SECONDS and not any(writing)):
                return
            if not self._left():
                raise self._stuck(
                    "all orders there were are canceled; but a transaction that was in flight before has not ended within "
                    f"{self._timeout:g} s, and may yet bring one. Throw the switch again"
                )
            time.sleep(_LOOK_SECONDS)

    def _stuck(self, how: str) -> DomainError:
        log.error("kill_switch_stuck", what=self._blocked, how=how)
        return DomainError("unavailable", f"{self._blocked}, and {how}.")


def _traders_accounts(user: User) -> QuerySet[Account]:
    return Account.objects.filter(user=user, kind=AccountKind.TRADER)


def _markets_of(orders: QuerySet[Order]) -> list[int]:
    return sorted(set(orders.values_list("market_id", flat=True).distinct()))


def _rows(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found
