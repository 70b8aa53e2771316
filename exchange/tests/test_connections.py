"""A connection that the server closed costs no request an error, and finding out costs no round trip."""

import psycopg2
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

import exchange.wsgi  # noqa: F401  what is tested is wired there

pytestmark = pytest.mark.django_db(transaction=True)


def test_request_after_the_server_hung_up_is_answered() -> None:
    connection.ensure_connection()
    backend = connection.connection.info.backend_pid
    _terminate(backend)

    response = APIClient().get("/api/v1/markets")

    assert response.status_code == 200
    assert connection.connection.info.backend_pid != backend


def test_request_on_a_living_connection_keeps_it_and_asks_nothing() -> None:
    connection.ensure_connection()
    backend = connection.connection.info.backend_pid

    with CaptureQueriesContext(connection) as queries:
        APIClient().get("/api/v1/markets")

    assert connection.connection.info.backend_pid == backend
    assert len(queries) == 1


def _terminate(backend: int) -> None:
    other = psycopg2.connect(**connection.get_connection_params() | {"cursor_factory": None})
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
            assert cursor.fetchone() == (True,)
    finally:
        other.close()
