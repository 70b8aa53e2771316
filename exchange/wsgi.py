"""Serve the exchange over WSGI: REST, admin and metrics (process `api`)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange.settings")
application = get_wsgi_application()

import exchange.celery  # noqa: E402  what is handed to workers goes to this one's broker
import exchange.connections  # noqa: E402  from here on, closed connections are let go of
import exchange.workers  # noqa: E402, F401  a worker ends with its server
from trading.streams.depth import keep_copies  # noqa: E402  which needs the applications to be loaded

keep_copies()
