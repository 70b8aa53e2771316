"""Read what an account is and owns.

The law: every read is of one account, in an explicit order, and costs what its docstring says.
Writing is accounts/ledger.py's; shapes are accounts/api/'s.
"""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.db import connection

from accounts.models import Account, AccountKind, Asset, Balance, User


class LedgerEntry(NamedTuple):
    """A transfer as one account sees it: what came in is positive, what went out negative."""

    id: int
    asset: str
    scale: int
    amount: Decimal
    kind: str
    trade_id: int | None
    reference: str
    created_at: datetime


# Each half walks its own index, transfers_debit or transfers_credit, from the newest down, and stops at the limit. Bounds and order
# name account and id, so that no other index serves them: PostgreSQL might walk the key, past all that others have moved.
_LEDGER = """
    SELECT entry.id, assets.code, assets.scale, entry.amount, entry.kind, entry.trade_id, entry.reference,
        entry.created_at
    FROM (
        (
            SELECT id, asset_id, -amount AS amount, kind, trade_id, reference, created_at
            FROM transfers WHERE (debit_account_id, id) < (%(account_id)s, %(before)s)
                AND (debit_account_id, id) > (%(account_id)s, 0) {conditions}
            ORDER BY debit_account_id DESC, id DESC LIMIT %(limit)s
        ) UNION ALL (
            SELECT id, asset_id, amount, kind, trade_id, reference, created_at
            FROM transfers WHERE (credit_account_id, id) < (%(account_id)s, %(before)s)
                AND (credit_account_id, id) > (%(account_id)s, 0) {conditions}
            ORDER BY credit_account_id DESC, id DESC LIMIT %(limit)s
        )
        ORDER BY id DESC LIMIT %(limit)s
    ) entry JOIN assets ON assets.id = entry.asset_id
    ORDER BY entry.id DESC
"""


def account_of_trader(account_id: int) -> Account | None:
    """Return the account with its user. One query."""
    return Account.objects.select_related("user").filter(id=account_id).first()


def trading_account_of(user: User | AnonymousUser) -> Account | None:
    """Return the account that a user trades with; None for one that has none, such as an operator. One query."""
    if not isinstance(user, User):
        return None
    return Account.objects.select_related("user").filter(user=user, kind=AccountKind.TRADER).order_by("id").first()


def asset_of_code(code: str) -> Asset | None:
    """Return the asset of that code, in any letter case. One query."""
    return Asset.objects.filter(code=code.upper()).first()


class Holding(NamedTuple):
    """What an account has of an asset, with the asset's code and scale."""

    asset: str
    scale: int
    available: Decimal
    held: Decimal


def balances_of(account_id: int) -> list[Holding]:
    """Read the account's balances by asset code. One query."""
    rows = Balance.objects.filter(account_id=account_id).order_by("asset__code")
    return [Holding._make(row) for row in rows.values_list("asset__code", "asset__scale", "available", "held")]


def ledger_of(
    account_id: int, *, asset_id: int | None = None, kind: str | None = None, before: int | None = None, limit: int
) -> list[LedgerEntry]:
    """Read the account's newest transfers below an id. One query: two limited index scans."""
    filters = {"asset_id": asset_id, "kind": kind}
    chosen = "".join(f" AND {name} = %({name})s" for name, value in filters.items() if value is not None)
    parameters = {"account_id": account_id, "before": before or 2**63 - 1, "limit": limit, **filters}
    with connection.cursor() as cursor:
        cursor.execute(_LEDGER.format(conditions=chosen), parameters)
        return [LedgerEntry._make(row) for row in cursor.fetchall()]
