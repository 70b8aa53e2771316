"""Give every request a name that its reply and all its log lines carry.

The law: X-Request-Id is on every reply, errors included; the caller's own is kept if it is short and printable.
It stands first in MIDDLEWARE, so that everything after it may read `request.request_id`.
"""

import re
import secrets
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bind_contextvars, clear_contextvars

_SANE = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?", re.ASCII)


class RequestIdMiddleware:
    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer the request, or under ASGI return what will."""
        if self._is_async:
            return self._answer(request)
        request_id = _name(request)
        response = self.get_response(request)
        response["X-Request-Id"] = request_id
        return response

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        request_id = _name(request)
        response = await self.get_response(request)
        response["X-Request-Id"] = request_id
        return response


def _name(request: HttpRequest) -> str:
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    request_id = given if _SANE.fullmatch(given) else secrets.token_hex(16)
    request.request_id = request_id  # type: ignore[attr-defined]  # what this middleware is for
    # Threads are reused, so what the last request bound goes first.
    clear_contextvars()
    bind_contextvars(request_id=request_id)
    return request_id
