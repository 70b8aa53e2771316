"""What is noted of checks, and what metrics make of the notes."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.integrity import Report
from accounts.tests.builders import make_trader
from trading import maintenance
from trading.models import MaintenanceRun, RunKind
from trading.tasks import check_integrity, check_ledger

pytestmark = pytest.mark.django_db


def test_a_check_that_finds_nothing_is_noted():
    check_ledger()
    check_integrity()
    assert [(run.kind, run.differences) for run in MaintenanceRun.objects.order_by("id")] == [
        ("ledger", 0),
        ("integrity", 0),
    ]


def test_what_a_check_finds_is_counted():
    def find(report: Report) -> None:
        report.differ("something", "row 1", "is not what it should be")
        report.differ("something", "row 2", "is not either")

    assert maintenance.note_check(RunKind.LEDGER, find).differences == 2


def test_a_check_that_breaks_off_is_missed():
    def break_off(report: Report) -> None:
        raise ConnectionError("the database has gone")

    with pytest.raises(ConnectionError):
        maintenance.note_check(RunKind.LEDGER, break_off)
    assert not MaintenanceRun.objects.exists()


def test_old_notes_are_deleted():
    long_ago = timezone.now() - maintenance.KEPT - timedelta(days=1)
    MaintenanceRun.objects.create(kind="ledger", started_at=long_ago, ended_at=long_ago)
    check_ledger()
    assert MaintenanceRun.objects.count() == 1


def test_money_that_was_invented_is_found():
    account = make_trader(funds={"USD": "100"})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE balances SET available = available + 1 WHERE account_id = %s", [account.id])
    assert maintenance.check_ledger().differences == 1
