"""Show a market to trade in, and take orders by plain forms.

The law: the page is whole without scripts, and public; what is asked by a form is answered by the page itself, with what was
typed and why it was refused, or by going back to it. Scripts ask by the API instead, and get the same answers.
What a form says is trading/pages/tickets.py's, what is shown trading/pages/board.py's.
"""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.errors import DomainError
from accounts.models import Account
from accounts.selectors import trading_account_of
from orders.api.rendering import render_order
from orders.changes import cancel_all, wait_until_taken
from orders.models import Market
from orders.rules import MarketRules, rules_of_symbol
from orders.selectors import markets_with_state
from orders.terms import OrderStatus
from trading.intervals import CandleInterval
from trading.pages import board, tickets, words
from trading.pages.tickets import Ticket

CONFLICT = 409


@require_safe
def trade_page(request: HttpRequest, symbol: str) -> HttpResponse:
    """Show a market. The address may fill the ticket in: ?side=Sell&price=50000."""
    return _page(request, symbol, Ticket.of(request.GET))


@require_safe
def any_market(_request: HttpRequest) -> HttpResponse:
    """Go to the first market."""
    first = markets_with_state().first()
    return redirect("markets-page") if first is None else redirect("trade-page", first.symbol.replace("/", "-"))


def place_order(request: HttpRequest, symbol: str) -> HttpResponse:
    """Place the order of the ticket."""
    if request.method != "POST":
        return redirect("trade-page", symbol)
    ticket = Ticket.of(request.POST)
    if not request.user.is_authenticated:
        return redirect_to_login(f"{reverse('trade-page', args=[symbol])}?{urlencode(ticket.asked())}")
    account, rules = _account(request), _rules(symbol)
    try:
        order = render_order(tickets.place_ticket(account.id, ticket, rules), rules)
    except DomainError as error:
        ticket.refuse(error)
        return _page(request, symbol, ticket, status=error.status)
    sentence = words.became_of(order, rules.base, rules.quote)
    if order["status"] == OrderStatus.REJECTED:
        ticket.reject(sentence)
        return _page(request, symbol, ticket, status=CONFLICT)
    messages.success(request, sentence)
    return redirect("trade-page", symbol)


def amend_order(request: HttpRequest, symbol: str, order_id: int) -> HttpResponse:
    """Ask for another quantity or price of an own order."""
    if request.method != "POST" or not request.user.is_authenticated:
        return _to_page(request, symbol)
    account, rules = _account(request), _rules(symbol)
    try:
        order = render_order(tickets.amend_order(account.id, order_id, request.POST), rules)
    except DomainError as error:
        _raise_not_found(error)
        typed = {name: request.POST.get(name, "")[:40] for name in ("quantity", "price")}
        amendment = {"order_id": order_id, "alert": error.detail, **typed}
        return _page(request, symbol, Ticket.of({}), status=error.status, amendment=amendment)
    messages.success(request, words.became_of(order, rules.base, rules.quote))
    return redirect("trade-page", symbol)


def cancel_order(request: HttpRequest, symbol: str, order_id: int) -> HttpResponse:
    """Ask for the end of an own order."""
    if request.method != "POST" or not request.user.is_authenticated:
        return _to_page(request, symbol)
    account, rules = _account(request), _rules(symbol)
    try:
        order = render_order(tickets.cancel_order(account.id, order_id), rules)
    except DomainError as error:
        _raise_not_found(error)
        messages.error(request, error.detail)
    else:
        messages.success(request, words.became_of(order, rules.base, rules.quote))
    return redirect("trade-page", symbol)


def cancel_orders(request: HttpRequest, symbol: str) -> HttpResponse:
    """Ask for the end of all own orders in the market."""
    if request.method != "POST" or not request.user.is_authenticated:
        return _to_page(request, symbol)
    account, rules = _account(request), _rules(symbol)
    asked = cancel_all(account.id, rules.market_id)
    wait_until_taken(asked.command_ids, tickets.WAIT_MS)
    messages.success(request, f"Asked for the end of {asked.open} order{'' if asked.open == 1 else 's'}.")
    return redirect("trade-page", symbol)


def _page(
    request: HttpRequest, symbol: str, ticket: Ticket, *, status: int = 200, amendment: dict[str, Any] | None = None
) -> HttpResponse:
    markets = {market.symbol: market for market in markets_with_state()}
    market = markets.get(symbol.upper().replace("-", "/"))
    if market is None:
        context: dict[str, Any] = {"nav": "trade", "asked": symbol, "markets": _links(markets)}
        return render(request, "trading/no_market.html", context, status=404)
    rules = board.rules_now(market)
    account = trading_account_of(request.user)
    context = {
        "nav": "trade",
        "market": board.script_data(market, rules),
        "markets": _links(markets),
        "ticket": ticket,
        "choices": tickets.choices(),
        "intervals": [str(interval) for interval in CandleInterval],
        "amendment": amendment,
        **board.read_board(market, rules),
        "own": None if account is None else board.read_own(account, rules),
    }
    return render(request, "trading/trade.html", context, status=status)


def _links(markets: dict[str, Market]) -> list[dict[str, str]]:
    return [{"symbol": symbol, "slug": symbol.replace("/", "-")} for symbol in markets]


def _to_page(request: HttpRequest, symbol: str) -> HttpResponse:
    """Go to the page: who has typed a form's address, at once; who has signed out meanwhile, by signing in."""
    page = reverse("trade-page", args=[symbol])
    return redirect_to_login(page) if request.method == "POST" else redirect(page)


def _account(request: HttpRequest) -> Account:
    account = trading_account_of(request.user)
    if account is None:
        raise PermissionDenied("This user has no trading account.")
    return account


def _rules(symbol: str) -> MarketRules:
    try:
        return rules_of_symbol(symbol)
    except DomainError as error:
        raise Http404(error.detail) from error


def _raise_not_found(error: DomainError) -> None:
    if error.code == "not_found":
        raise Http404(error.detail) from error
