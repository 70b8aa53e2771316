"""Show a trader's deposits and withdrawals, and let them ask for more.

The law: whatever is refused is said beside its field, and what was typed stays; whoever wants to withdraw proves again who they
are; what is done is done once, since an answer to a form leads to another page.
What becomes of a request is accounts/funding.py's.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts import funding, selectors
from accounts.api.rendering import render_request
from accounts.assets import read_asset
from accounts.bodies import BodyReader, read_id, text_reader
from accounts.confirmation import has_confirmed_email
from accounts.errors import DomainError
from accounts.models import DESTINATION_LENGTH_MAX, Account, Asset, FundingRequest
from accounts.numbers import parse_positive
from accounts.numbers import render as write
from accounts.pages.access import trader_required
from accounts.pages.faults import faults_of

ROWS_A_PAGE = 50
_BADGES = {"Pending": "warn", "Completed": "good", "Rejected": "bad", "Canceled": "quiet"}
_read_destination = text_reader(DESTINATION_LENGTH_MAX)


@trader_required
@require_http_methods(["GET", "HEAD", "POST"])
def deposits_page(request: HttpRequest, account: Account) -> HttpResponse:
    """List deposits, and ask for one."""

    def ask(reader: BodyReader) -> FundingRequest:
        asset = reader.required("asset", read_asset)
        amount = reader.required("amount", parse_positive)
        reader.finish()
        return funding.request_deposit(account_id=account.id, asset=asset, amount=amount)

    return _answer(request, account, "deposits", ("asset", "amount"), ask, selectors.deposits_of)


@trader_required
@require_http_methods(["GET", "HEAD", "POST"])
@reauthentication_required
def withdrawals_page(request: HttpRequest, account: Account) -> HttpResponse:
    """List withdrawals, and ask for one."""

    def ask(reader: BodyReader) -> FundingRequest:
        asset = reader.required("asset", read_asset)
        amount = reader.required("amount", parse_positive)
        destination = reader.required("destination", _read_destination)
        reader.finish()
        return funding.request_withdrawal(account_id=account.id, asset=asset, amount=amount, destination=destination)

    more = {"is_confirmed": has_confirmed_email(account.user_id or 0)}
    fields = ("asset", "amount", "destination")
    return _answer(request, account, "withdrawals", fields, ask, selectors.withdrawals_of, more)


@trader_required
@require_POST
def cancel_deposit(request: HttpRequest, account: Account, deposit_id: int) -> HttpResponse:
    return _cancel(request, "deposits", lambda: funding.cancel_deposit(account_id=account.id, deposit_id=deposit_id))


@trader_required
@require_POST
def cancel_withdrawal(request: HttpRequest, account: Account, withdrawal_id: int) -> HttpResponse:
    return _cancel(
        request, "withdrawals", lambda: funding.cancel_withdrawal(account_id=account.id, withdrawal_id=withdrawal_id)
    )


def _answer(
    request: HttpRequest,
    account: Account,
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
    rows = select(account.id, before=_read_cursor(request), limit=ROWS_A_PAGE + 1)
    context = {
        "nav": "portfolio",
        "part": kind,
        "account": account,
        "typed": typed,
        "faults": faults,
        "assets": _assets(account),
        "rows": [render_request(row) | {"badge": _BADGES[row.status]} for row in rows[:ROWS_A_PAGE]],
        "next_cursor": rows[ROWS_A_PAGE - 1].pk if len(rows) > ROWS_A_PAGE else None,
        "is_later_page": "cursor" in request.GET,
        **(more or {}),
    }
    return render(request, f"accounts/{kind}.html", context, status=400 if faults else 200)


def _assets(account: Account) -> list[dict[str, Any]]:
    """List all assets, with what the account has of each."""
    owned = {holding.asset: holding for holding in selectors.balances_of(account.id)}
    return [
        {
            "code": asset.code,
            "name": asset.name,
            "available": write(owned[asset.code].available if asset.code in owned else 0, asset.scale),
        }
        for asset in Asset.objects.order_by("code")
    ]


def _read_cursor(request: HttpRequest) -> int | None:
    """Read where the page starts; what is no cursor is the first page."""
    try:
        return read_id("cursor", request.GET["cursor"]) if "cursor" in request.GET else None  # type: ignore[no-any-return]
    except DomainError:
        return None


def _cancel(request: HttpRequest, kind: str, cancel: Callable[[], FundingRequest]) -> HttpResponse:
    try:
        row = cancel()
    except DomainError as error:
        if error.code == "not_found":
            return render(request, "404.html", status=404)
        messages.error(request, error.detail)
    else:
        messages.success(request, f"Canceled: {row}.")
    return redirect(f"{kind}-page")
