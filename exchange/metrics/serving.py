"""Show a process's metrics: as a page of the web servers, or by a server of its own for those that serve nothing else.

The law: whoever comes through a proxy gets none, since these are for those who run the venue. Of a web server's worker
processes any one tells of all: what has ended stays counted, and only what lives is going on.
"""

import os
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import prometheus_client
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, multiprocess

from exchange.metrics.connections import Connections
from exchange.metrics.processes import Processes, living_children
from exchange.serve import COUNTS

_OF_A_PROCESS = re.compile(r"_(\d+)\.db")


def show_metrics(request: HttpRequest) -> HttpResponse:
    """Answer a scrape of a web server."""
    if "HTTP_X_FORWARDED_FOR" in request.META or "HTTP_FORWARDED" in request.META:
        raise Http404
    page = prometheus_client.generate_latest(_registry())
    return HttpResponse(page, content_type=prometheus_client.CONTENT_TYPE_LATEST)


def _registry() -> CollectorRegistry:
    """Gather what all worker processes have counted; where there is only this one, what it has."""
    port = settings.FRONTEND_PORT if settings.IS_FRONTEND else settings.API_PORT
    if COUNTS not in os.environ:
        return prometheus_client.REGISTRY
    counted = {
        int(found[1]) for file in Path(os.environ[COUNTS]).iterdir() if (found := _OF_A_PROCESS.search(file.name))
    }
    living = living_children(os.getppid(), counted)
    for pid in counted - living:
        multiprocess.mark_process_dead(pid)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    registry.register(Processes({os.getppid(), *living}))
    registry.register(Connections(port))
    return registry


Check = Callable[[], bool]


def serve_metrics(port: int, host: str, *, is_live: Check, is_ready: Check) -> None:
    """Serve /metrics, /health/live and /health/ready from a thread of this process; raises OSError where the port is taken."""
    show = prometheus_client.make_wsgi_app()
    checks = {"/health/live": is_live, "/health/ready": is_ready}

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return show(environ, start_response)
        if path not in checks:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"Not found. There are /metrics, /health/live and /health/ready.\n"]
        is_well = checks[path]()
        start_response("200 OK" if is_well else "503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"ok\n" if is_well else b"unavailable\n"]

    server = make_server(host, port, answer, _Server, _Silent)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:
        pass
