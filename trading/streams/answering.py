"""Answer what a socket asks.

The law: an answer carries the id of its request, a refusal too; what is our own fault is said to be, and logged.
"""

from typing import Any

import structlog
from django.db import Error as DatabaseDriverError

from accounts.api.problems import problem_body
from accounts.errors import DomainError
from trading.streams.outbox import Outbox, frame

log = structlog.get_logger(__name__)


class Answers:
    """Where a socket's answers go."""

    __slots__ = ("outbox",)

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox

    def answer(self, op: str, request_id: Any, **content: Any) -> None:
        named = {} if request_id is None else {"id": request_id}
        self.outbox.push(frame({"op": op, **named, **content}))

    def refuse(self, request_id: Any, error: Exception) -> None:
        """Answer with a refusal, or with what an error of ours or the database's means to the client."""
        if isinstance(error, DatabaseDriverError):
            log.warning("database unavailable", error=str(error))
            error = DomainError("unavailable", "The service cannot be reached right now.")
        elif not isinstance(error, DomainError):
            log.error("socket_failed", exc_info=error)
            error = DomainError("internal_error", "Something went wrong. The outcome is unknown.")
        problem = problem_body(error, "")
        self.answer("error", request_id, **{name: problem[name] for name in ("code", "detail", "errors")})
