"""Show traders their orders, fills and prevented self-trades, and let them cancel by plain forms.

The law: a page is one account's; it reads one page of rows by index, newest first, whatever there is before and after. What a form asks is done as
the API does it, and answered by going back to where it was sent from, with a message.
What may be chosen is trading/pages/filters.py's, files are exports.py's, words are words.py's and lives.py's.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import DomainError
from accounts.numbers import render as write
from accounts.pages.callers import for_traders
from orders.api.rendering import render_order
from orders.changes import cancel_all, wait_until_taken
from orders.models import Market, Order
from orders.rules import MarketRules, rules_of_market
from orders.selectors import count_open_orders, orders_of, own_order
from orders.terms import OPEN_STATUSES, Side
from trading.api.rendering import render_fill, render_history, render_prevention
from trading.models import Prevention
from trading.pages import tickets
from trading.pages.filters import SIDES, STATUSES, Filters, read_fill_filters, read_no_filters, read_order_filters
from trading.pages.lives import tell_status, tell_step
from trading.pages.words import became_of, terms_of
from trading.selectors import Fill, fills_of, preventions_of, read_history

ROWS = 50
FILLS_MAX = 1000
"""More fills of one order are not listed on its page; /orders/fills has them all."""
BAD_REQUEST = 400
BADGES = {"Filled": "good", "Rejected": "bad", "Canceled": "quiet", "Expired": "quiet"}


@require_safe
@for_traders
def orders_page(request: HttpRequest, account_id: int) -> HttpResponse:
    """List own orders, newest first. Two queries, beside those for who asks."""
    return _list(request, "orders", read_order_filters(request.GET), partial(orders_of, account_id), order_row)


@require_safe
@for_traders
def fills_page(request: HttpRequest, account_id: int) -> HttpResponse:
    """List own fills, newest first."""
    return _list(request, "fills", read_fill_filters(request.GET), partial(fills_of, account_id), fill_row)


@require_safe
@for_traders
def preventions_page(request: HttpRequest, account_id: int) -> HttpResponse:
    """List the trades with themselves that the trader was kept from, newest first."""
    select = partial(preventions_of, account_id)
    return _list(request, "preventions", read_no_filters(request.GET), select, prevention_row)


def _list(
    request: HttpRequest,
    view: str,
    filters: Filters,
    select: Callable[..., Iterable[Any]],
    make_row: Callable[[Any], dict[str, Any]],
) -> HttpResponse:
    found = [] if filters.faults else list(select(**filters.chosen, before=filters.before, limit=ROWS + 1))
    rows = found[:ROWS]
    context = {
        "nav": "orders",
        "view": view,
        "rows": [make_row(row) for row in rows],
        "first_page": f"?{filters.words}" if filters.before else None,
        "next_page": "?" + filters.words_before(rows[-1].id) if len(found) > ROWS else None,
        "filters": filters,
        "has_filters": any(filters.typed.values()),
        "symbols": list(Market.objects.order_by("symbol").values_list("symbol", flat=True)),
        "sides": SIDES,
        "statuses": STATUSES,
    }
    return render(request, f"trading/{view}.html", context, status=BAD_REQUEST if filters.faults else None)


def order_row(order: Order) -> dict[str, Any]:
    """Write an order for its row: as the API does, with its terms and what its status looks like."""
    shown = render_order(order, rules_of_market(order.market_id))
    is_open = order.status in OPEN_STATUSES
    return {
        **shown,
        "terms": terms_of(shown),
        "time": _time(shown["created_at"]),
        "is_open": is_open,
        "badge": "warn" if is_open else BADGES[order.status],
        "why": tell_status(shown),
    }


def fill_row(fill: Fill) -> dict[str, Any]:
    """Write a fill for its row, with what it came to in the quote asset."""
    rules = rules_of_market(fill.market_id)
    shown = render_fill(fill, rules)
    amount = write(fill.price * fill.quantity, rules.quote_scale)
    return {**shown, "time": _time(shown["executed_at"]), "amount": amount, "quote": rules.quote}


def prevention_row(prevention: Prevention) -> dict[str, Any]:
    shown = render_prevention(prevention, rules_of_market(prevention.market_id))
    return {**shown, "time": _time(shown["prevented_at"])}


def _time(rfc_3339: str) -> str:
    """2026-11-25 03:04:05 of a time as the API writes it."""
    return rfc_3339[:19].replace("T", " ")


# -- one order -----------------------------------------------------------------------------------------


@require_safe
@for_traders
def order_page(request: HttpRequest, account_id: int, order_id: int) -> HttpResponse:
    """Show all there is to say of an own order: its terms, how it stands and why, its fills, and its life."""
    order = _own_order(account_id, order_id)
    rules = rules_of_market(order.market_id)
    fills = fills_of(account_id, order_id=order.id, limit=FILLS_MAX)
    steps = [render_history(entry, order.id, rules) for entry in read_history(order)]
    row = order_row(order)
    context = {
        "nav": "orders",
        "order": row,
        "rules": rules,
        "updated": _time(row["updated_at"]),
        "expires": row["expires_at"] and _time(row["expires_at"]),
        "fills": [fill_row(fill) for fill in fills],
        "has_more_fills": len(fills) == FILLS_MAX,
        "fee": _fee_of(fills, order, rules),
        "steps": [{**step, "at": _time_of_step(step["time"]), "words": tell_step(step)} for step in steps],
    }
    return render(request, "trading/order.html", context)


def _time_of_step(rfc_3339: str) -> str:
    """To the millisecond: what happened in one moment is told apart by its sequence."""
    return rfc_3339[:23].replace("T", " ")


def _fee_of(fills: list[Fill], order: Order, rules: MarketRules) -> str:
    asset, scale = (rules.base, rules.base_scale) if order.side == Side.BUY else (rules.quote, rules.quote_scale)
    return f"{sum((fill.fee for fill in fills), Decimal(0)):.{scale}f} {asset}"


def _own_order(account_id: int, order_id: int) -> Order:
    try:
        return own_order(account_id, order_id)
    except DomainError as error:
        raise Http404(error.detail) from error


# -- the end of orders ----------------------------------------------------------------------------------


@require_POST
@for_traders
def cancel_order(request: HttpRequest, account_id: int, order_id: int) -> HttpResponse:
    """Ask for the end of an own order."""
    _own_order(account_id, order_id)
    try:
        order = tickets.cancel_order(account_id, order_id)
    except DomainError as error:
        messages.error(request, error.detail)
    else:
        rules = rules_of_market(order.market_id)
        messages.success(request, became_of(render_order(order, rules), rules.base, rules.quote))
    return _back(request)


@require_http_methods(["GET", "HEAD", "POST"])
@for_traders
def cancel_all_page(request: HttpRequest, account_id: int) -> HttpResponse:
    """Ask whether all open orders are to end, in one market or in all; and then ask for it."""
    filters = read_fill_filters(request.POST if request.method == "POST" else request.GET)
    market_id = filters.chosen.get("market_id")
    if filters.faults:
        raise Http404("There is no such market.")
    if request.method == "POST":
        asked = cancel_all(account_id, market_id)
        wait_until_taken(asked.command_ids, tickets.WAIT_MS)
        messages.success(request, f"Asked for the end of {asked.open} order{'' if asked.open == 1 else 's'}.")
        return redirect("orders-page")
    counts = {
        rules_of_market(market).symbol: orders
        for market, orders in count_open_orders(account_id).items()
        if market_id in (None, market)
    }
    context = {"nav": "orders", "counts": counts, "total": sum(counts.values()), "symbol": filters.typed["symbol"]}
    return render(request, "trading/cancel_all.html", context)


def _back(request: HttpRequest) -> HttpResponseRedirect:
    """Go to where the form says that it was sent from, if that is here."""
    page = request.POST.get("next", "")
    is_here = url_has_allowed_host_and_scheme(
        page, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(page if is_here else reverse("orders-page"))
