"""Run the matching loop under Celery, lap after lap, and the checks of the books (trading/maintenance.py) now and then.

The law: on each shard's queue a lap is running or waiting. An ending lap sends its successor; beat and the worker's start are
the nets under that. A lap too many does no harm (the fences keep it serial), and while the broker is unreachable the lap that
runs goes on.
What a lap does is trading/matching.py's.
"""

import threading

import structlog
from celery import current_app, shared_task
from celery.signals import worker_ready
from celery.worker import state as worker_state
from kombu.exceptions import OperationalError

from accounts.outages import REDIS_ERRORS
from orders.models import Market
from trading import maintenance
from trading.heartbeat import beat
from trading.matching import Shard

log = structlog.get_logger(__name__)

LAP_SECONDS = 5.0
QUEUE_PREFIX = "matching."
_BROKER_ERRORS = (OperationalError, *REDIS_ERRORS)
_shards: dict[int, Shard] = {}
_one_lap = threading.Lock()


@shared_task(name="trading.tasks.run_matching", acks_late=True, ignore_result=True)
def run_matching(shard: int, **_: object) -> None:
    """Run one lap of a shard's matching loop, and see that there is a next."""
    with _one_lap:
        loop = _shards.setdefault(shard, Shard(shard, heart=beat))
        while not should_stop():
            loop.run(seconds=LAP_SECONDS, should_stop=should_stop)
            if should_stop() or send_lap(shard):
                break


def should_stop() -> bool:
    """Tell whether the worker was told to stop; its exit code may be 0."""
    return worker_state.should_stop is not None or worker_state.should_terminate is not None


def send_lap(shard: int) -> bool:
    """Put a lap on the shard's queue unless one waits there; tells whether one does now."""
    queue = f"{QUEUE_PREFIX}{shard}"
    try:
        with current_app.connection_for_write(connect_timeout=1) as broker:
            # Left to itself it would wait two seconds before a second try, and no order is matched meanwhile.
            broker.ensure_connection(max_retries=1, interval_start=0)
            waiting = broker.default_channel.queue_declare(queue, passive=False, durable=True).message_count
            if not waiting:
                run_matching.apply_async((shard,), queue=queue, connection=broker, retry=False)
    except _BROKER_ERRORS as error:
        log.warning("lap_not_sent", shard=shard, error=repr(error))
        return False
    return True


@worker_ready.connect
def start_matching(sender: object, **_: object) -> None:
    """Send the first lap to each matching queue that the starting worker serves."""
    queues = getattr(getattr(sender, "task_consumer", None), "queues", [])
    for queue in queues:
        if queue.name.startswith(QUEUE_PREFIX):
            send_lap(int(queue.name.removeprefix(QUEUE_PREFIX)))


@shared_task(name="trading.tasks.keep_matching", ignore_result=True)
def keep_matching(**_: object) -> None:
    """See that every shard with a market has a lap waiting, should one have been lost."""
    for shard in Market.objects.values_list("shard", flat=True).distinct().order_by("shard"):
        send_lap(shard)


@shared_task(name="trading.tasks.check_ledger", ignore_result=True)
def check_ledger(**_: object) -> None:
    """See whether every asset sums to zero, and note it."""
    maintenance.check_ledger()


@shared_task(name="trading.tasks.check_integrity", ignore_result=True)
def check_integrity(**_: object) -> None:
    """Check everything, and note what was found."""
    maintenance.check_integrity()
