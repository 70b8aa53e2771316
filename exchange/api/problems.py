"""Turn every exception, and every reply Django makes by itself, into application/problem+json.

The law: below /api/ no error leaves in any other shape, and none says more than its caller may know.
The refusals themselves are accounts/errors.py; a bug is no refusal: it is logged and becomes internal_error.
"""

from collections.abc import Callable
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

from accounts.api.problems import problem_body, request_id_of
from accounts.errors import DomainError, RateLimited
from exchange.api.rendering import MsgspecRenderer

PROBLEM_MEDIA_TYPE = "application/problem+json"
UNAVAILABLE_RETRY_SECONDS = 1

_log = structlog.get_logger(__name__)
_renderer = MsgspecRenderer()

_CODE_OF_EXCEPTION: dict[type[Exception], str] = {
    exceptions.NotAuthenticated: "unauthenticated",
    exceptions.AuthenticationFailed: "unauthenticated",
    exceptions.PermissionDenied: "forbidden",
    PermissionDenied: "forbidden",
    exceptions.NotFound: "not_found",
    Http404: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.Throttled: "rate_limited",
    exceptions.ParseError: "malformed",
    exceptions.ValidationError: "invalid_value",
    OperationalError: "unavailable",
    InterfaceError: "unavailable",
}


def problem_response(exception: Exception, context: dict[str, Any]) -> Response | None:
    """Answer a view's exception, or return None for one that is a bug. (DRF's EXCEPTION_HANDLER.)"""
    error = _as_refusal(exception)
    if error is None:
        return None
    if error.code == "unavailable":
        _log.warning("database unavailable", error=str(exception))
    request = context["request"]
    # A view that also writes CSV writes its problems as JSON.
    request.accepted_renderer, request.accepted_media_type = _renderer, _renderer.media_type
    return Response(
        problem_body(error, request_id_of(request)),
        status=error.status,
        headers=_headers(exception, error),
        content_type=PROBLEM_MEDIA_TYPE,
    )


def _as_refusal(exception: Exception) -> DomainError | None:
    if isinstance(exception, DomainError):
        return exception
    for kind, code in _CODE_OF_EXCEPTION.items():
        if isinstance(exception, kind):
            return DomainError(code, _detail(exception, code))
    return None


def _detail(exception: Exception, code: str) -> str:
    if code == "unavailable":
        return "The service cannot be reached right now. Of what was asked, the outcome is unknown."
    if code == "not_found":
        return "There is nothing here."
    detail = getattr(exception, "detail", None)
    return str(detail) if isinstance(detail, str) else code.replace("_", " ").capitalize() + "."


def _headers(exception: Exception, error: DomainError) -> dict[str, str]:
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.code == "unavailable":
        headers["Retry-After"] = str(UNAVAILABLE_RETRY_SECONDS)
    if isinstance(exception, RateLimited):
        headers |= exception.headers
    wait = getattr(exception, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(int(wait) + 1)
    return headers


def _outside_views(code: str, detail: str, page: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Make one of Django's handler views: a problem below /api/, the usual page elsewhere."""

    def answer(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
        if not request.path.startswith("/api/"):
            return page(request) if exception is None else page(request, exception)
        body = problem_body(DomainError(code, detail), request_id_of(request))
        return HttpResponse(_renderer.render(body), status=body["status"], content_type=PROBLEM_MEDIA_TYPE)

    return answer


bad_request = _outside_views("malformed", "The request is not valid HTTP for this host.", defaults.bad_request)
not_found = _outside_views("not_found", "There is nothing here.", defaults.page_not_found)
server_error = _outside_views(
    "internal_error", "Something went wrong. Of what was asked, the outcome is unknown.", defaults.server_error
)
