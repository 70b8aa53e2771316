"""Document the errors of an operation in the OpenAPI schema.

The law: an operation lists the statuses it can answer with; each is a problem.
The problems themselves are accounts/api/problems.py.
"""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from accounts.api.serializers import ProblemSerializer
from accounts.errors import STATUS_OF_CODE


def problems(*statuses: int) -> dict[Any, Any]:
    """List the error replies with these statuses."""
    return {
        (status, "application/problem+json"): OpenApiResponse(
            ProblemSerializer, ", ".join(code for code, of in STATUS_OF_CODE.items() if of == status)
        )
        for status in statuses
    }


def query(name: str, description: str, *, schema: Any = str, required: bool = False, enum: Any = None) -> OpenApiParameter:
    """Describe a query parameter."""
    return OpenApiParameter(name, schema, description=description, required=required, enum=enum)
