"""Show a trader's deposits and withdrawals, and let them ask for more.

The law: whatever is refused is said beside its field, and what was typed stays; whoever wants to withdraw proves again who they
are; what is done is done once, since an answer to a form leads to another page.
What becomes of a request is accounts/funding.py's.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts import funding, selectors
from accounts.api.rendering import render_request
from accounts.assets import read_asset
from accounts.bodies import BodyReader, read_id, text_reader
from accounts.confirmation import has_confirmed_email
from accounts.errors import DomainError
from accounts.models import DESTINATION_LENGTH_MAX, Asset, FundingRequest
from accounts.numbers import parse_positive
from accounts.numbers import render as write
from accounts.pages.callers import for_traders
from accounts.pages.faults import faults_of

ROWS_A_PAGE = 50
_BADGES = {"Pending": "warn", "Completed": "good", "Rejected": "bad", "Canceled": "quiet"}
_read_destination = text_reader(DESTINATION_LENGTH_MAX)


@require_http_methods(["GET", "HEAD", "POST"])
@for_traders
def deposits_page(request: HttpRequest, account_id: int) -> HttpResponse:
    """List deposits, and ask for one."""

    def ask(reader: BodyReader) -> FundingRequest:
        asset = reader.required("asset", read_asset)
        amount = reader.required("amount", parse_positive)
        reader.finish()
        return funding.request_deposit(account_id=account_id, asset=asset, amount=amount)

    return _answer(request, account_id, "deposits", ("asset", "amount"), ask, selectors.deposits_of)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication_required
@for_traders
def withdrawals_page(request: HttpRequest, account_id: int) -> HttpResponse:
    """List withdrawals, and ask for one."""

    def ask(reader: BodyReader) -> FundingRequest:
        asset = reader.required("asset", read_asset)
        amount = reader.required("amount", parse_positive)
        destination = reader.required("destination", _read_destination)
        reader.finish()
        return funding.request_withdrawal(account_id=account_id, asset=asset, amount=amount, destination=destination)

    more = {"is_confirmed": has_confirmed_email(int(request.user.pk or 0))}
    fields = ("asset", "amount", "destination")
    return _answer(request, account_id, "withdrawals", fields, ask, selectors.withdrawals_of, more)


@require_POST
@for_traders
def cancel_deposit(request: HttpRequest, account_id: int, deposit_id: int) -> HttpResponse:
    return _cancel(request, "deposits", lambda: funding.cancel_deposit(account_id=account_id, deposit_id=deposit_id))


@require_POST
@for_traders
def cancel_withdrawal(request: HttpRequest, account_id: int, withdrawal_id: int) -> HttpResponse:
    return _cancel(
        request, "withdrawals", lambda: funding.cancel_withdrawal(account_id=account_id, withdrawal_id=withdrawal_id)
    )


def _answer(
    request: HttpRequest,
    account_id: int,
    kind: str,
    fields: Iterable[str],
    ask: Callable[[BodyReader], FundingRequest],
    select: Callable[..., list[Any]],
    more: Mapping[str, Any] | None = None,
) -> HttpResponse:
    typed = {name: request.POST.get(name, "").strip() for name in fields}
    faults: dict[str, list[str]] = {}
    if request.method == "POST":
        try:
            row = ask(BodyReader({name: text for name, text in typed.items() if text}))
        except DomainError as error:
            faults = faults_of(error, typed)
        else:
            shown = render_request(row)
            messages.success(request, f"Asked for: {row}, {shown['amount']} {shown['asset']}.")
            return HttpResponseRedirect(request.path)
    rows = select(account_id, before=_read_cursor(request), limit=ROWS_A_PAGE + 1)
    context = {
        "nav": "portfolio",
        "part": kind,
        "typed": typed,
        "faults": faults,
        "assets": _assets(account_id),
        "rows": [
            render_request(row) | {"badge": _BADGES[row.status], "asked": f"{row.created_at:%Y-%m-%d %H:%M:%S}"}
            for row in rows[:ROWS_A_PAGE]
        ],
        "first_page": request.path if "cursor" in request.GET else None,
        "next_page": f"?cursor={rows[ROWS_A_PAGE - 1].pk}" if len(rows) > ROWS_A_PAGE else None,
        **(more or {}),
    }
    return render(request, f"accounts/{kind}.html", context, status=400 if faults else 200)


def _assets(account_id: int) -> list[dict[str, Any]]:
    """List all assets, with what the account has of each."""
    owned = {holding.asset: holding for holding in selectors.balances_of(account_id)}
    return [
        {
            "code": asset.code,
            "name": asset.name,
            "available": write(owned[asset.code].available if asset.code in owned else Decimal(0), asset.scale),
        }
        for asset in Asset.objects.order_by("code")
    ]


def _read_cursor(request: HttpRequest) -> int | None:
    """Read where the page starts; what is no cursor is the first page."""
    try:
        return read_id("cursor", request.GET["cursor"]) if "cursor" in request.GET else None
    except DomainError:
        return None


def _cancel(request: HttpRequest, kind: str, cancel: Callable[[], FundingRequest]) -> HttpResponse:
    try:
        row = cancel()
    except DomainError as error:
        if error.code == "not_found":
            raise Http404 from error
        messages.error(request, error.detail)
    else:
        messages.success(request, f"Canceled: {row}.")
    return redirect(f"{kind}-page")
