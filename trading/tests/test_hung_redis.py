"""Test that a Redis that takes connections and never answers holds neither matching nor intake up."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.test import override_settings

from accounts.tests.builders import make_trader
from orders import bell
from orders.models import Order
from orders.quick_redis import patient_redis, quick_redis
from orders.tests.builders import make_market, place_order
from trading import heartbeat
from trading.matching import Shard
from trading.settlement import Settlement

pytestmark = pytest.mark.django_db(transaction=True)

WELL_UNDER = 1.0
"""A machine that is loaded is given some time beyond a fifth of a second; the cache's own client would take two."""


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put a server that accepts and never answers in Redis's place. Nobody is silent yet."""
    for name in ("_silent_until", "_deaf_until"):
        monkeypatch.setattr(bell, name, 0.0)
    monkeypatch.setattr(heartbeat, "_last_beat", {})
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with override_settings(REDIS_URL=f"redis://127.0.0.1:{port}/0"):
            yield


def test_worker_goes_on(hung):
    make_market()
    trader = make_trader(funds={"USD": "1000000"})
    shard = Shard(0, heart=heartbeat.beat)
    place_order(trader)
    shard.drain()
    for _ in range(5):
        place_order(trader)
    began = time.monotonic()

    shard.run(seconds=2, should_stop=lambda: not Order.objects.filter(priority_sequence=None).exists())

    assert not Order.objects.filter(priority_sequence=None).exists()
    assert time.monotonic() - began < 2


def test_publisher_gives_up_soon_and_is_silent_for_a_second(hung, monkeypatch):
    make_market()
    trader = make_trader(funds={"USD": "1000000"})
    shard = Shard(0)
    took: list[float] = []
    publish = shard._publisher.publish

    def timed(settlement: Settlement) -> None:
        began = time.monotonic()
        publish(settlement)
        took.append(time.monotonic() - began)

    monkeypatch.setattr(shard._publisher, "publish", timed)
    for _ in range(2):
        place_order(trader)
        shard.drain()

    assert 0.1 < took[0] < WELL_UNDER
    assert took[-1] < 0.1


def test_ring_gives_up_soon_and_is_silent_for_a_second(hung):
    for least, most in ((0.1, WELL_UNDER), (0.0, 0.1)):
        began = time.monotonic()
        bell.ring(0)
        assert least < time.monotonic() - began < most


def test_wait_gives_up_and_then_sleeps_for_as_long_as_it_was_told(hung):
    for least, most in ((0.5, 1.9), (0.01, 0.3)):
        began = time.monotonic()
        assert not bell.wait(0, 0.01)
        assert least < time.monotonic() - began < most


@pytest.mark.parametrize(
    ("use", "client"),
    [(bell.ring, quick_redis), (heartbeat.beat, quick_redis), (partial(bell.wait, seconds=0.01), patient_redis)],
    ids=["ring", "beat", "wait"],
)
def test_a_connection_closed_under_its_reader_is_an_outage_like_any_other(hung, use, client):
    """The client lets a ValueError through then. Once a committed order was answered 500 for it."""
    pool = client().connection_pool
    with ThreadPoolExecutor(1) as threads:
        used = threads.submit(use, 0)
        while not (reading := [one for one in list(pool._in_use_connections) if one._sock is not None]):
            assert not used.done(), "it was not caught reading"
        reading[0].disconnect()
        assert not used.result()
