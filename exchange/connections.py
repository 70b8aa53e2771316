"""Begin each request without the database connections that the server has closed; how is accounts/connections.py's."""

from django.core.signals import request_started

from accounts.connections import drop_closed

request_started.connect(drop_closed, dispatch_uid="exchange.connections")
