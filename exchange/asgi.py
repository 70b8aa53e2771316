"""Serve the exchange over ASGI: pages, sockets, and everything that WSGI serves too (process `frontend`)."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange.settings")
pages = get_asgi_application()

import exchange.celery  # noqa: E402  what is handed to workers goes to this one's broker
import exchange.connections  # noqa: E402  from here on, closed connections are let go of
import exchange.workers  # noqa: E402, F401  a worker ends with its server
from exchange.sockets import lifespan, route_socket  # noqa: E402  which need the applications to be loaded
from trading.streams.depth import keep_copies  # noqa: E402

application = ProtocolTypeRouter({"http": pages, "websocket": route_socket, "lifespan": lifespan})
keep_copies()
