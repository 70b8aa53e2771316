"""Tell every page what stands around its content: where the streams are, and the theme that the reader chose.

The law: it asks no database, and what a cookie says is used only where it is one of the known values.
"""

from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

THEMES = ("dark", "light")
SOCKET_PATH = "/ws/v1"


def surroundings(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get("theme", "")
    return {"socket_url": known_streams_url(request), "theme": theme if theme in THEMES else ""}


def known_streams_url(request: HttpRequest) -> str:
    """The page that says that this host is not ours has no streams."""
    try:
        return streams_url(request)
    except DisallowedHost:
        return ""


def streams_url(request: HttpRequest) -> str:
    """Return the address of the streams for a page's scripts."""
    if settings.STREAMS_URL:
        return str(settings.STREAMS_URL)
    scheme = "wss" if request.is_secure() else "ws"
    if settings.IS_FRONTEND:
        return f"{scheme}://{request.get_host()}{SOCKET_PATH}"
    host = request.get_host()
    # An IPv6 address has colons of its own.
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return f"{scheme}://{name}:{settings.FRONTEND_PORT}{SOCKET_PATH}"
