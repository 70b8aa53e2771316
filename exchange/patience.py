"""Ask the database with little patience, for probes and for metrics. The law: whoever asks is answered, or refused, within a second."""

from typing import Any

from django.db import connection, transaction

STATEMENT_TIMEOUT_MS = 1000


def select(statement: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    """Read rows; raises django.db.Error where the database is away or takes too long."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
