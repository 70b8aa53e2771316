"""Tidy up under Celery. The law and the work are accounts/events.py's; beat sends this each minute."""

from celery import shared_task

from accounts import events


@shared_task(name="accounts.tasks.prune_events", ignore_result=True)
def prune_events(**_: object) -> None:
    """Delete what accounts were told longer ago than it is kept."""
    events.prune()
