"""Check the books now and then, and note what came of it; metrics and alerts read the notes.

The law: a check that broke off leaves no note, so that it is missed. One that found differences is noted like any other.
"""

from collections.abc import Callable
from datetime import timedelta

import structlog
from django.utils import timezone

from accounts.integrity import ASSETS, CHECKS, Report
from trading.integrity import verify
from trading.models import MaintenanceRun, RunKind

log = structlog.get_logger(__name__)

KEPT = timedelta(days=90)


def check_ledger() -> MaintenanceRun:
    """See whether every asset sums to zero: one statement, so it can be done every few minutes."""
    return note_check(RunKind.LEDGER, CHECKS[ASSETS])


def check_integrity() -> MaintenanceRun:
    """Check everything that verify_integrity does."""
    return note_check(RunKind.INTEGRITY, verify)


def note_check(kind: RunKind, check: Callable[[Report], None]) -> MaintenanceRun:
    """Run a check and note what it found; deletes old notes."""
    started_at = timezone.now()
    report = Report()
    check(report)
    found = report.found.total()
    if found:
        log.critical("integrity_broken", check=str(kind), differences=found, first=report.differences[0])
    MaintenanceRun.objects.filter(ended_at__lt=started_at - KEPT).delete()
    return MaintenanceRun.objects.create(kind=kind, started_at=started_at, ended_at=timezone.now(), differences=found)
