"""Serve markets and orders.

The law: a view reads the request, makes one call and renders. A 2xx on an order means that it is on disk; it says
nothing of the match, unless the caller asked to wait for it.
Reading a body is orders/requests.py, judging and writing orders/intake.py and orders/changes.py.
"""

from datetime import UTC, datetime
from functools import partial
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.authentication import trader_of
from accounts.api.lists import ListView
from accounts.api.problems import problem_body, request_id_of
from accounts.api.schema import between, problems, query
from accounts.bodies import BodyReader, integer_reader, term_reader, text_reader
from accounts.errors import DomainError
from accounts.times import render_time
from orders import changes, intake, selectors
from orders.api import serializers
from orders.api.rendering import render_fees, render_market, render_order, render_test
from orders.api.symbols import SYMBOL_PARAMETER
from orders.batches import place_bodies, read_batch
from orders.requests import read_amendment, read_client_order_id, read_new_order
from orders.rules import rules_of_market, rules_of_symbol
from orders.terms import CLOSED_STATUSES, OPEN_STATUSES, OrderStatus, Side

_read_wait = integer_reader(0, changes.WAIT_MAX_MS)
_read_symbol = text_reader(40)
_read_side = term_reader(Side)
_read_one_status = term_reader(OrderStatus)
_STATUS_GROUPS = {"open": OPEN_STATUSES, "closed": CLOSED_STATUSES, "all": None}

WAIT = query(
    "wait", "Answer once the engine has taken it, or after so many ms.", schema=between(0, changes.WAIT_MAX_MS)
)


class TimeView(APIView):
    """The venue's clock."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(operation_id="get_time", tags=["markets"], responses=serializers.TimeSerializer)
    def get(self, request: Request) -> Response:
        return Response({"now": render_time(datetime.now(UTC))})


class MarketsView(APIView):
    """All markets by symbol, with their rules and phase."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="list_markets", tags=["markets"], responses={200: serializers.MarketsSerializer, **problems(503)}
    )
    def get(self, request: Request) -> Response:
        return Response({"results": [render_market(market) for market in selectors.markets_with_state()]})


