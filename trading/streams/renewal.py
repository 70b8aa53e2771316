"""Renew the leases of this process's sockets, in a thread of their own.

The law: a lease runs out when its process dies, and not because it has much to do: neither the event loop nor what waits for the
database there holds a renewal up. Nothing ends the thread but stop(). A lease that is not known to be there, since an answer was
lost, is renewed as well, so that it cannot run out unseen; that it is missing then means nothing.
What a lease is, and what becomes of one that is not renewed, is orders/leases.py's.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple

import structlog
from django.db import Error as DatabaseDriverError
from django.db import connection

from accounts.connections import drop_closed
from orders import leases

log = structlog.get_logger(__name__)

RENEW_SECONDS = leases.LEASE_SECONDS / 4
RETRY_SECONDS = 0.5
STOP_SECONDS = 5.0
"""A database that does not answer keeps no process from its end."""


class Held(NamedTuple):
    """A lease that is renewed: whom to tell that it is gone, and whether it is known to have been there."""

    lost: Callable[[], None]
    is_known: bool


class Renewer(threading.Thread):
    """Renews leases until it is told to stop. Those that are gone are told to `tell`, from this thread, until they are dropped."""

    def __init__(self, tell: Callable[[int, Held], None]) -> None:
        super().__init__(name="lease-renewer", daemon=True)
        self._tell = tell
        self._lock = threading.Lock()
        self._held: dict[int, Held] = {}
        self._stopping = threading.Event()

    def hold(self, lease_id: int, held: Held) -> None:
        """Renew a lease from now on."""
        with self._lock:
            self._held[lease_id] = held

    def get(self, lease_id: int) -> Held | None:
        with self._lock:
            return self._held.get(lease_id)

    def drop(self, lease_id: int, held: Held | None = None) -> bool:
        """Renew a lease no more; tells whether it was held, and as it is said here where that is said."""
        with self._lock:
            if lease_id not in self._held or (held is not None and self._held[lease_id] is not held):
                return False
            del self._held[lease_id]
            return True

    def stop(self) -> None:
        self._stopping.set()
        self.join(STOP_SECONDS)

    def run(self) -> None:
        pause = RENEW_SECONDS
        try:
            while not self._stopping.wait(pause):
                pause = RENEW_SECONDS if self._renewed() else RETRY_SECONDS
        finally:
            connection.close()

    def _renewed(self) -> bool:
        try:
            self._renew()
        except DatabaseDriverError as error:
            log.warning("leases_not_renewed", error=str(error))
        except Exception:
            log.exception("renewal_failed")
        else:
            return True
        try:
            connection.close()
        except Exception:
            log.exception("renewal_failed")
        return False

    def _renew(self) -> None:
        with self._lock:
            held = dict(self._held)
        if not held:
            return
        drop_closed()
        kept = leases.renew(held)
        for lease_id, one in held.items():
            if lease_id not in kept and one.is_known:
                self._tell(lease_id, one)
