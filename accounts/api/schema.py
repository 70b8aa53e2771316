"""Document how callers sign in, and the errors of an operation, in the OpenAPI schema.

The law: an operation lists the statuses it can answer with; each error is a problem.
The problems themselves are accounts/api/problems.py, authentication is authentication.py.
"""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from accounts.api.authentication import HEADERS, KEY_HEADER
from accounts.api.serializers import ProblemSerializer
from accounts.errors import STATUS_OF_CODE


class AccessTokenScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.api.authentication.TraderAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """Three headers that go together."""

    target_class = "accounts.api.authentication.ApiKeyAuthentication"
    name = ["apiKey", "apiTimestamp", "apiSignature"]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        described = {
            KEY_HEADER: "The key's public name.",
            HEADERS.timestamp: f"Milliseconds since 1970 UTC; good for {HEADERS.recv_window} ms.",
            HEADERS.signature: "Over timestamp + METHOD + path with query + body: HMAC-SHA256 in hex, or Ed25519 in base64.",
        }
        return [
            {"type": "apiKey", "in": "header", "name": name, "description": text} for name, text in described.items()
        ]


TOKEN_ONLY: Any = [{AccessTokenScheme.name: []}]
"""The `auth` of an operation that no API key may use."""


def problems(*statuses: int) -> dict[Any, Any]:
    """List the error replies with these statuses."""
    return {
        (status, "application/problem+json"): OpenApiResponse(
            ProblemSerializer, ", ".join(code for code, of in STATUS_OF_CODE.items() if of == status)
        )
        for status in statuses
    }


def query(
    name: str, description: str, *, schema: Any = str, enum: Any = None, required: bool = False
) -> OpenApiParameter:
    """Describe a query parameter."""
    return OpenApiParameter(name, schema, description=description, enum=enum, required=required)