class MarketView(APIView):
    """One market, with its rules and phase."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="get_market",
        tags=["markets"],
        parameters=[SYMBOL_PARAMETER],
        responses={200: serializers.MarketSerializer, **problems(404, 503)},
    )
    def get(self, request: Request, symbol: str) -> Response:
        return Response(render_market(selectors.market_with_state(rules_of_symbol(symbol))))


class FeesView(APIView):
    """What the caller pays in each market from the next order on; an order keeps the rates it was accepted with."""

    @extend_schema(
        operation_id="list_fees",
        tags=["account"],
        responses={200: serializers.FeesSerializer, **problems(400, 401, 403, 503)},
    )
    def get(self, request: Request) -> Response:
        return Response({"results": [render_fees(fees) for fees in selectors.fees_of(trader_of(request).account_id)]})


class OrdersView(ListView):
    serializer_class = serializers.OrderSerializer

    @extend_schema(
        operation_id="list_orders",
        tags=["orders"],
        description="The caller's orders, newest first.",
        parameters=[
            query("status", "open, closed, all (default) or one status."),
            query("symbol", "Only this market."),
            query("side", "Only this side.", enum=[str(side) for side in Side]),
            query("client_order_id", "Only the order with this id."),
        ],
        responses={200: serializers.OrderSerializer(many=True), **problems(400, 401, 403, 404, 503)},
    )
    def get(self, request: Request) -> Response:
        reader = BodyReader(request.query_params.dict())
        statuses = reader.optional("status", _read_statuses)
        symbol = reader.optional("symbol", _read_symbol)
        side = reader.optional("side", _read_side)
        client_order_id = reader.optional("client_order_id", read_client_order_id)
        reader.raise_faults()
        select = partial(
            selectors.orders_of,
            trader_of(request).account_id,
            statuses=statuses,
            market_id=None if symbol is None else rules_of_symbol(symbol).market_id,
            side=side,
            client_order_id=client_order_id,
        )
        return self.answer_page(request, select, lambda order: render_order(order, rules_of_market(order.market_id)))

    @extend_schema(
        operation_id="place_order",
        tags=["orders"],
        description="Place an order. A repeat with the same client_order_id and body gets the first order again (200).",
        parameters=[WAIT],
        request=serializers.NewOrderSerializer,
        responses={
            201: serializers.OrderSerializer,
            200: serializers.OrderSerializer,
            **problems(400, 401, 403, 404, 409, 413, 415, 422, 503),
        },
    )
    def post(self, request: Request) -> Response:
        wait = _wait_of(request)
        order = read_new_order(request.data)
        (outcome,) = intake.place(trader_of(request).account_id, [order])
        if isinstance(outcome, DomainError):
            raise outcome
        placed = outcome.order
        if wait and outcome.command_id is not None:
            changes.wait_until_taken([outcome.command_id], wait)
            placed = selectors.own_order(placed.account_id, placed.id)
        return Response(render_order(placed, outcome.rules), status=200 if outcome.repeated else 201)

    @extend_schema(
        operation_id="cancel_orders",
        tags=["orders"],
        description="Ask for the end of all open orders, or of those in one market.",
        parameters=[query("symbol", "Only this market."), WAIT],
        responses={202: serializers.RequestedSerializer, **problems(400, 401, 403, 404, 503)},
    )
    def delete(self, request: Request) -> Response:
        # A parameter that is misspelled must not cancel more than was meant: unknown ones are refused.
        reader = BodyReader(request.query_params.dict())
        symbol = reader.optional("symbol", _read_symbol)
        wait = reader.optional("wait", _read_wait)
        reader.finish()
        market_id = None if symbol is None else rules_of_symbol(symbol).market_id
        asked = changes.cancel_all(trader_of(request).account_id, market_id)
        if wait and asked.command_ids:
            changes.wait_until_taken(asked.command_ids, wait)
        return Response({"requested": asked.open}, status=202)


class OrderTestView(APIView):
    """Check an order as placing it would, funds included, and place nothing."""

    @extend_schema(
        operation_id="test_order",
        tags=["orders"],
        request=serializers.NewOrderSerializer,
        responses={
            200: serializers.OrderTestSerializer,
            **problems(400, 401, 403, 404, 409, 413, 415, 422, 503),
        },
    )
    def post(self, request: Request) -> Response:
        return Response(render_test(intake.rehearse(trader_of(request).account_id, read_new_order(request.data))))


class OrderBatchView(APIView):
    """Place up to 1,000 orders, each on its own: one that is refused does not keep the others back."""

    @extend_schema(
        operation_id="place_orders",
        tags=["orders"],
        parameters=[WAIT],
        request=serializers.BatchRequestSerializer,
        responses={200: serializers.BatchSerializer, **problems(400, 401, 403, 413, 415, 503)},
    )
    def post(self, request: Request) -> Response:
        wait = _wait_of(request)
        outcomes = place_bodies(trader_of(request).account_id, read_batch(request.data))
        placed = [outcome for outcome in outcomes if isinstance(outcome, intake.Placed)]
        taken = {}
        if wait and placed:
            changes.wait_until_taken([one.command_id for one in placed if one.command_id is not None], wait)
            taken = selectors.orders_by_id(trader_of(request).account_id, [one.order.id for one in placed])
        request_id = request_id_of(request)
        return Response({"results": [_render_outcome(outcome, taken, request_id) for outcome in outcomes]})


def _render_outcome(outcome: intake.Outcome, taken: dict[int, Any], request_id: str) -> dict[str, Any]:
    if isinstance(outcome, DomainError):
        return {"error": problem_body(outcome, request_id)}
    return {"order": render_order(taken.get(outcome.order.id, outcome.order), outcome.rules)}


class OrderView(APIView):
    @extend_schema(
        operation_id="get_order",
        tags=["orders"],
        description="One of the caller's orders.",
        responses={200: serializers.OrderSerializer, **problems(400, 401, 403, 404, 503)},
    )
    def get(self, request: Request, order_id: int) -> Response:
        order = selectors.own_order(trader_of(request).account_id, order_id)
        return Response(render_order(order, rules_of_market(order.market_id)))

    @extend_schema(
        operation_id="amend_order",
        tags=["orders"],
        description="Ask for another quantity, filled part included, or another price, or both. Less quantity alone keeps "
        "the order's priority; anything else loses it, and is matched like a new order.",
        parameters=[WAIT],
        request=serializers.AmendmentSerializer,
        responses={202: serializers.OrderSerializer, **problems(400, 401, 403, 404, 409, 413, 415, 422, 503)},
    )
    def patch(self, request: Request, order_id: int) -> Response:
        wait = _wait_of(request)
        amendment = read_amendment(request.data)
        order, command_id = changes.amend(trader_of(request).account_id, order_id, amendment)
        return _answer_asked(order, command_id, wait)

    @extend_schema(
        operation_id="cancel_order",
        tags=["orders"],
        description="Ask for the end of an order.",
        parameters=[WAIT],
        responses={202: serializers.OrderSerializer, **problems(400, 401, 403, 404, 409, 503)},
    )
    def delete(self, request: Request, order_id: int) -> Response:
        wait = _wait_of(request)
        order, command_id = changes.cancel(trader_of(request).account_id, order_id)
        return _answer_asked(order, command_id, wait)


def _answer_asked(order: Any, command_id: int, wait: int) -> Response:
    """Answer with the order as it stands: before the engine has taken the command, or after, if the caller waits."""
    if wait:
        changes.wait_until_taken([command_id], wait)
        order = selectors.own_order(order.account_id, order.id)
    return Response(render_order(order, rules_of_market(order.market_id)), status=202)


def _wait_of(request: Request) -> int:
    """Read ?wait=; 0 is not to wait."""
    if "wait" not in request.query_params:
        return 0
    wait: int = _read_wait("wait", request.query_params["wait"])
    return wait


def _read_statuses(field: str, value: Any) -> tuple[OrderStatus, ...] | None:
    """Read a group of statuses or a single one; None is no filter."""
    if value.lower() in _STATUS_GROUPS:
        return _STATUS_GROUPS[value.lower()]
    return (_read_one_status(field, value),)
