"""Have mails sent at once, and read them."""

import re
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.db import transaction

from exchange.celery import app


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> list[EmailMessage]:
    """What is sent, which no worker is needed for; and the test's own transaction, which is never committed, is passed over."""
    # Celery reads its settings when they are first asked for, and forgets what was changed before.
    assert not app.conf.task_always_eager
    monkeypatch.setitem(app.conf.changes, "task_always_eager", True)
    monkeypatch.setattr("accounts.mail._away_until", 0.0)
    monkeypatch.setattr(transaction, "on_commit", lambda call, **_: call())
    return mail.outbox


def links_in(message: EmailMessage) -> list[str]:
    return re.findall(r"https?://\S+", message.body)


def path_in(message: EmailMessage) -> str:
    """Return the path of the one link that it has."""
    (link,) = links_in(message)
    return urlsplit(link).path
