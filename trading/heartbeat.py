"""Tell that a shard's matching worker is alive, and ask it.

The law: a sign of life only; matching neither waits for it nor fails by it.
"""

import time

from accounts.outages import REDIS_ERRORS
from orders.quick_redis import patient_redis, quick_redis

ALIVE_SECONDS = 5.0
_BEAT_SECONDS = 1.0
_last_beat: dict[int, float] = {}


def beat(shard: int) -> None:
    """Write the time for others to see, once a second at most. Never raises."""
    now = time.monotonic()
    if now - _last_beat.get(shard, 0.0) < _BEAT_SECONDS:
        return
    _last_beat[shard] = now
    try:
        quick_redis().set(_key(shard), f"{time.time():.3f}", ex=60)
    except REDIS_ERRORS:
        pass


def silent_seconds() -> float | None:
    """Return how long no loop of this process has given a sign of life; None where none ever did."""
    return time.monotonic() - max(_last_beat.values()) if _last_beat else None


def is_alive(shard: int) -> bool:
    """Tell whether the shard's worker wrote in the last seconds. Raises one of REDIS_ERRORS where Redis is away."""
    written = patient_redis().get(_key(shard))
    return written is not None and time.time() - float(written) < ALIVE_SECONDS


def _key(shard: int) -> str:
    return f"matching:heartbeat:{shard}"
