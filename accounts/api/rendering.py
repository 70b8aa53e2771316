"""Write accounts, ledger entries, deposits, withdrawals and API keys as the public API shows them.

The law: an amount is a string with its asset's scale; a time is RFC 3339. Only the owner ever sees these, and nobody a secret
that is kept.
Reading is accounts/selectors.py; balances are written by accounts/rendering.py.
"""

import csv
from base64 import b64encode
from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any

from rest_framework.renderers import BaseRenderer

from accounts.models import Account, ApiKey, FundingRequest, Withdrawal
from accounts.numbers import render
from accounts.selectors import LedgerEntry
from accounts.times import render_time

LEDGER_FIELDS = ("id", "asset", "amount", "kind", "reference", "created_at")


def render_account(account: Account) -> dict[str, Any]:
    assert account.user is not None
    return {
        "id": account.id,
        "email": account.user.email,
        "status": account.status,
        "fee_tier": account.fee_tier,
        "limits": {"max_open_orders": account.max_open_orders},
    }


def render_entry(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "asset": entry.asset,
        "amount": render(entry.amount, entry.scale),
        "kind": entry.kind,
        "reference": entry.reference if entry.trade_id is None else str(entry.trade_id),
        "created_at": render_time(entry.created_at),
    }


def render_request(row: FundingRequest) -> dict[str, Any]:
    """Write a deposit or a withdrawal; its asset is loaded already."""
    return {
        "id": row.pk,
        "asset": row.asset.code,
        "amount": render(row.amount, row.asset.scale),
        "status": row.status,
        "destination": row.destination if isinstance(row, Withdrawal) else None,
        "reason": row.reason or None,
        "created_at": render_time(row.created_at),
        "updated_at": render_time(row.updated_at),
    }


def render_key(row: ApiKey) -> dict[str, Any]:
    return {
        "id": row.id,
        "key": row.key,
        "name": row.name,
        "scopes": row.scopes,
        "allowed_ips": row.allowed_ips,
        "kind": row.kind,
        "public_key": None if row.public_key is None else b64encode(row.public_key).decode(),
        "created_at": render_time(row.created_at),
        "last_used_at": None if row.last_used_at is None else render_time(row.last_used_at),
    }


class LedgerCSVRenderer(BaseRenderer):
    """Write the results of a page as CSV (RFC 4180); where the next page starts is in the X-Next-Cursor header."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> str:
        return write_ledger(data["results"])


def write_ledger(entries: Iterable[dict[str, Any]], *, with_header: bool = True) -> str:
    """Write rendered entries as CSV."""
    text = StringIO()
    rows = csv.DictWriter(text, LEDGER_FIELDS)
    if with_header:
        rows.writeheader()
    for entry in entries:
        rows.writerow({**entry, "reference": no_formula(entry["reference"])})
    return text.getvalue()


def no_formula(text: str) -> str:
    """Keep a spreadsheet from running free text that looks like a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
