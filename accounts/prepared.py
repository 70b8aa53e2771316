"""Run statements that are prepared once a connection, where planning one takes longer than running it.

The law: a statement is named and written once, with $1, $2 ... for what it is given; a connection that is new prepares it anew.
plan_cache_mode, in the settings, has PostgreSQL plan it once and for all. (Behind a pooler, use session pooling.)
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection

_prepared_on: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()


class Prepared:
    """A statement with a name and the types of what it is given."""

    def __init__(self, name: str, types: Sequence[str], text: str) -> None:
        self._name = name
        self._prepare = f"PREPARE {name} ({', '.join(types)}) AS {text}"
        self._execute = f"EXECUTE {name} ({', '.join(['%s'] * len(types))})"

    def rows(self, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run it on this thread's connection; returns its rows."""
        connection.ensure_connection()
        with connection.cursor() as cursor:
            names = _prepared_on.setdefault(connection.connection, set())
            if self._name not in names:
                cursor.execute(self._prepare)
                names.add(self._name)
            cursor.execute(self._execute, parameters)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found
