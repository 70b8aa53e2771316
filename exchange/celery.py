"""Make the Celery application: the matching loop's dedicated queues, and the beat that keeps them going.

The law: `matching.<shard>` has one worker with one thread; everything else runs on `default`.
"""

import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange.settings")
# Django's checks are of the code, so they are a test's: asked at each start, they load every page and every admin form.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

app = Celery("exchange")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.import_modules.connect
def _measure(**_: Any) -> None:
    """Count tasks in whatever runs or sends them; the models that this reads are there by then."""
    import exchange.metrics.tasks  # noqa: F401
