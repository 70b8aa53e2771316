"""Cancel on disconnect: an account's orders end when a socket that asked for it is cut, or dies with its process.

The law: a lease lasts for some seconds by the database's clock, and whoever serves the socket renews it meanwhile. It is deleted
in the transaction that asks for the end of the orders, by whoever finds first that the socket is gone; so that happens once.
Leases that have run out, since their process died, are found by orders/clock.py. Sockets are trading/streams/'s.
"""

from collections.abc import Iterable

from django.db import connection, transaction

from orders import changes
from orders.models import DisconnectLease
from orders.terms import Reason

LEASE_SECONDS = 10


def take(account_id: int) -> int:
    """Let the account's orders end unless the lease is renewed in time; returns the lease's id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO disconnect_leases (account_id, expires_at)"
            " VALUES (%s, clock_timestamp() + make_interval(secs => %s)) RETURNING id",
            [account_id, LEASE_SECONDS],
        )
        lease_id: int = cursor.fetchone()[0]
    return lease_id


def renew(lease_ids: Iterable[int]) -> set[int]:
    """Let leases run from now on anew; returns those that were still there. The others' orders are being canceled."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE disconnect_leases SET expires_at = clock_timestamp() + make_interval(secs => %s)"
            " WHERE id = ANY(%s) RETURNING id",
            [LEASE_SECONDS, list(lease_ids)],
        )
        return {lease_id for (lease_id,) in cursor.fetchall()}


def release(lease_id: int) -> None:
    """Let nothing happen to the orders when the socket is cut. A lease that is gone has had its effect."""
    DisconnectLease.objects.filter(id=lease_id).delete()


def fire(lease_id: int) -> bool:
    """Ask for the end of all orders of the lease's account, as its socket was cut; tells whether the lease was still there."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM disconnect_leases WHERE id = %s RETURNING account_id", [lease_id])
        found = cursor.fetchone()
        if found is not None:
            changes.cancel_all(found[0], reason=Reason.DISCONNECT)
    return found is not None
