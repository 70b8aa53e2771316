"""What migrations do to tables that are big."""

import pytest
from django.core.management import call_command
from django.db import connection

pytestmark = pytest.mark.django_db


def test_no_transfer_is_read_while_whoever_writes_them_waits(capsys):
    call_command("sqlmigrate", "accounts", "0010")
    added = [line for line in capsys.readouterr().out.splitlines() if line.startswith('ALTER TABLE "transfers" ADD')]
    assert len(added) == 3
    assert all(line.endswith("NOT VALID;") for line in added)


def test_every_condition_has_been_checked_against_old_rows():
    with connection.cursor() as cursor:
        cursor.execute("SELECT conname FROM pg_constraint WHERE NOT convalidated")
        assert cursor.fetchall() == []
