"""Answer an operation whose results can grow, page by page.

The law: every such answer is {results, next_cursor}, read by one call of a selector: select(before=..., limit=...), which
returns rows by descending id.
How limit and cursor are read and written is the paginator's (exchange/api/pagination.py), which the settings name.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, cast

from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response


class Paginator(Protocol):
    next_cursor: str | None

    def select_page(self, request: Request, select: Callable[..., Iterable[Any]]) -> Sequence[Any]:
        """Read the page that the request asks for."""


class ListView(GenericAPIView):
    def answer_page(
        self, request: Request, select: Callable[..., Iterable[Any]], render: Callable[[Any], dict[str, Any]]
    ) -> Response:
        """Answer with one page. Raises DomainError invalid_value for a bad limit or cursor."""
        paginator = cast("Paginator", self.paginator)
        rows = paginator.select_page(request, select)
        return Response({"results": [render(row) for row in rows], "next_cursor": paginator.next_cursor})
