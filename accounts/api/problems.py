"""Write a refusal as the body of application/problem+json.

The law: the fields are those of the public contract, the same for a whole reply, for one order of a batch and for a
socket's error; `limit` and `value` are there only if known.
Which exception becomes which refusal is exchange/api/problems.py.
"""

from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request

from accounts.errors import DomainError, FieldError


def request_id_of(request: HttpRequest | Request) -> str:
    """Tell the name that RequestIdMiddleware gave the request."""
    return getattr(request, "request_id", "")


def problem_body(error: DomainError, request_id: str) -> dict[str, Any]:
    """Write a refusal."""
    return {
        "type": f"urn:exchange:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        "request_id": request_id,
        "errors": [_field_body(fault) for fault in error.errors],
    }


def _field_body(fault: FieldError) -> dict[str, Any]:
    body = {"field": fault.field, "code": fault.code, "message": fault.message}
    if fault.limit is not None:
        body["limit"] = fault.limit
    if fault.value is not None:
        body["value"] = fault.value
    return body
