"""Serve the exchange over ASGI: pages, and everything that WSGI serves too (process `frontend`)."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange.settings")
application = ProtocolTypeRouter({"http": get_asgi_application()})

import exchange.connections  # noqa: E402  from here on, closed connections are let go of
import exchange.workers  # noqa: E402, F401  a worker ends with its server
