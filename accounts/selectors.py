"""Read what an account is and owns.

The law: every read is of one account, in an explicit order, and costs what its docstring says.
Writing is accounts/ledger.py's; shapes are accounts/api/'s.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.db.models import Manager, QuerySet

from accounts.models import Account, AccountKind, Asset, Balance, Deposit, FundingRequest, Transfer, User, Withdrawal

IN_FLIGHT_MAX = timedelta(hours=1)
"""No transaction that writes transfers takes so long."""

_BEYOND = 2**63 - 1

Request = TypeVar("Request", bound=FundingRequest)


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
                AND (debit_account_id, id) > (%(account_id)s, %(after)s) {conditions}
            ORDER BY debit_account_id DESC, id DESC LIMIT %(limit)s
        ) UNION ALL (
            SELECT id, asset_id, amount, kind, trade_id, reference, created_at
            FROM transfers WHERE (credit_account_id, id) < (%(account_id)s, %(before)s)
                AND (credit_account_id, id) > (%(account_id)s, %(after)s) {conditions}
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


class IdRange(NamedTuple):
    """Ids above `after` and below `before`."""

    after: int
    before: int


ALL_IDS = IdRange(0, _BEYOND)


def ledger_of(
    account_id: int,
    *,
    asset_id: int | None = None,
    kind: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    within: IdRange = ALL_IDS,
    before: int | None = None,
    limit: int,
) -> list[LedgerEntry]:
    """Read the account's newest transfers below an id; of times from `since` on and before `until`. One query: two limited index scans.

    Bounds of time are no help to an index, so whoever gives them gives the ids `within` which they are (transfers_between).
    """
    filters = {
        "asset_id = %(asset_id)s": asset_id,
        "kind = %(kind)s": kind,
        "created_at >= %(since)s": since,
        "created_at < %(until)s": until,
    }
    chosen = "".join(f" AND {condition}" for condition, value in filters.items() if value is not None)
    parameters = {
        "account_id": account_id, "asset_id": asset_id, "kind": kind, "since": since, "until": until, "limit": limit,
        "after": within.after, "before": min(before or _BEYOND, within.before),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_LEDGER.format(conditions=chosen), parameters)
        return [LedgerEntry._make(row) for row in cursor.fetchall()]


def transfers_between(since: datetime | None, until: datetime | None) -> IdRange:
    """Find ids between which all transfers of that time are. Some sixty reads of one row at most, however many there are.

    A transfer's time is when its transaction began, so it ascends with the ids but for what was in flight together.
    """
    return IdRange(
        0 if since is None else _first_transfer_from(since - IN_FLIGHT_MAX) - 1,
        _BEYOND if until is None else _first_transfer_from(until + IN_FLIGHT_MAX),
    )


def _first_transfer_from(time: datetime) -> int:
    """Return the id of a transfer of that time or later, before which none is; one beyond all where there is none."""
    low, high = 1, (Transfer.objects.order_by("-id").values_list("id", flat=True).first() or 0) + 1
    while low < high:
        middle = (low + high) // 2
        found = Transfer.objects.filter(id__gte=middle).order_by("id").values_list("id", "created_at").first()
        if found is None or found[1] >= time:
            high = middle
        else:
            low = found[0] + 1
    return low


def deposits_of(
    account_id: int, *, asset_id: int | None = None, status: str | None = None, before: int | None = None, limit: int
) -> list[Deposit]:
    """Read the account's newest deposits below an id, with their assets. One query by index."""
    return list(_requests_of(Deposit.objects, account_id, asset_id, status, before)[:limit])


def withdrawals_of(
    account_id: int, *, asset_id: int | None = None, status: str | None = None, before: int | None = None, limit: int
) -> list[Withdrawal]:
    """Read the account's newest withdrawals below an id, with their assets. One query by index."""
    return list(_requests_of(Withdrawal.objects, account_id, asset_id, status, before)[:limit])


def _requests_of(
    rows: Manager[Request], account_id: int, asset_id: int | None, status: str | None, before: int | None
) -> QuerySet[Request]:
    filters = {"asset_id": asset_id, "status": status, "id__lt": before}
    chosen = {name: value for name, value in filters.items() if value is not None}
    return rows.filter(account_id=account_id, **chosen).select_related("asset").order_by("-id")
