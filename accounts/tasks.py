"""Tidy up, and send mails, under Celery. The law and the work are accounts/events.py's, pages/activity.py's,
mail.py's and notices.py's."""

from smtplib import SMTPException
from typing import Any

from celery import shared_task
from django.core.mail import EmailMessage

from accounts import events, notices
from accounts.mail import NAME, Discreet, after_commit
from accounts.pages import activity


@shared_task(name="accounts.tasks.prune_events", ignore_result=True)
def prune_events(**_: object) -> None:
    """Delete what accounts were told longer ago than it is kept."""
    events.prune()


@shared_task(name="accounts.tasks.clear_sessions", ignore_result=True)
def clear_sessions(**_: object) -> None:
    """Delete the sessions of pages that have run out."""
    activity.clear_ended()


@shared_task(
    name="accounts.tasks.send_mail",
    base=Discreet,
    ignore_result=True,
    autoretry_for=(OSError, SMTPException),
    retry_backoff=5,
    retry_backoff_max=600,
    max_retries=8,
)
def send_mail(*, to: str, subject: str, text: str) -> None:
    """Send a message; while the mail server is away, for half an hour again and again."""
    EmailMessage(subject, text, to=[to]).send()


@shared_task(name="accounts.tasks.send_notice", base=Discreet, ignore_result=True)
def send_notice(*, user_id: int, kind: str, facts: dict[str, Any]) -> None:
    """Write a notice as things stand now, and have it sent."""
    written = notices.write(user_id, notices.Notice(kind), facts)
    if written is not None:
        to, subject, text = written
        after_commit(send_mail, to=to, subject=f"{NAME}: {subject}", text=text)
