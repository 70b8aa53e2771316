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


def between(least: int, most: int, *, default: int | None = None) -> dict[str, Any]:
    """Describe a whole number within bounds."""
    bounds = {"type": "integer", "minimum": least, "maximum": most}
    return bounds if default is None else {**bounds, "default": default}


ID = between(1, 2**63 - 1)
TIME = {"type": "string", "format": "date-time"}


def refuse_unknown_fields(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Say of all that can be sent that unknown fields are refused. (drf-spectacular's POSTPROCESSING_HOOKS.)"""
    schemas = result["components"]["schemas"]
    for path in result["paths"].values():
        for operation in path.values():
            for media in operation.get("requestBody", {}).get("content", {}).values():
                _close(media["schema"], schemas)
    return result


def _close(schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Allow no other properties in a schema, nor in those that it refers to."""
    name = schema.get("$ref", "").rpartition("/")[2]
    found = schemas[name] if name else schema
    if "properties" in found and "additionalProperties" not in found:
        found["additionalProperties"] = False
        for part in found["properties"].values():
            _close(part, schemas)
            _close(part.get("items", {}), schemas)
