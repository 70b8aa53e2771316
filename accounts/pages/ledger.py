"""Show all that moved in or out of a trader's account, on pages and as a file.

The law: page and file have the same filters, and the file has every row that they choose, read page by page.
Reading is accounts/selectors.py's, what an entry shows accounts/api/rendering.py's.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts import selectors
from accounts.api.rendering import render_entry, write_ledger
from accounts.assets import read_asset
from accounts.bodies import BodyReader, read_id, term_reader
from accounts.errors import DomainError, refusal
from accounts.models import Account, Asset, TransferKind
from accounts.pages.access import trader_required
from accounts.pages.faults import faults_of
from accounts.pages.streaming import stream_csv

ROWS_A_PAGE = 50
ROWS_A_READ = 1000
FILTERS = ("asset", "kind", "from", "to")
EARLIEST, LATEST = date(1970, 1, 2), date(9000, 1, 1)
_read_kind = term_reader(TransferKind)


class Chosen(NamedTuple):
    """What is to be shown."""

    asset_id: int | None
    kind: str | None
    since: datetime | None
    until: datetime | None

    def select(self, account_id: int) -> Any:
        """Make the read of these: call it with before and limit."""
        within = selectors.transfers_between(self.since, self.until)
        return partial(selectors.ledger_of, account_id, **self._asdict(), within=within)


@trader_required
@require_safe
def ledger_page(request: HttpRequest, account: Account) -> HttpResponse:
    """Show a page of entries, newest first."""
    typed = {name: request.GET.get(name, "").strip() for name in FILTERS}
    rows: list[selectors.LedgerEntry] = []
    faults: dict[str, list[str]] = {}
    try:
        chosen = _read(typed)
        before = read_id("cursor", request.GET["cursor"]) if "cursor" in request.GET else None
        rows = chosen.select(account.id)(before=before, limit=ROWS_A_PAGE + 1)
    except DomainError as error:
        faults = faults_of(error, FILTERS)
    kept = {name: text for name, text in typed.items() if text}
    following = {**kept, "cursor": rows[ROWS_A_PAGE - 1].id} if len(rows) > ROWS_A_PAGE else None
    context = {
        "nav": "portfolio",
        "part": "ledger",
        "typed": typed,
        "faults": faults,
        "assets": Asset.objects.order_by("code"),
        "kinds": TransferKind.choices,
        "rows": [_shown(row) for row in rows[:ROWS_A_PAGE]],
        "is_filtered": bool(kept),
        "first_page": "?" + urlencode(kept) if "cursor" in request.GET else None,
        "next_page": following and "?" + urlencode(following),
        "csv": reverse("ledger-csv") + ("?" + urlencode(kept) if kept else ""),
    }
    return render(request, "accounts/ledger.html", context, status=400 if faults else 200)


@trader_required
@require_safe
def ledger_csv(request: HttpRequest, account: Account) -> HttpResponseBase:
    """Send every entry that the filters choose, newest first."""
    typed = {name: request.GET.get(name, "").strip() for name in FILTERS}
    try:
        chosen = _read(typed)
    except DomainError:
        # The page says what is wrong.
        return redirect(reverse("ledger-page") + "?" + urlencode(typed))
    return stream_csv(request, f"ledger-{account.id}.csv", _write(chosen, account.id))


def _write(chosen: Chosen, account_id: int) -> Iterator[str]:
    select, before = chosen.select(account_id), None
    yield write_ledger([])
    while rows := select(before=before, limit=ROWS_A_READ):
        yield write_ledger(map(render_entry, rows), with_header=False)
        before = rows[-1].id


def _shown(row: selectors.LedgerEntry) -> dict[str, Any]:
    entry = render_entry(row)
    sign = "" if entry["amount"].startswith("-") else "+"
    what = f"trade {row.trade_id}" if row.trade_id is not None else row.reference
    return entry | {"amount": sign + entry["amount"], "reference": what}


def _read(typed: dict[str, str]) -> Chosen:
    """Read the filters. Raises DomainError invalid_value, naming each that is wrong."""
    reader = BodyReader({name: text for name, text in typed.items() if text})
    asset = reader.optional("asset", read_asset)
    kind = reader.optional("kind", _read_kind)
    first, last = reader.optional("from", _read_date), reader.optional("to", _read_date)
    if first and last and last < first:
        reader.refuse("to", "invalid_value", f"to must not be before from, {first}.", limit=str(first), value=str(last))
    reader.raise_faults()
    return Chosen(
        asset and asset.id,
        kind and str(kind),
        first and _midnight(first),
        last and _midnight(last + timedelta(days=1)),
    )


def _read_date(field: str, value: str) -> date:
    try:
        found = date.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or not EARLIEST <= found <= LATEST:
        message = f"{field} must be a date such as 2026-01-31, from {EARLIEST} to {LATEST}."
        limit = str(EARLIEST if found is not None and found < EARLIEST else LATEST)
        raise refusal("invalid_value", field, message, limit=limit, value=value[:64])
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
