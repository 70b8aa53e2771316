"""Test the matching loop as it runs in earnest: under a Celery worker, in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from accounts.tests.builders import make_trader
from accounts.tests.rivals import PATIENCE
from exchange.celery import app
from orders import changes, intake
from orders.models import Command
from orders.tests.builders import make_market, make_request, place_order
from trading import heartbeat, tasks
from trading.tests.builders import check_books_and_ledger, told

SHARD = 7
QUEUE = f"matching.{SHARD}"
STARTS_WITHIN = 20.0
STOPS_WITHIN = 3.0

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty_queue():
    purge()
    yield
    purge()


def test_worker_starts_by_itself_matches_and_stops_at_once_when_told(capfd):
    make_market(shard=SHARD)
    seller, buyer = make_trader(funds={"BTC": "1"}), make_trader(funds={"USD": "100"})
    waiting = place_order(seller, side="Sell")

    with worker() as process:
        assert taken(waiting, within=STARTS_WITHIN)
        (placed,) = intake.place(buyer.id, [make_request()])
        assert changes.wait_until_taken([placed.command_id], 2000)
        assert heartbeat.is_alive(SHARD)
        stopped_in = stop(process)

    assert told(placed.order) == "Filled 1 of 1 for 100"
    assert stopped_in < STOPS_WITHIN
    assert process.returncode == 0
    assert messages() == 0
    check_books_and_ledger()


def test_lap_sends_its_successor_and_matching_goes_on_over_many():
    make_market(shard=SHARD)
    account = make_trader(funds={"USD": "100000"})

    with worker(lap_seconds=0.3) as process:
        assert taken(place_order(account), within=STARTS_WITHIN)
        for _ in range(6):
            time.sleep(0.2)
            (placed,) = intake.place(account.id, [make_request()])
            assert changes.wait_until_taken([placed.command_id], 3000)
            assert messages() <= 1
        stop(process)

    assert messages() <= 1


def test_killed_worker_is_followed_by_another_that_goes_on():
    make_market(shard=SHARD)
    account = make_trader(funds={"USD": "1000"})
    with worker() as process:
        assert taken(place_order(account), within=STARTS_WITHIN)
        process.kill()
        process.wait(PATIENCE)
    left_behind = place_order(account)

    with worker() as process:
        assert taken(left_behind, within=STARTS_WITHIN)
        stop(process)

    check_books_and_ledger()


def test_lap_is_sent_unless_one_waits():
    for _ in range(3):
        assert tasks.send_lap(SHARD) is True

    assert messages() == 1


def test_beat_sees_that_every_shard_with_a_market_has_a_lap_waiting():
    make_market(shard=SHARD)

    tasks.keep_matching()
    tasks.keep_matching()

    assert messages() == 1


def test_lap_is_not_sent_while_the_broker_is_away_and_matching_does_not_wait_for_it(monkeypatch):
    nobody = app.connection_for_write("redis://127.0.0.1:1/0", connect_timeout=1)
    began = time.monotonic()

    with monkeypatch.context() as patch:
        patch.setattr(app, "connection_for_write", lambda **_: nobody)
        assert tasks.send_lap(SHARD) is False

    assert time.monotonic() - began < 0.5


@contextmanager
def worker(lap_seconds: float | None = None):
    """Run a Celery worker for the shard, on the test's database and Redis; yields its process."""
    parameters = connection.get_connection_params()
    user, password = quote(parameters["user"]), quote(parameters.get("password") or "")
    url = f"postgres://{user}:{password}@{parameters['host']}:{parameters['port']}/{parameters['dbname']}"
    environment = {**os.environ, "DATABASE_URL": url, "REDIS_URL": settings.REDIS_URL}
    program = "import trading.tasks as tasks, sys; from celery.__main__ import main; sys.argv[0] = 'celery'; "
    if lap_seconds is not None:
        program += f"tasks.LAP_SECONDS = {lap_seconds}; "
    command = [sys.executable, "-c", f"import django; django.setup(); {program} main()"]
    command += ["-A", "exchange", "worker", "-Q", QUEUE, "-P", "threads", "-c", "1", "-l", "WARNING"]
    process = subprocess.Popen(command, env={**environment, "DJANGO_SETTINGS_MODULE": "exchange.settings"})
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)


def stop(process: subprocess.Popen) -> float:
    """End a worker as a supervisor does; returns how many seconds it took."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE)
    return time.monotonic() - began


def taken(order, within: float) -> bool:
    """Wait for the engine to take an order's command."""
    return changes.wait_until_taken(
        Command.objects.filter(order=order).values_list("id", flat=True), int(within * 1000)
    )


def messages() -> int:
    """Count the laps that wait on the shard's queue."""
    with app.connection_for_read() as broker:
        return broker.default_channel.queue_declare(QUEUE, durable=True).message_count


def purge() -> None:
    with app.connection_for_write() as broker:
        broker.default_channel.queue_purge(QUEUE)
