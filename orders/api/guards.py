"""Serve what guards an account: the dead man's switch, and the market maker's protection.

The law: a view reads the request, makes one call and renders. A guard is its owner's, and a frozen account keeps it.
What they do is orders/dead_man.py and orders/protection.py.
"""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.authentication import trader_of
from accounts.api.schema import problems, query
from accounts.bodies import BodyReader, integer_reader, text_reader
from accounts.numbers import parse_positive
from accounts.times import render_time
from orders import dead_man
from orders.api import serializers
from orders.api.rendering import render_protection
from orders.protection import WINDOW_MS_MAX, protections_of, remove_protection, reset_protection, set_protection
from orders.rules import rules_of_market, rules_of_symbol

_read_timeout = integer_reader(0, dead_man.SECONDS_MAX)
_read_window = integer_reader(1, WINDOW_MS_MAX)
_read_symbol = text_reader(40)


class CancelAfterView(APIView):
    @extend_schema(
        operation_id="cancel_after",
        tags=["orders"],
        description="Dead man's switch: all open orders are canceled then, unless it is called again in time.",
        request=serializers.CancelAfterSerializer,
        responses={200: serializers.CancelAfterAnswerSerializer, **problems(400, 401, 403, 413, 415, 503)},
    )
    def post(self, request: Request) -> Response:
        reader = BodyReader(request.data)
        seconds = reader.required("timeout_seconds", _read_timeout)
        reader.finish()
        account_id = trader_of(request).account_id
        if seconds == 0:
            dead_man.turn_off(account_id)
            return Response({"expires_at": None})
        return Response({"expires_at": render_time(dead_man.restart(account_id, seconds))})


class ProtectionView(APIView):
    @extend_schema(
        operation_id="list_market_maker_protections",
        tags=["market maker protection"],
        description="The caller's protections, one a market at most.",
        responses={200: serializers.ProtectionsSerializer, **problems(400, 401, 403, 503)},
    )
    def get(self, request: Request) -> Response:
        own = protections_of(trader_of(request).account_id)
        return Response({"results": [render_protection(one, rules_of_market(one.market_id)) for one in own]})

    @extend_schema(
        operation_id="set_market_maker_protection",
        tags=["market maker protection"],
        description="End all orders placed with market_maker_protection once more than so much of them is filled in so long.",
        request=serializers.ProtectionLimitsSerializer,
        responses={200: serializers.ProtectionSerializer, **problems(400, 401, 403, 404, 413, 415, 422, 503)},
    )
    def put(self, request: Request) -> Response:
        reader = BodyReader(request.data)
        symbol = reader.required("symbol", _read_symbol)
        window_ms = reader.required("window_ms", _read_window)
        quantity_limit = reader.required("quantity_limit", parse_positive)
        reader.finish()
        rules = rules_of_symbol(symbol)
        protection = set_protection(trader_of(request).account_id, rules, window_ms, quantity_limit)
        return Response(render_protection(protection, rules))

    @extend_schema(
        operation_id="remove_market_maker_protection",
        tags=["market maker protection"],
        description="Give up a protection, which must not be tripped.",
        parameters=[query("symbol", "Which market's.", required=True)],
        responses={204: None, **problems(400, 401, 403, 404, 409, 503)},
    )
    def delete(self, request: Request) -> Response:
        remove_protection(trader_of(request).account_id, rules_of_symbol(_symbol_of(request.query_params.dict())))
        return Response(status=204)


class ProtectionResetView(APIView):
    @extend_schema(
        operation_id="reset_market_maker_protection",
        tags=["market maker protection"],
        description="Ask that flagged orders be taken again. It takes effect once the engine has taken it.",
        request=serializers.ProtectionResetSerializer,
        responses={202: serializers.ProtectionSerializer, **problems(400, 401, 403, 404, 413, 415, 503)},
    )
    def post(self, request: Request) -> Response:
        rules = rules_of_symbol(_symbol_of(request.data))
        protection, _ = reset_protection(trader_of(request).account_id, rules)
        return Response(render_protection(protection, rules), status=202)


def _symbol_of(body: Any) -> str:
    reader = BodyReader(body)
    symbol: str = reader.required("symbol", _read_symbol)
    reader.finish()
    return symbol
