"""Write traders' orders and fills as CSV files, however many there are.

The law: a file has what its page's filters choose, newest first, all of it, and as the API writes it; memory is bounded by one read of rows,
under WSGI and ASGI alike. What comes in while it is written does not shift it. Free text runs no formula in a spreadsheet.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from io import StringIO
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from accounts.api.rendering import no_formula
from accounts.pages.callers import for_traders
from accounts.pages.streaming import stream_csv
from orders.api.rendering import render_order
from orders.rules import rules_of_market
from orders.selectors import orders_of
from trading.api.rendering import render_fill
from trading.pages.filters import Filters, read_fill_filters, read_order_filters
from trading.selectors import fills_of

ROWS_A_READ = 1000
BAD_REQUEST = 400

ORDER_FIELDS = (
    "id", "client_order_id", "symbol", "side", "order_type", "time_in_force", "post_only", "price", "stop_price",
    "trailing_offset", "quantity", "quote_quantity", "display_quantity", "expires_at", "filled_quantity", "filled_quote",
    "average_price", "prevented_quantity", "remaining_quantity", "status", "reason", "created_at", "updated_at",
)  # fmt: skip
FILL_FIELDS = (
    "trade_id", "order_id", "client_order_id", "symbol", "side", "liquidity", "price", "quantity", "fee", "fee_asset",
    "executed_at",
)  # fmt: skip

Select = Callable[..., Iterable[Any]]
Write = Callable[[Any], dict[str, Any]]


@require_safe
@for_traders
def orders_csv(request: HttpRequest, account_id: int) -> HttpResponseBase:
    """Write all own orders that the filters choose."""
    filters = read_order_filters(request.GET)
    return _file(request, "orders.csv", filters, ORDER_FIELDS, partial(orders_of, account_id), _order)


@require_safe
@for_traders
def fills_csv(request: HttpRequest, account_id: int) -> HttpResponseBase:
    """Write all own fills that the filters choose."""
    return _file(
        request, "fills.csv", read_fill_filters(request.GET), FILL_FIELDS, partial(fills_of, account_id), _fill
    )


def _order(order: Any) -> dict[str, Any]:
    return render_order(order, rules_of_market(order.market_id))


def _fill(fill: Any) -> dict[str, Any]:
    return render_fill(fill, rules_of_market(fill.market_id))


def _file(
    request: HttpRequest, name: str, filters: Filters, fields: Sequence[str], select: Select, write: Write
) -> HttpResponseBase:
    if filters.faults:
        return HttpResponse(
            "\n".join(filters.faults.values()), status=BAD_REQUEST, content_type="text/plain; charset=utf-8"
        )
    parts = _parts(fields, partial(select, **filters.chosen), write)
    return stream_csv(request, name, parts)


def _parts(fields: Sequence[str], select: Select, write: Write) -> Iterator[str]:
    """Write a read of rows at a time, from the newest down."""
    yield _lines([fields])
    before = None
    while True:
        rows = list(select(before=before, limit=ROWS_A_READ))
        if rows:
            yield _lines([_cells(write(row), fields) for row in rows])
        if len(rows) < ROWS_A_READ:
            return
        before = rows[-1].id


def _cells(row: dict[str, Any], fields: Sequence[str]) -> list[Any]:
    # Of all fields only this one is the trader's own words.
    row["client_order_id"] = no_formula(row["client_order_id"] or "")
    return [_cell(row[field]) for field in fields]


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
