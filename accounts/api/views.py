"""Serve accounts: registration, sessions, and what an account owns.

The law: a view reads the request, makes one call and renders; it decides nothing.
Rules are in accounts/registration.py, sessions.py and selectors.py.
"""

from functools import partial

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import limits, selectors
from accounts.api import serializers
from accounts.api.authentication import trader_of
from accounts.api.lists import ListView
from accounts.api.rendering import LedgerCSVRenderer, render_account, render_entry
from accounts.api.schema import problems, query
from accounts.bodies import BodyReader, secret_reader, term_reader, text_reader
from accounts.errors import DomainError, refusal
from accounts.identity import ask_to_confirm
from accounts.models import TransferKind
from accounts.registration import PASSWORD_LENGTH_MAX, register_trader
from accounts.rendering import render_balance
from accounts.sessions import end_session, open_session, renew_session

_read_email = text_reader(254)
_read_password = secret_reader(PASSWORD_LENGTH_MAX)
_read_otp = secret_reader(64)
_read_token = secret_reader(4096)
_read_code = text_reader(16)
_read_kind = term_reader(TransferKind)


class RegisterView(APIView):
    """Register as a trader. The address gets a mail to confirm it, which trading does not wait for."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="register",
        tags=["authentication"],
        request=serializers.RegistrationRequestSerializer,
        responses={201: serializers.RegistrationSerializer, **problems(400, 413, 415, 429, 503)},
    )
    def post(self, request: Request) -> Response:
        reader = BodyReader(request.data)
        email = reader.required("email", _read_email)
        password = reader.required("password", _read_password)
        reader.finish()
        limits.count_sign_up(request._request)
        user, account = register_trader(email=email, password=password)
        ask_to_confirm(request._request, user)
        return Response({"user_id": user.id, "account_id": account.id, "email": user.email}, status=201)


class TokenView(APIView):
    """Sign in: an access token for 15 minutes, and a refresh token for 7 days."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="sign_in",
        tags=["authentication"],
        request=serializers.TokenRequestSerializer,
        responses={200: serializers.TokensSerializer, **problems(400, 401, 403, 413, 415, 429, 503)},
    )
    def post(self, request: Request) -> Response:
        reader = BodyReader(request.data)
        email = reader.required("email", _read_email)
        password = reader.required("password", _read_password)
        otp = reader.optional("otp", _read_otp)
        reader.finish()
        return Response(open_session(request._request, email=email, password=password, otp=otp)._asdict())


class TokenRefreshView(APIView):
    """Trade a refresh token for a new pair; the old one works no more."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="refresh_tokens",
        tags=["authentication"],
        request=serializers.RefreshRequestSerializer,
        responses={200: serializers.TokensSerializer, **problems(400, 401, 413, 415, 503)},
    )
    def post(self, request: Request) -> Response:
        return Response(renew_session(refresh=_read_refresh(request))._asdict())


class LogoutView(APIView):
    """Revoke a refresh token. The access token runs out by itself."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="sign_out",
        tags=["authentication"],
        request=serializers.RefreshRequestSerializer,
        responses={204: OpenApiResponse(description="Revoked."), **problems(400, 401, 413, 415, 503)},
    )
    def post(self, request: Request) -> Response:
        end_session(refresh=_read_refresh(request))
        return Response(status=204)


def _read_refresh(request: Request) -> str:
    reader = BodyReader(request.data)
    refresh: str = reader.required("refresh", _read_token)
    reader.finish()
    return refresh


class AccountView(APIView):
    """The caller's account."""

    @extend_schema(
        operation_id="get_account",
        tags=["account"],
        responses={200: serializers.AccountSerializer, **problems(400, 401, 403, 503)},
    )
    def get(self, request: Request) -> Response:
        account = selectors.account_of_trader(trader_of(request).account_id)
        if account is None:
            raise DomainError("not_found", "There is no such account any more.")
        return Response(render_account(account))


class BalancesView(APIView):
    """What the account owns: free to use, and held for its open orders."""

    @extend_schema(
        operation_id="list_balances",
        tags=["account"],
        responses={200: serializers.BalancesSerializer, **problems(400, 401, 403, 503)},
    )
    def get(self, request: Request) -> Response:
        holdings = selectors.balances_of(trader_of(request).account_id)
        return Response({"results": [render_balance(holding) for holding in holdings]})


class LedgerView(ListView):
    """All that moved in or out of the account, newest first; as CSV too, the next page's cursor in X-Next-Cursor."""

    renderer_classes = [*APIView.renderer_classes, LedgerCSVRenderer]
    serializer_class = serializers.LedgerEntrySerializer

    @extend_schema(
        operation_id="list_ledger",
        tags=["account"],
        parameters=[
            query("asset", "Only this asset, e.g. USD."),
            query("kind", "Only this kind.", enum=TransferKind.values),
        ],
        responses={200: serializers.LedgerEntrySerializer(many=True), **problems(400, 401, 403, 503)},
    )
    def get(self, request: Request) -> Response:
        reader = BodyReader(request.query_params.dict())
        code = reader.optional("asset", _read_code)
        kind = reader.optional("kind", _read_kind)
        reader.raise_faults()
        asset = None if code is None else selectors.asset_of_code(code)
        if code is not None and asset is None:
            raise refusal("invalid_value", "asset", f"There is no asset {code}.", value=code)
        select = partial(
            selectors.ledger_of,
            trader_of(request).account_id,
            asset_id=asset.id if asset else None,
            kind=kind and str(kind),
        )
        response = self.answer_page(request, select, render_entry)
        if response.data["next_cursor"] is not None:
            response["X-Next-Cursor"] = response.data["next_cursor"]
        return response
