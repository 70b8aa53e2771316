"""Serve deposits and withdrawals: ask for them, list them, take them back.

The law: a view reads the request, makes one call and renders. To take funds out needs the scope `withdraw` of a key, and of a
token a sign-in a short while ago; to take a withdrawal back does not: the funds stay.
What becomes of them is accounts/funding.py's.
"""

from functools import partial
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import funding, selectors
from accounts.api import serializers
from accounts.api.authentication import trader_of
from accounts.api.lists import ListView
from accounts.api.rendering import render_request
from accounts.api.schema import problems, query
from accounts.assets import read_asset
from accounts.bodies import BodyReader, term_reader, text_reader
from accounts.models import DESTINATION_LENGTH_MAX, RequestStatus, Scope
from accounts.numbers import parse_positive

_read_status = term_reader(RequestStatus)
_read_destination = text_reader(DESTINATION_LENGTH_MAX)
_FILTERS = [
    query("asset", "Only this asset, e.g. USD."),
    query("status", "Only these.", enum=RequestStatus.values),
]


class DepositsView(ListView):
    serializer_class = serializers.DepositSerializer

    @extend_schema(
        operation_id="list_deposits",
        tags=["account"],
        description="The deposits that the account has asked for, newest first.",
        parameters=_FILTERS,
        responses={200: serializers.DepositSerializer(many=True), **problems(400, 401, 403, 503)},
    )
    def get(self, request: Request) -> Response:
        select = partial(selectors.deposits_of, trader_of(request).account_id, **_read_filters(request))
        return self.answer_page(request, select, render_request)

    @extend_schema(
        operation_id="request_deposit",
        tags=["account"],
        description="Ask for an amount to be credited. An operator decides.",
        request=serializers.DepositRequestSerializer,
        responses={201: serializers.DepositSerializer, **problems(400, 401, 403, 413, 415, 422, 503)},
    )
    def post(self, request: Request) -> Response:
        reader = BodyReader(request.data)
        asset = reader.required("asset", read_asset)
        amount = reader.required("amount", parse_positive)
        reader.finish()
        row = funding.request_deposit(account_id=trader_of(request).account_id, asset=asset, amount=amount)
        return Response(render_request(row), status=201)


class DepositView(APIView):
    @extend_schema(
        operation_id="cancel_deposit",
        tags=["account"],
        description="Take back a deposit that is pending.",
        responses={200: serializers.DepositSerializer, **problems(400, 401, 403, 404, 409, 503)},
    )
    def delete(self, request: Request, deposit_id: int) -> Response:
        row = funding.cancel_deposit(account_id=trader_of(request).account_id, deposit_id=deposit_id)
        return Response(render_request(row))


class WithdrawalsView(ListView):
    serializer_class = serializers.WithdrawalSerializer
    scopes = {"POST": Scope.WITHDRAW}

    @extend_schema(
        operation_id="list_withdrawals",
        tags=["account"],
        description="The withdrawals that the account has asked for, newest first.",
        parameters=_FILTERS,
        responses={200: serializers.WithdrawalSerializer(many=True), **problems(400, 401, 403, 503)},
    )
    def get(self, request: Request) -> Response:
        select = partial(selectors.withdrawals_of, trader_of(request).account_id, **_read_filters(request))
        return self.answer_page(request, select, render_request)

    @extend_schema(
        operation_id="request_withdrawal",
        tags=["account"],
        description="Ask for an amount to be sent away; it is held from now on. An operator decides.",
        request=serializers.WithdrawalRequestSerializer,
        responses={201: serializers.WithdrawalSerializer, **problems(400, 401, 403, 413, 415, 422, 503)},
    )
    def post(self, request: Request) -> Response:
        reader = BodyReader(request.data)
        asset = reader.required("asset", read_asset)
        amount = reader.required("amount", parse_positive)
        destination = reader.required("destination", _read_destination)
        reader.finish()
        trader = trader_of(request)
        trader.require_recent()
        row = funding.request_withdrawal(
            account_id=trader.account_id, asset=asset, amount=amount, destination=destination
        )
        return Response(render_request(row), status=201)


class WithdrawalView(APIView):
    scopes = {"DELETE": Scope.WITHDRAW}

    @extend_schema(
        operation_id="cancel_withdrawal",
        tags=["account"],
        description="Take back a withdrawal that is pending; what it held is available again.",
        responses={200: serializers.WithdrawalSerializer, **problems(400, 401, 403, 404, 409, 503)},
    )
    def delete(self, request: Request, withdrawal_id: int) -> Response:
        row = funding.cancel_withdrawal(account_id=trader_of(request).account_id, withdrawal_id=withdrawal_id)
        return Response(render_request(row))


def _read_filters(request: Request) -> dict[str, Any]:
    reader = BodyReader(request.query_params.dict())
    asset = reader.optional("asset", read_asset)
    status = reader.optional("status", _read_status)
    reader.raise_faults()
    return {"asset_id": asset and asset.id, "status": status and str(status)}
