"""Page through lists that grow, newest first.

The law: a page costs one read by index, however deep it lies: rows below an id, one more than asked for to know
whether there is a next page. Nothing is counted. The cursor is opaque to clients.
Selectors give the rows: select(before=..., limit=...) returns rows by descending id.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.bodies import BodyReader, integer_reader, read_id
from accounts.errors import DomainError, refusal

LIMIT_DEFAULT = 100
LIMIT_MAX = 1000
_read_limit = integer_reader(1, LIMIT_MAX)


class IdCursorPagination(BasePagination):
    """`?limit=&cursor=` → {results, next_cursor}."""

    next_cursor: str | None = None

    def select_page(self, request: Request, select: Callable[..., Iterable[Any]]) -> Sequence[Any]:
        """Read one page. Raises DomainError invalid_value for a bad limit or cursor."""
        reader = BodyReader(request.query_params.dict())
        limit = reader.optional("limit", _read_limit) or LIMIT_DEFAULT
        before = reader.optional("cursor", _read_cursor)
        reader.raise_faults()
        rows = list(select(before=before, limit=limit + 1))
        self.next_cursor = _write_cursor(rows[limit - 1].id) if len(rows) > limit else None
        return rows[:limit]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next_cursor"],
            "properties": {
                "results": schema,
                "next_cursor": {"type": "string", "nullable": True, "description": "Null on the last page."},
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}
        return [
            {"name": "limit", "in": "query", "schema": limit, "description": "How many results at most."},
            {
                "name": "cursor",
                "in": "query",
                "schema": {"type": "string"},
                "description": "The next_cursor of the page before.",
            },
        ]


def _write_cursor(row_id: int) -> str:
    return urlsafe_b64encode(str(row_id).encode()).decode().rstrip("=")


def _read_cursor(field: str, text: str) -> int:
    try:
        row_id: int = read_id(field, urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
    except (ValueError, DomainError) as error:
        message = f"{field} must be the next_cursor of an earlier page."
        raise refusal("invalid_value", field, message, value=text[:64]) from error
    return row_id
