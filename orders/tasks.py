"""Keep time under Celery. The law and the work are orders/clock.py's; beat sends this each second."""

from celery import shared_task

from orders.clock import do_what_is_due


@shared_task(name="orders.tasks.keep_time", ignore_result=True)
def keep_time(**_: object) -> None:
    """Do what is due by now."""
    do_what_is_due()
