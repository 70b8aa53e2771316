"""Serve API keys: make, list and revoke them.

The law: a view reads the request, makes one call and renders. Keys are managed with an access token, never with a key, so that a
key that leaks cannot make another.
What they are is accounts/issuing.py's.
"""

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.addresses import read_networks
from accounts.api import serializers
from accounts.api.authentication import trader_of
from accounts.api.rendering import render_key
from accounts.api.schema import TOKEN_ONLY, problems
from accounts.bodies import BodyReader, term_reader, text_reader
from accounts.errors import refusal
from accounts.issuing import issue_key, keys_of, revoke_key
from accounts.models import ApiKeyKind, Scope
from accounts.signatures import read_public_key

SENSITIVE = {Scope.TRADE, Scope.WITHDRAW}
"""Scopes that a key is given only by who has given the password a short while ago."""

_read_name = text_reader(64)
_read_kind = term_reader(ApiKeyKind)
_read_scope = term_reader(Scope)


class ApiKeysView(APIView):
    token_only = True

    @extend_schema(
        operation_id="list_api_keys",
        tags=["authentication"],
        description="The caller's API keys, oldest first, without their secrets.",
        auth=TOKEN_ONLY,
        responses={200: serializers.ApiKeysSerializer, **problems(401, 403, 503)},
    )
    def get(self, request: Request) -> Response:
        return Response({"results": [render_key(row) for row in keys_of(trader_of(request).account_id)]})

    @extend_schema(
        operation_id="create_api_key",
        tags=["authentication"],
        description="Make an API key. Its secret is shown this once. With `trade` or `withdraw`, sign in again if that was over 15 minutes ago.",
        auth=TOKEN_ONLY,
        request=serializers.ApiKeyRequestSerializer,
        responses={201: serializers.NewApiKeySerializer, **problems(400, 401, 403, 413, 415, 422, 503)},
    )
    def post(self, request: Request) -> Response:
        reader = BodyReader(request.data)
        name = reader.required("name", _read_name)
        scopes = reader.required("scopes", _read_scopes)
        allowed_ips = reader.optional("allowed_ips", read_networks) or []
        kind = reader.optional("kind", _read_kind) or ApiKeyKind.HMAC
        if kind == ApiKeyKind.ED25519:
            public_key = reader.optional("public_key", read_public_key)
        else:
            public_key = None
            reader.take("public_key")
            reader.must_not_have("public_key", "public_key is for Ed25519 keys.")
        reader.finish()
        if SENSITIVE & set(scopes):
            trader_of(request).require_recent()
        row, secret = issue_key(
            account_id=trader_of(request).account_id,
            name=name,
            scopes=scopes,
            allowed_ips=allowed_ips,
            kind=kind,
            public_key=public_key,
        )
        return Response({**render_key(row), "secret": secret}, status=201)


class ApiKeyView(APIView):
    token_only = True

    @extend_schema(
        operation_id="revoke_api_key",
        tags=["authentication"],
        description="Revoke an API key, at once and for good.",
        auth=TOKEN_ONLY,
        responses={204: OpenApiResponse(description="Revoked."), **problems(401, 403, 404, 503)},
    )
    def delete(self, request: Request, key_id: int) -> Response:
        revoke_key(account_id=trader_of(request).account_id, key_id=key_id)
        return Response(status=204)


def _read_scopes(field: str, value: Any) -> list[Scope]:
    if not isinstance(value, list) or not value:
        message = f"{field} must be a list of one or more of {', '.join(Scope.values)}."
        raise refusal("invalid_value", field, message, limit=Scope.values, value=str(value)[:64])
    return [_read_scope(field, one) for one in value]
