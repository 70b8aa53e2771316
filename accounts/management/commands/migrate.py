"""Migrate as Django does, one at a time. The law: however many are started at once, the others wait, and then find nothing to do."""

from typing import Any

from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connections

LOCK = 0x6D696772
"""Any number that no other advisory lock of this project has."""


class Command(MigrateCommand):
    def handle(self, *args: Any, database: str, **options: Any) -> None:
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            try:
                super().handle(*args, database=database, **options)
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
