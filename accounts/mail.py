"""Send e-mail without making anybody wait for it.

The law: a message goes to a worker after the commit that it tells of; a mail server or a Redis that is away may cost the message,
never the request. What a message says is kept out of logs and of Flower, for it may have a link that opens an account.
What is said is others': accounts/identity.py (allauth's mails) and accounts/notices.py.
"""

import time
from functools import partial
from typing import Any

import structlog
from celery import Task, current_app
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from kombu.exceptions import OperationalError

from accounts.outages import REDIS_ERRORS

NAME = "Exchange"
"""Whom mails are from."""

_PROMPT = {"socket_timeout": 2}
_AWAY_SECONDS = 1.0
_away_until = 0.0

_log = structlog.get_logger(__name__)


class Discreet(Task):
    """A task of which nobody is shown what it is called with; when it is tried again, neither."""

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        return super().apply_async(args, kwargs, **{"kwargsrepr": "(not shown)", **options})


def after_commit(task: Task, **arguments: Any) -> None:
    """Have a worker run a task once the present transaction is committed; at once where there is none."""
    transaction.on_commit(partial(_hand_over, task, arguments))


def pages_url(request: HttpRequest, path: str) -> str:
    """Tell where a link in a mail leads to: PUBLIC_URL, or else the host that was asked, and of it the pages' port."""
    if settings.PUBLIC_URL:
        return str(settings.PUBLIC_URL).rstrip("/") + path
    host = request.get_host()
    name, _, port = host.rpartition(":")
    if port == str(settings.API_PORT):
        host = f"{name}:{settings.FRONTEND_PORT}"
    return f"{'https' if settings.SECURE else request.scheme}://{host}{path}"


def _hand_over(task: Task, arguments: dict[str, Any]) -> None:
    global _away_until  # noqa: PLW0603  one a process
    if time.monotonic() < _away_until:
        _log.error("mail not sent: no worker can be told", task=task.name, error="a moment ago, none could")
        return
    try:
        with current_app.connection_for_write(connect_timeout=1, transport_options=_PROMPT) as broker:
            # Left to itself it would try for six seconds, and for ever one that takes connections and says nothing; and somebody waits.
            broker.ensure_connection(max_retries=1, interval_start=0)
            task.apply_async(kwargs=arguments, connection=broker, retry=False)
    except (OperationalError, *REDIS_ERRORS) as error:
        # An operator who decides about a hundred withdrawals waits once, and not a hundred times.
        _away_until = time.monotonic() + _AWAY_SECONDS
        _log.error("mail not sent: no worker can be told", task=task.name, error=str(error))
