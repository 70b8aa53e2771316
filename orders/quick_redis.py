"""Redis for those who lose nothing but time without it, and have none to lose on it.

The law: a Redis that hangs costs them a fifth of a second, and no second try. One client a process.
How long they leave it alone after that is theirs.
"""

from functools import cache

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

QUICK_SECONDS = 0.2
PATIENT_SECONDS = 1.0
"""For those who wait for something that comes, and ask Redis to answer by then."""


def quick_redis() -> Redis:
    """Return the client for what Redis does at once."""
    return _client(settings.REDIS_URL, QUICK_SECONDS)


def patient_redis() -> Redis:
    """Return the client for what Redis may take half a second to."""
    return _client(settings.REDIS_URL, PATIENT_SECONDS)


@cache
def _client(url: str, seconds: float) -> Redis:
    return Redis.from_url(
        url, socket_connect_timeout=QUICK_SECONDS, socket_timeout=seconds, retry=Retry(NoBackoff(), 0)
    )
