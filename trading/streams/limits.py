"""Say how much one socket, and one process, may ask for.

The law: each limit is a setting, and whoever passes one is told which.
"""

import time
from typing import Any

from django.conf import settings

from accounts.errors import DomainError, FieldError

BYTES_A_MESSAGE = 4 * 1024
BYTES_A_MESSAGE_BEFORE_AUTH = 512
PRIVATE_SUBSCRIPTIONS_WAITING_MAX = 10
FAILED_AUTHS_MAX = 10


class Pace:
    """How many messages a socket may send: so many a second on average, and twice as many at once. Long ones count as several."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = 2.0 * settings.WS_MESSAGES_PER_SECOND
        self._at = time.monotonic()

    def take(self, size: int, *, is_known: bool) -> bool:
        """Count a message of so many bytes, of somebody who has proved who it is or not; tells whether it may be served."""
        now, rate = time.monotonic(), settings.WS_MESSAGES_PER_SECOND
        self._left = min(2.0 * rate, self._left + (now - self._at) * rate)
        self._at = now
        cost = 1.0 + size // (BYTES_A_MESSAGE if is_known else BYTES_A_MESSAGE_BEFORE_AUTH)
        # The longest that is taken at all needs no more than a socket has that has rested a little.
        cost = min(cost, 1.5 * rate)
        if self._left < cost:
            return False
        self._left -= cost
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


def too_many_private_subscriptions() -> DomainError:
    most = PRIVATE_SUBSCRIPTIONS_WAITING_MAX
    return _beyond("rate_limited", "channels", f"{most} private subscriptions of this socket are under way.", most)


def _beyond(code: str, field: str, message: str, limit: int, value: Any = None) -> DomainError:
    return DomainError(code, message, [FieldError(field, code, message, limit, value)])
