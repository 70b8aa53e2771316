"""Give every request a name, and tell browsers what a page may load.

The law: X-Request-Id is on every reply, errors included; the caller's own is kept if it is short and printable.
It stands first in MIDDLEWARE, so that everything after it may read `request.request_id`. No page runs a script or has a style
that is not a file of ours, but for those that libraries bring, each below its own path. What a cookie has a say in, such as a balance, a
secret or a form's token, is kept by nothing between here and its reader, nor by the browser. What the API answers is no page.
"""

import re
import secrets
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bind_contextvars, clear_contextvars

from exchange.pages import known_streams_url

_SANE = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?", re.ASCII)


_INLINE = {"script-src": ["'self'", "'unsafe-inline'"], "style-src": ["'self'", "'unsafe-inline'"]}
LOOSER = {
    # unfold's Alpine makes functions of attributes, and its charts and forms have styles of their own.
    "/admin/": {**_INLINE, "script-src": [*_INLINE["script-src"], "'unsafe-eval'"]},
    # Swagger UI begins with a script in the page, and styles what it draws.
    "/api/docs": _INLINE,
}
"""What pages of libraries need, by the beginnings of their paths."""


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


class ContentPolicyMiddleware(CSPMiddleware):
    """Send Content-Security-Policy, and who may keep it, with each page. It waits for nothing, so it needs no thread under ASGI."""

    def __call__(self, request: HttpRequest) -> Any:
        get_response: Callable[[HttpRequest], Any] = self.get_response
        if self.async_mode:
            return self._answer(request)
        return self._tell(request, get_response(request))

    async def _answer(self, request: HttpRequest) -> Any:
        get_response: Callable[[HttpRequest], Any] = self.get_response
        return self._tell(request, await get_response(request))

    def _tell(self, request: HttpRequest, response: Any) -> Any:
        if request.path_info.startswith("/api/v1/"):
            return response
        if "Cookie" in response.get("Vary", "") and "Cache-Control" not in response:
            response["Cache-Control"] = "private, no-store"
        response._csp_config = _policy_for(request)
        return self.process_response(request, response)


def _policy_for(request: HttpRequest) -> dict[str, list[str]]:
    usual = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    streams = "/".join(known_streams_url(request).split("/", 3)[:3])
    policy = {**usual, "connect-src": [*usual["connect-src"], *filter(None, [streams])]}
    for start, looser in LOOSER.items():
        if request.path_info.startswith(start):
            policy |= looser
    return policy


def _name(request: HttpRequest) -> str:
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    request_id = given if _SANE.fullmatch(given) else secrets.token_hex(16)
    request.request_id = request_id  # type: ignore[attr-defined]  # what this middleware is for
    # Threads are reused, so what the last request bound goes first.
    clear_contextvars()
    bind_contextvars(request_id=request_id)
    return request_id
