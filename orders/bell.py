"""Ring for the matching worker of a shard, and wait for the ring.

The law: the bell only saves time. Whoever rings has committed already, and whoever waits looks at the database anyway a
quarter of a second later; so a Redis that is down, hangs, or was emptied, costs latency and nothing else.
"""

import time
from collections.abc import Callable
from functools import partial

import structlog
from django.db import connection, transaction

from accounts.outages import REDIS_ERRORS
from orders.quick_redis import patient_redis, quick_redis

log = structlog.get_logger(__name__)

SILENT_SECONDS_AFTER_ERROR = 1.0
WAIT_SECONDS_MAX = 0.5
"""Half of what a patient client waits: Redis ends such a wait late."""
_silent_until = 0.0
_deaf_until = 0.0
_ringers: dict[int, Callable[[], None]] = {}


def ring_on_commit(shard: int) -> None:
    """Ring once when the current transaction has committed, however often it was asked: at once where there is none."""
    ringer = _ringers.setdefault(shard, partial(ring, shard))
    if not any(waiting[1] is ringer for waiting in connection.run_on_commit):
        transaction.on_commit(ringer)


def ring(shard: int) -> None:
    """Wake the shard's matching worker. Never raises: after an error it keeps silent for a second."""
    global _silent_until  # noqa: PLW0603  one breaker a process
    if time.monotonic() < _silent_until:
        return
    try:
        with quick_redis().pipeline(transaction=False) as pipe:
            pipe.lpush(_key(shard), 1)
            pipe.ltrim(_key(shard), 0, 0)
            pipe.execute()
    except REDIS_ERRORS as error:
        _silent_until = time.monotonic() + SILENT_SECONDS_AFTER_ERROR
        log.warning("bell_not_rung", shard=shard, error=str(error))


def wait(shard: int, seconds: float) -> bool:
    """Wait for a ring, at most so long; tell whether it came. Never raises: without Redis, and for a second after, it sleeps."""
    global _deaf_until  # noqa: PLW0603  one breaker a process
    began = time.monotonic()
    if began >= _deaf_until:
        try:
            return patient_redis().blpop([_key(shard)], timeout=min(seconds, WAIT_SECONDS_MAX)) is not None
        except REDIS_ERRORS:
            _deaf_until = time.monotonic() + SILENT_SECONDS_AFTER_ERROR
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    return False


def _key(shard: int) -> str:
    return f"bell:{shard}"
