"""Tidy up, and send mails, under Celery. The law and the work are accounts/events.py's, mail.py's and notices.py's."""

from smtplib import SMTPException

from celery import shared_task
from django.core.mail import EmailMessage

from accounts import events


@shared_task(name="accounts.tasks.prune_events", ignore_result=True)
def prune_events(**_: object) -> None:
    """Delete what accounts were told longer ago than it is kept."""
    events.prune()


@shared_task(
    name="accounts.tasks.send_mail",
    ignore_result=True,
    autoretry_for=(OSError, SMTPException),
    retry_backoff=5,
    retry_backoff_max=600,
    max_retries=8,
)
def send_mail(*, to: str, subject: str, text: str) -> None:
    """Send a message; while the mail server is away, for half an hour again and again."""
    EmailMessage(subject, text, to=[to]).send()
