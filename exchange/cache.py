"""Keep counts in Redis, and do without them while it is away.

The law: what is kept here is worth less than an answer. With no Redis, whatever is asked for is not there, and whatever is put is
taken to be kept; it is logged, and Redis is left alone for a moment, so that nobody waits for it again and again. So nothing that
must hold may depend on this cache: a code that works once is the database's affair (accounts/second_factor.py).
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from django_redis.cache import RedisCache

from accounts.outages import REDIS_ERRORS

AWAY_SECONDS = 1.0
_KEPT = True

_log = structlog.get_logger(__name__)


class ForgivingCache(RedisCache):
    """Django's cache interface, as far as allauth's rate limits use it, without the errors of the connection."""

    _away_until = 0.0

    def get(self, key: Any, default: Any = None, *arguments: Any, **options: Any) -> Any:
        return self._or(default, partial(super().get, key, default, *arguments, **options))

    def set(self, *arguments: Any, **options: Any) -> Any:
        return self._or(_KEPT, partial(super().set, *arguments, **options))

    def add(self, *arguments: Any, **options: Any) -> Any:
        return self._or(_KEPT, partial(super().add, *arguments, **options))

    def delete(self, *arguments: Any, **options: Any) -> Any:
        return self._or(_KEPT, partial(super().delete, *arguments, **options))

    def _or(self, instead: Any, call: Callable[[], Any]) -> Any:
        if time.monotonic() < ForgivingCache._away_until:
            return instead
        try:
            return call()
        except REDIS_ERRORS as error:
            # One for all threads, each of which has a cache of its own.
            ForgivingCache._away_until = time.monotonic() + AWAY_SECONDS
            _log.warning("Redis is away: nobody's sign-ins are limited", error=str(error))
            return instead
