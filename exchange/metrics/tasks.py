"""Count and time Celery's tasks, and serve the metrics of the processes that run and send them.

The law: workers run in one process with threads, so their counters are plain ones. METRICS_PORT says where a process shows them;
a port that is taken is said in the log, and the work goes on.
"""

import time
from typing import Any

import structlog
from celery import Task, signals
from django.conf import settings
from django.db import connection
from prometheus_client import REGISTRY, Counter, Histogram

from accounts.outages import REDIS_ERRORS
from exchange.health import database_answers
from exchange.metrics.serving import serve_metrics
from exchange.metrics.venue import Venue
from orders.quick_redis import patient_redis
from trading.heartbeat import silent_seconds

log = structlog.get_logger(__name__)

SILENT_SECONDS_MAX = 60.0
BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0, 3600.0)

done = Counter("celery_tasks_total", "Tasks that ended, or are to be tried again.", ["task", "state"])
took = Histogram("celery_task_duration_seconds", "How long a task ran, in seconds.", ["task"], buckets=BUCKETS)
sent = Counter("celery_tasks_sent_total", "Tasks that this process handed to the broker.", ["task"])


def serve() -> None:
    """Show this process's metrics where METRICS_PORT says."""
    if not settings.METRICS_PORT:
        return
    try:
        serve_metrics(settings.METRICS_PORT, settings.METRICS_HOST, is_live=_is_live, is_ready=_is_ready)
    except OSError as error:
        log.error("metrics_not_served", port=settings.METRICS_PORT, error=str(error))


def _is_live() -> bool:
    """Tell whether a loop that matches has looked for commands lately; what runs none answers, and that is enough."""
    silent = silent_seconds()
    return silent is None or silent < SILENT_SECONDS_MAX


def _is_ready() -> bool:
    """Tell whether both servers answer, by a connection that is closed after: this thread ends with its request."""
    try:
        return database_answers() and bool(patient_redis().ping())
    except REDIS_ERRORS:
        return False
    finally:
        connection.close()


@signals.worker_init.connect
def _begin_worker(**_: object) -> None:
    serve()


@signals.worker_ready.connect
def _begin_reading(sender: Any = None, **_: object) -> None:
    """Have the workers of the default queue tell how the venue stands."""
    queues = getattr(getattr(sender, "task_consumer", None), "queues", [])
    if any(queue.name == settings.CELERY_TASK_DEFAULT_QUEUE for queue in queues):
        REGISTRY.register(Venue())


@signals.beat_init.connect
def _begin_beat(**_: object) -> None:
    serve()


@signals.after_task_publish.connect
def _count_sent(sender: str, **_: object) -> None:
    sent.labels(sender).inc()


@signals.task_prerun.connect
def _begin_task(task: Task, **_: object) -> None:
    task.request.began = time.perf_counter()


@signals.task_postrun.connect
def _end_task(task: Task, **_: object) -> None:
    began = getattr(task.request, "began", None)
    if began is not None:
        took.labels(task.name).observe(time.perf_counter() - began)


@signals.task_success.connect
def _count_success(sender: Task, **_: object) -> None:
    done.labels(sender.name, "success").inc()


@signals.task_failure.connect
def _count_failure(sender: Task, **_: object) -> None:
    done.labels(sender.name, "failure").inc()


@signals.task_retry.connect
def _count_retry(sender: Task, **_: object) -> None:
    done.labels(sender.name, "retry").inc()
