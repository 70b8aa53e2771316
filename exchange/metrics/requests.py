"""Count requests, by what was asked and how it was answered, and time them.

The law: a label has few values, whatever callers send. So a route is the pattern that a path matched, and not the path.
"""

import time
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter, Gauge, Histogram

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

answered = Counter("http_requests_total", "Requests that were answered.", ["method", "route", "status"])
duration = Histogram(
    "http_request_duration_seconds",
    "From a request's arrival in Django to its answer, in seconds.",
    ["method", "route"],
    buckets=BUCKETS,
)
in_progress = Gauge("http_requests_in_progress", "Requests that are being answered.", multiprocess_mode="livesum")


class RequestMetricsMiddleware:
    """Counts every request once it is answered, errors included."""

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
        began = time.perf_counter()
        with in_progress.track_inprogress():
            response = self.get_response(request)
        _count(request, response, time.perf_counter() - began)
        return response

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        with in_progress.track_inprogress():
            response: HttpResponse = await self.get_response(request)
        _count(request, response, time.perf_counter() - began)
        return response


def _count(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    method = request.method if request.method in METHODS else "other"
    route = route_of(request)
    answered.labels(method, route, str(response.status_code)).inc()
    duration.labels(method, route).observe(seconds)


def route_of(request: HttpRequest) -> str:
    """Name what a request's path has matched: a pattern of ours, the static files, or nothing."""
    if request.resolver_match is not None:
        return f"/{request.resolver_match.route}"
    return "/static/" if request.path_info.startswith(settings.STATIC_URL) else "unmatched"
