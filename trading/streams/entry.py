"""Take orders over sockets, and cancel those of a socket that is cut.

The law: what sockets ask for goes through one desk a process, and is answered without the loop waiting for it; a socket's requests
enter the journal in the order in which it sent them. A lease is renewed as long as its socket lives, so that it runs out with this
process too; one of which the answer was lost is the socket's until it is known to be gone.
Renewing is renewal.py's.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import structlog
from django.db import Error as DatabaseDriverError

from orders import leases
from orders.desk import Desk
from trading.streams.asking import ask
from trading.streams.renewal import Held, Renewer

log = structlog.get_logger(__name__)


class OrderEntry:
    """The desk of this process, and the leases of its sockets."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.desk.start()
        self._loop = asyncio.get_running_loop()
        self._renewer = Renewer(self._lost)
        self._renewer.start()

    async def stop(self) -> None:
        await self._loop.run_in_executor(None, self._renewer.stop)
        await self._loop.run_in_executor(None, self.desk.stop)

    def when_done(self, future: "Future[Any]", answer: Callable[["Future[Any]"], None]) -> None:
        """Call back in the loop when the desk has answered."""

        def hand_over(done: "Future[Any]") -> None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(answer, done)

        future.add_done_callback(hand_over)

    async def reserve_lease(self) -> int:
        return await ask(leases.reserve)

    async def take_lease(
        self, lease_id: int, account_id: int, lost: Callable[[], None], *, replaces: int | None = None
    ) -> None:
        """Let the account's orders end with the socket; calls `lost` should they have ended before, for want of renewal.

        The lease is a reserved one. Where this fails, it may be there or not: take it again, release it, or fire it.
        """
        before = self._renewer.get(lease_id)
        if before is not None and before.is_known and replaces is None:
            return
        self._renewer.hold(lease_id, Held(lost, is_known=False))
        await ask(leases.take, account_id, replaces=replaces, lease_id=lease_id)
        self._renewer.hold(lease_id, Held(lost, is_known=True))

    async def release_lease(self, lease_id: int) -> None:
        """Let nothing happen when the socket is cut. Where this fails, the lease may still be there, and is renewed."""
        held = self._renewer.get(lease_id)
        if held is not None:
            self._renewer.hold(lease_id, held._replace(is_known=False))
        await ask(leases.release, lease_id)
        self._renewer.drop(lease_id)

    async def fire_lease(self, lease_id: int) -> None:
        """Cancel the orders of a socket that has gone; where the database is away, the lease runs out."""
        self.let_run_out(lease_id)
        try:
            await ask(leases.fire, lease_id)
        except DatabaseDriverError as error:
            log.warning("lease_not_fired", lease=lease_id, error=str(error))

    def let_run_out(self, lease_id: int) -> None:
        self._renewer.drop(lease_id)

    def _lost(self, lease_id: int, held: Held) -> None:
        """Tell a socket that its lease is gone, from the loop, where it has not been taken anew or given back meanwhile."""

        def tell() -> None:
            if self._renewer.drop(lease_id, held):
                held.lost()

        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(tell)
