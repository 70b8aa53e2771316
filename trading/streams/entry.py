"""Take orders over sockets, and cancel those of a socket that is cut.

The law: what sockets ask for goes through one desk a process, and is answered without the loop waiting for it; a socket's requests
enter the journal in the order in which it sent them. A lease is renewed as long as its socket lives, so that it runs out with this
process too.
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

log = structlog.get_logger(__name__)

RENEW_SECONDS = leases.LEASE_SECONDS / 4


class OrderEntry:
    """The desk of this process, and the leases of its sockets."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.desk.start()
        self._loop = asyncio.get_running_loop()
        self._leases: dict[int, Callable[[], None]] = {}
        self._renewing = asyncio.ensure_future(self._renew())

    async def stop(self) -> None:
        self._renewing.cancel()
        with suppress(asyncio.CancelledError):
            await self._renewing
        await self._loop.run_in_executor(None, self.desk.stop)

    def when_done(self, future: "Future[Any]", answer: Callable[["Future[Any]"], None]) -> None:
        """Call back in the loop when the desk has answered."""

        def hand_over(done: "Future[Any]") -> None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(answer, done)

        future.add_done_callback(hand_over)

    async def take_lease(self, account_id: int, lost: Callable[[], None]) -> int:
        """Let the account's orders end with the socket; calls `lost` should they have ended before, for want of renewal."""
        lease_id = await ask(leases.take, account_id)
        self._leases[lease_id] = lost
        return lease_id

    async def release_lease(self, lease_id: int) -> None:
        self._leases.pop(lease_id, None)
        await ask(leases.release, lease_id)

    async def fire_lease(self, lease_id: int) -> None:
        """Cancel the orders of a socket that has gone; where the database is away, the lease runs out."""
        self._leases.pop(lease_id, None)
        try:
            await ask(leases.fire, lease_id)
        except DatabaseDriverError as error:
            log.warning("lease_not_fired", lease=lease_id, error=str(error))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            ours = [*self._leases]
            if not ours:
                continue
            try:
                kept = await ask(leases.renew, ours)
            except DatabaseDriverError as error:
                log.warning("leases_not_renewed", error=str(error))
                continue
            for lease_id in ours:
                if lease_id not in kept and (lost := self._leases.pop(lease_id, None)) is not None:
                    lost()
