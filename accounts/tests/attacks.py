"""Try to break the database's own rules, past the code that keeps them.

The law: an attack fails by the rule that it names, and an app attacks every constraint and trigger that it has.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.models.expressions import RawSQL

NAN = RawSQL("'NaN'::numeric", [])


@contextmanager
def refused_by(rule: str) -> Iterator[None]:
    """Expect the database to refuse, naming the rule (a regular expression)."""
    with pytest.raises(DatabaseError, match=rule), transaction.atomic():
        yield


def refuse_all(
    subtests: pytest.Subtests, attacks: Iterable[tuple[str, Callable[[], object]]], said: Callable[[str], str]
) -> None:
    """Try all on one scene: what is refused leaves it as it was, and a scene costs more than an attack."""
    for number, (rule, attack) in enumerate(attacks):
        with subtests.test(f"{rule}-{number}"), refused_by(said(rule)):
            attack()


def truncate(table: str) -> None:
    """Empty a table at one blow."""
    with connection.cursor() as cursor:
        # Else PostgreSQL refuses for another reason: foreign keys that this transaction has still to check.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"TRUNCATE {table}")


def drop_rule(table: str, rule: str) -> None:
    """Take a constraint away for the rest of the test's transaction, to see what holds without it."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {rule}")


@contextmanager
def triggers_off() -> Iterator[None]:
    """Do what triggers refuse, within a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield
        cursor.execute("SET LOCAL session_replication_role = origin")


def constraints_and_triggers(app: str) -> set[str]:
    """Name everything that the app's models and migrations have told the database to refuse."""
    models = list(apps.get_app_config(app).get_models())
    names = {constraint.name for model in models for constraint in model._meta.constraints}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND c.relname = ANY(%s)",
            [[model._meta.db_table for model in models]],
        )
        return names | {name for (name,) in cursor.fetchall()}


def unattacked(app: str, attacked: Iterable[str]) -> set[str]:
    return constraints_and_triggers(app) - set(attacked)
