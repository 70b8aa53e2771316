"""Say whether the venue works, for probes and for people.

The law: a probe is answered within seconds, whatever is down, and never by an error page. Without the database
nothing can be done (503); without Redis or matching, orders are still accepted and nothing is lost (200, degraded).
Whether a matching worker lives is trading/heartbeat.py's.
"""

from collections.abc import Iterable

import structlog
from django.db import Error
from django_redis import get_redis_connection
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.outages import REDIS_ERRORS
from exchange.patience import select
from trading.heartbeat import is_alive

BACKLOG_COUNT_MAX = 10_000
"""Beyond this a market's backlog is not counted on: a probe must not read a million rows."""

OK_OR_DOWN = ["ok", "down"]

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


class ShardHealthSerializer(serializers.Serializer):
    alive = serializers.BooleanField(allow_null=True, help_text="Null while Redis is down.")
    pending = serializers.IntegerField(help_text=f"Commands not taken yet; counted up to {BACKLOG_COUNT_MAX} a market.")
    lag_seconds = serializers.FloatField(help_text="Age of the oldest of them.")


class ChecksSerializer(serializers.Serializer):
    database = serializers.ChoiceField(OK_OR_DOWN)
    redis = serializers.ChoiceField(OK_OR_DOWN)
    matching = serializers.DictField(child=ShardHealthSerializer(), help_text="By shard; empty while unknown.")


class HealthSerializer(serializers.Serializer):
    status = serializers.ChoiceField(["ok", "degraded", "unavailable"])
    checks = ChecksSerializer()


class ProbeSerializer(serializers.Serializer):
    status = serializers.ChoiceField(["ok", "unavailable"])


class HealthView(APIView):
    """The whole picture."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(operation_id="health", tags=["system"], responses={200: HealthSerializer, 503: HealthSerializer})
    def get(self, request: Request) -> Response:
        database = database_answers()
        backlogs = read_backlogs() if database else None
        heartbeats = read_heartbeats(backlogs or {})
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


class LiveView(APIView):
    """This process answers."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(operation_id="health_live", tags=["system"], responses=ProbeSerializer)
    def get(self, request: Request) -> Response:
        return Response({"status": "ok"})


class ReadyView(APIView):
    """This process can reach PostgreSQL, so it can take requests."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(operation_id="health_ready", tags=["system"], responses={200: ProbeSerializer, 503: ProbeSerializer})
    def get(self, request: Request) -> Response:
        if database_answers():
            return Response({"status": "ok"})
        return Response({"status": "unavailable"}, status=503)


def database_answers() -> bool:
    """Ask the database for a row, with little patience."""
    try:
        select("SELECT 1")
    except Error as error:
        _log.warning("database unavailable", error=str(error))
        return False
    return True


def read_backlogs() -> dict[int, tuple[int, float]] | None:
    """Read each shard's pending commands and the age of the oldest in seconds; None where that takes too long."""
    try:
        rows = select(_BACKLOGS, [BACKLOG_COUNT_MAX])
    except Error as error:
        _log.warning("backlog unreadable", error=str(error))
        return None
    return {shard: (pending, max(lag, 0.0)) for shard, pending, lag in rows}


def read_heartbeats(shards: Iterable[int]) -> dict[int, bool] | None:
    """Read which shards' workers have reported lately; None while Redis is down."""
    try:
        get_redis_connection().ping()
        return {shard: is_alive(shard) for shard in shards}
    except REDIS_ERRORS as error:
        _log.warning("redis unavailable", error=str(error))
        return None
