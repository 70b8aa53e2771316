"""The probes, with what they probe up and down."""

import time

import pytest
from django.db import connection
from django_redis import get_redis_connection
from rest_framework.test import APIClient

from accounts.tests.builders import make_trader
from orders.models import Command
from orders.tests.builders import make_market
from trading import heartbeat

CLOSED_PORT = 1


@pytest.fixture
def no_redis(settings):
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": f"redis://127.0.0.1:{CLOSED_PORT}/0"}}


@pytest.fixture
def no_database(transactional_db):
    there = connection.settings_dict["PORT"]
    connection.close()
    connection.settings_dict["PORT"] = CLOSED_PORT
    yield
    connection.close()
    connection.settings_dict["PORT"] = there


@pytest.fixture
def living_worker():
    """One that beats for as long as a test may take on a loaded machine."""
    key = heartbeat._key(0)
    get_redis_connection().set(key, f"{time.time() + 60:.3f}", ex=60)
    yield
    get_redis_connection().delete(key)


def probe(name=""):
    started = time.monotonic()
    response = APIClient().get(f"/api/v1/health{name}")
    assert time.monotonic() - started < 3
    assert response["Content-Type"] == "application/json"
    return response.status_code, response.json()


@pytest.mark.django_db
def test_venue_with_everything_up_is_ok(living_worker):
    make_market()
    assert probe() == (
        200,
        {
            "status": "ok",
            "checks": {
                "database": "ok",
                "redis": "ok",
                "matching": {"0": {"alive": True, "pending": 0, "lag_seconds": 0.0}},
            },
        },
    )


@pytest.mark.django_db
def test_venue_without_a_matching_worker_is_degraded_and_shows_its_backlog(living_worker):
    market, other = make_market(), make_market("ETH/USD", shard=1)
    account = make_trader()
    for _ in range(3):
        Command.objects.create(market_id=other.id, kind="cancel_all", account=account, payload={})
    Command.objects.create(
        market_id=market.id, kind="phase", payload={}, sequence=1, events=[], processed_at=market.created_at
    )
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE commands SET accepted_at = accepted_at - interval '1 minute'")
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    status, body = probe()
    assert (status, body["status"]) == (200, "degraded")
    assert body["checks"]["matching"]["0"] == {"alive": True, "pending": 0, "lag_seconds": 0.0}
    stalled = body["checks"]["matching"]["1"]
    assert (stalled["alive"], stalled["pending"]) == (False, 3)
    assert 60 <= stalled["lag_seconds"] < 90


@pytest.mark.django_db
def test_venue_without_redis_is_degraded(no_redis):
    make_market()
    assert probe() == (
        200,
        {
            "status": "degraded",
            "checks": {
                "database": "ok",
                "redis": "down",
                "matching": {"0": {"alive": None, "pending": 0, "lag_seconds": 0.0}},
            },
        },
    )


def test_venue_without_a_database_is_unavailable(no_database):
    assert probe() == (
        503,
        {"status": "unavailable", "checks": {"database": "down", "redis": "ok", "matching": {}}},
    )


def test_venue_without_anything_still_answers(no_database, no_redis):
    status, body = probe()
    assert (status, body["checks"]) == (503, {"database": "down", "redis": "down", "matching": {}})


def test_process_without_a_database_is_live_but_not_ready(no_database):
    assert probe("/live") == (200, {"status": "ok"})
    assert probe("/ready") == (503, {"status": "unavailable"})


@pytest.mark.django_db
def test_process_without_redis_is_ready(no_redis):
    assert probe("/ready") == (200, {"status": "ok"})


def test_other_operations_without_a_database_are_unavailable(no_database):
    response = APIClient().get("/api/v1/markets")
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
