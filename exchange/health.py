"""Say whether the venue works, for probes and for people.

The law: a probe is answered within seconds, whatever is down, and never by an error page. Without the database nothing can be
done (503); without Redis or matching, orders are still accepted and nothing is lost (200, degraded).
`alive` is what the matching worker last wrote to Redis; how it works is trading/matching.py's.
"""

import time
from collections.abc import Mapping
from typing import Any

import redis
import structlog
from django.conf import settings
from django.db import Error, connection, transaction
from drf_spectacular.utils import extend_schema, inline_serializer
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

HEARTBEAT_KEY = "matching:heartbeat:{shard}"
HEARTBEAT_SECONDS_MAX = 5
STATEMENT_TIMEOUT_MS = 1000
BACKLOG_COUNT_MAX = 10_000
"""Beyond this a market's backlog is not counted on: a probe must not read a million rows."""

_log = structlog.get_logger(__name__)

_BACKLOGS = """
    SELECT m.shard, sum(backlog.pending)::bigint, COALESCE(EXTRACT(EPOCH FROM max(backlog.age)), 0)::float
    FROM markets m CROSS JOIN LATERAL (
        SELECT count(*) AS pending, clock_timestamp() - min(first.accepted_at) AS age
        FROM (
            SELECT c.accepted_at FROM commands c
            WHERE c.market_id = m.id AND c.sequence IS NULL
            ORDER BY c.id LIMIT %s
        ) first
    ) backlog
    GROUP BY m.shard ORDER BY m.shard
"""


class HealthView(APIView):
    """The whole picture."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="health",
        tags=["system"],
        responses={
            (status, "application/json"): inline_serializer(
                "Health",
                {
                    "status": serializers.ChoiceField(["ok", "degraded", "unavailable"]),
                    "checks": inline_serializer(
                        "HealthChecks",
                        {
                            "database": serializers.ChoiceField(["ok", "down"]),
                            "redis": serializers.ChoiceField(["ok", "down"]),
                            "matching": serializers.DictField(
                                child=inline_serializer(
                                    "ShardHealth",
                                    {
                                        "alive": serializers.BooleanField(allow_null=True),
                                        "pending": serializers.IntegerField(),
                                        "lag_seconds": serializers.FloatField(),
                                    },
                                ),
                                help_text="By shard. alive is null while Redis is down.",
                            ),
                        },
                    ),
                },
            )
            for status in (200, 503)
        },
    )
    def get(self, request: Request) -> Response:
        database = database_answers()
        backlogs = _read_backlogs() if database else None
        heartbeats = _read_heartbeats(backlogs or {})
        matching = {
            str(shard): {
                "alive": None if heartbeats is None else heartbeats[shard],
                "pending": pending,
                "lag_seconds": round(lag, 3),
            }
            for shard, (pending, lag) in (backlogs or {}).items()
        }
        whole = backlogs is not None and heartbeats is not None and all(heartbeats.values())
        checks = {
            "database": "ok" if database else "down",
            "redis": "down" if heartbeats is None else "ok",
            "matching": matching,
        }
        status = ("ok" if whole else "degraded") if database else "unavailable"
        return Response({"status": status, "checks": checks}, status=200 if database else 503)


_STATUS = inline_serializer("Probe", {"status": serializers.ChoiceField(["ok", "unavailable"])})


class LiveView(APIView):
    """This process answers."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(operation_id="health_live", tags=["system"], responses=_STATUS)
    def get(self, request: Request) -> Response:
        return Response({"status": "ok"})


class ReadyView(APIView):
    """This process can reach PostgreSQL, so it can take requests."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(operation_id="health_ready", tags=["system"], responses={200: _STATUS, 503: _STATUS})
    def get(self, request: Request) -> Response:
        if database_answers():
            return Response({"status": "ok"})
        return Response({"status": "unavailable"}, status=503)


def database_answers() -> bool:
    """Ask the database for a row, with little patience."""
    try:
        _select("SELECT 1")
    except Error as error:
        _log.warning("database unavailable", error=str(error))
        return False
    return True


def _read_backlogs() -> dict[int, tuple[int, float]] | None:
    """Read each shard's pending commands and the age of the oldest in seconds; None where that takes too long."""
    try:
        rows = _select(_BACKLOGS, [BACKLOG_COUNT_MAX])
    except Error as error:
        _log.warning("backlog unreadable", error=str(error))
        return None
    return {shard: (pending, max(lag, 0.0)) for shard, pending, lag in rows}


def _select(statement: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _read_heartbeats(shards: Mapping[int, Any]) -> dict[int, bool] | None:
    """Read which shards' workers have reported lately; None while Redis is down."""
    # The cache's client waits and tries again; a probe does neither.
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=0.5, socket_timeout=0.5, retry=Retry(NoBackoff(), 0)
    )
    try:
        with client:
            client.ping()
            beats = client.mget([HEARTBEAT_KEY.format(shard=shard) for shard in shards]) if shards else []
    except redis.RedisError as error:
        _log.warning("redis unavailable", error=str(error))
        return None
    now = time.time()
    return {shard: _is_fresh(beat, now) for shard, beat in zip(shards, beats, strict=True)}


def _is_fresh(beat: bytes | None, now: float) -> bool:
    try:
        return beat is not None and now - float(beat) < HEARTBEAT_SECONDS_MAX
    except ValueError:
        return False
