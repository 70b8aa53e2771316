"""Cancel on disconnect: an account's orders end when a socket that asked for it is cut, or dies with its process.

The law: a lease lasts for some seconds by the database's clock, and whoever serves the socket renews it meanwhile. It is deleted
in the transaction that asks for the end of the orders, by whoever finds first that the socket is gone; so that happens once.
After a time in which nobody could look, each lease has a grace, and one only, until it is renewed again: neither does an outage of
the database cut everybody off, nor does a clock that goes badly leave the orders of the dead alone.
Who looks for leases that have run out, since their process died, is orders/clock.py. Sockets are trading/streams/'s.
"""

from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction

from orders import changes
from orders.models import DisconnectLease
from orders.terms import Reason

LEASE_SECONDS = 10


SWEEP_GAP_SECONDS = 3
"""Where nobody looked for so long, the database was away, or we were. Of an outage that is shorter, a lease has time left to be renewed in."""

_TAKE = """
    INSERT INTO disconnect_leases (id, account_id, expires_at)
    VALUES (COALESCE(%s, nextval('disconnect_leases_id_seq')), %s, clock_timestamp() + make_interval(secs => %s))
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, has_grace = TRUE
    RETURNING id
"""
_RENEW = """
    UPDATE disconnect_leases SET expires_at = clock_timestamp() + make_interval(secs => %s), has_grace = TRUE
    WHERE id = ANY(%s) RETURNING id
"""
_LOOK = """
    WITH before AS MATERIALIZED (SELECT swept_at FROM lease_sweeps WHERE id = 1)
    INSERT INTO lease_sweeps (id, swept_at) VALUES (1, now()) ON CONFLICT (id) DO UPDATE SET swept_at = excluded.swept_at
    RETURNING (SELECT swept_at FROM before) > now() - make_interval(secs => %s)
"""
# One that is locked is being renewed, or fired.
_GRANT = """
    UPDATE disconnect_leases SET expires_at = now() + make_interval(secs => %s), has_grace = FALSE
    WHERE id IN (SELECT id FROM disconnect_leases WHERE has_grace FOR UPDATE SKIP LOCKED)
"""
_RUN_OUT = """
    DELETE FROM disconnect_leases WHERE id IN (
        SELECT id FROM disconnect_leases WHERE expires_at <= now() ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED
    ) RETURNING account_id
"""


def reserve() -> int:
    """Return the id of a lease that may be taken; so whoever loses the answer to that knows which it is."""
    return int(_rows("SELECT nextval('disconnect_leases_id_seq')")[0][0])


def take(account_id: int, *, replaces: int | None = None, lease_id: int | None = None) -> int:
    """Let the account's orders end unless the lease is renewed in time; returns the lease's id.

    An id that was reserved may be taken again. Where the lease `replaces` is still there and the account's own, it has its effect
    before: what is asked for later is later in the journal than the end of its orders.
    """
    with transaction.atomic():
        if replaces is not None:
            _end(
                "DELETE FROM disconnect_leases WHERE id = %s AND account_id = %s RETURNING account_id",
                replaces,
                account_id,
            )
        return int(_rows(_TAKE, lease_id, account_id, LEASE_SECONDS)[0][0])


def renew(lease_ids: Iterable[int]) -> set[int]:
    """Let leases run from now on anew; returns those that were still there. The others' orders are being canceled."""
    return {lease_id for (lease_id,) in _rows(_RENEW, LEASE_SECONDS, list(lease_ids))}


def release(lease_id: int) -> None:
    """Let nothing happen to the orders when the socket is cut. A lease that is gone has had its effect."""
    DisconnectLease.objects.filter(id=lease_id).delete()


def fire(lease_id: int) -> bool:
    """Ask for the end of all orders of the lease's account, as its socket was cut; tells whether the lease was still there."""
    with transaction.atomic():
        return _end("DELETE FROM disconnect_leases WHERE id = %s RETURNING account_id", lease_id)


def sweep(most: int) -> list[int]:
    """Delete the leases that have run out, at most so many; returns whose orders are to end, for the same transaction to see to.

    Where nobody looked for some seconds, those who renew are first given the time to.
    """
    (in_time,) = _rows(_LOOK, SWEEP_GAP_SECONDS)[0]
    if not in_time:
        _execute(_GRANT, LEASE_SECONDS)
    return sorted({account_id for (account_id,) in _rows(_RUN_OUT, most)})


def _end(delete: str, *parameters: int) -> bool:
    """Delete a lease, and ask for the end of its account's orders; tells whether it was there."""
    found = _rows(delete, *parameters)
    for (account_id,) in found:
        changes.cancel_all(account_id, reason=Reason.DISCONNECT)
    return bool(found)


def _execute(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def _rows(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found
