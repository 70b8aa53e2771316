"""Say how much one socket, and one process, may ask for.

The law: each limit is a setting, and whoever passes one is told which.
"""

import time
from typing import Any

from django.conf import settings

from accounts.errors import DomainError, FieldError


class Pace:
    """How many messages a socket may send: so many a second on average, and twice as many at once."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = 2.0 * settings.WS_MESSAGES_PER_SECOND
        self._at = time.monotonic()

    def take(self) -> bool:
        """Count a message; tells whether it may be served."""
        now, rate = time.monotonic(), settings.WS_MESSAGES_PER_SECOND
        self._left = min(2.0 * rate, self._left + (now - self._at) * rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


def too_fast() -> DomainError:
    rate = settings.WS_MESSAGES_PER_SECOND
    return _beyond("rate_limited", "messages", f"A socket may send {rate} messages a second.", rate)


def too_many_channels(count: int) -> DomainError:
    most = settings.WS_SUBSCRIPTIONS_MAX
    return _beyond("invalid_value", "channels", f"A socket may have {most} subscriptions.", most, count)


def too_many_waiting() -> DomainError:
    most = settings.WS_REQUESTS_WAITING_MAX
    return _beyond("rate_limited", "messages", f"A socket may have {most} orders and cancels unanswered.", most)


def _beyond(code: str, field: str, message: str, limit: int, value: Any = None) -> DomainError:
    return DomainError(code, message, [FieldError(field, code, message, limit, value)])
