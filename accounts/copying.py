"""Bring rows into a table by COPY, which costs PostgreSQL and Python least.

The law: text is escaped by whoever writes the rows; errors are Django's, as those of execute() are.
"""

from io import StringIO

from django.db import connection


def copy_into(table: str, columns: str, rows: StringIO) -> None:
    """Insert rows, written as COPY reads them: columns parted by tabs, one row a line."""
    rows.seek(0)
    # Django wraps the errors of execute(), not of COPY.
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", rows)


def escaped(text: str) -> str:
    """Escape text for COPY."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
