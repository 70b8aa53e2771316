"""Move money: write transfers and balances, always together.

The law: every transfer takes from one account what it gives another; a balance is the sum of its transfers; a hold moves
available to held and back and is never more than what is there. Rows of balances are locked in primary-key order.
Whoever's balance is changed is told by accounts/events.py, in the same transaction.
Who owes what is decided by the caller: order intake holds with HOLD_FUNDS inside its own statement, settlement posts what
a batch of trades moved, accounts/funding.py what comes in and goes out. Nothing else writes `balances` or `transfers`.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from io import StringIO
from typing import NamedTuple

from django.db import DataError, connection, transaction

from accounts import events
from accounts.copying import copy_into, escaped
from accounts.errors import refusal
from accounts.events import Note
from accounts.models import AMOUNT_LIMIT, OUTSIDE_WORLD_ID, Account, AccountKind, Asset, Balance, Transfer, TransferKind
from accounts.numbers import decimals_of, render

# Both statements reckon from the row as it was locked. The UPDATE itself first sees the row of its older snapshot, and
# PostgreSQL checks constraints on what comes of that before it notices that the row has moved on.
HOLD_FUNDS = """
    locked AS MATERIALIZED (
        SELECT b.id, b.account_id, b.asset_id, b.available, b.held
        FROM balances b JOIN need USING (account_id, asset_id)
        ORDER BY b.id FOR NO KEY UPDATE OF b
    ), short AS (
        SELECT need.account_id, need.asset_id, COALESCE(locked.available, 0) AS available
        FROM need LEFT JOIN locked USING (account_id, asset_id)
        WHERE COALESCE(locked.available, 0) < need.amount
    ), held AS (
        UPDATE balances b SET available = locked.available - need.amount, held = locked.held + need.amount
        FROM locked JOIN need USING (account_id, asset_id)
        WHERE b.id = locked.id AND NOT EXISTS (SELECT FROM short)
        RETURNING b.id
    )
"""
"""CTEs that hold, given need(account_id, asset_id, amount): all of it, or where any is `short`, nothing."""

_HOLD = """
    WITH need AS (SELECT %s::bigint AS account_id, %s::bigint AS asset_id, %s::numeric AS amount), {hold_funds}
    SELECT available FROM short
""".replace("{hold_funds}", HOLD_FUNDS)

_POST_BALANCES = """
    WITH change AS (
        SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::numeric[], %s::numeric[])
            AS c(account_id, asset_id, available, held)
    ), locked AS MATERIALIZED (
        SELECT b.id, b.available + change.available AS available, b.held + change.held AS held
        FROM balances b JOIN change USING (account_id, asset_id)
        ORDER BY b.id FOR NO KEY UPDATE OF b
    )
    UPDATE balances b SET available = locked.available, held = locked.held FROM locked WHERE b.id = locked.id
"""


class Posting(NamedTuple):
    """A transfer to be written."""

    asset_id: int
    debit_account_id: int
    credit_account_id: int
    amount: Decimal
    kind: TransferKind
    trade_id: int | None = None
    reference: str = ""


class Change(NamedTuple):
    """By how much one balance's two columns change."""

    available: Decimal
    held: Decimal


class MissingBalance(Exception):
    """A balance that should have been there before money moved was not; nothing was moved."""


def open_balances(account_id: int, asset_ids: Iterable[int]) -> None:
    """Make sure that the account has a row for each of the assets."""
    rows = [Balance(account_id=account_id, asset_id=asset_id) for asset_id in sorted(asset_ids)]
    Balance.objects.bulk_create(rows, ignore_conflicts=True)


def outside_world() -> Account:
    """Return the account that deposits come from and withdrawals go to."""
    account, _ = Account.objects.get_or_create(
        id=OUTSIDE_WORLD_ID, defaults={"kind": AccountKind.OUTSIDE, "name": "outside world"}
    )
    return account


def check_amount(asset: Asset, amount: Decimal) -> None:
    """Raise DomainError invalid_value unless the amount is positive and fits the asset's scale."""
    if amount <= 0 or decimals_of(amount) > asset.scale:
        message = f"amount must be more than 0 and have at most {asset.scale} decimals."
        raise refusal("invalid_value", "amount", message, limit=asset.scale, value=f"{amount:f}")


def deposit(*, account: Account, asset: Asset, amount: Decimal, reference: str = "") -> int:
    """Bring an amount in from the outside world; returns the transfer's id.

    Raises DomainError invalid_value where the amount is not positive, does not fit the asset's scale, or is more than
    the ledger's columns hold together with what is there.
    """
    check_amount(asset, amount)
    outside = outside_world()
    for account_id in (outside.id, account.id):
        open_balances(account_id, [asset.id])
    zero = Decimal(0)
    try:
        with transaction.atomic():
            posting = Posting(asset.id, outside.id, account.id, amount, TransferKind.DEPOSIT, None, reference)
            transfer_id = _write_transfer(posting)
            post_balances(
                {(outside.id, asset.id): Change(-amount, zero), (account.id, asset.id): Change(amount, zero)},
            )
    except DataError as error:
        message = f"There cannot be 10^18 {asset.code} or more."
        raise refusal("invalid_value", "amount", message, limit=f"{AMOUNT_LIMIT:f}", value=f"{amount:f}") from error
    return transfer_id


def hold(*, account_id: int, asset: Asset, amount: Decimal) -> None:
    """Set an amount aside, in the current transaction. Raises DomainError insufficient_funds."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, [account_id, asset.id, amount])
        short = cursor.fetchone()
    if short is not None:
        available, needed = render(short[0], asset.scale), render(amount, asset.scale)
        message = f"This needs {needed} {asset.code}; {available} {asset.code} is available."
        raise refusal("insufficient_funds", "amount", message, limit=available, value=needed)
    events.append((), [(account_id, asset.id)])


def release(*, account_id: int, asset_id: int, amount: Decimal) -> None:
    """Let go of an amount that was set aside."""
    post_balances({(account_id, asset_id): Change(amount, -amount)})


def withdraw(*, account_id: int, asset_id: int, amount: Decimal, reference: str) -> int:
    """Send an amount that was set aside to the outside world; returns the transfer's id."""
    outside = outside_world()
    zero = Decimal(0)
    with transaction.atomic():
        posting = Posting(asset_id, account_id, outside.id, amount, TransferKind.WITHDRAWAL, None, reference)
        transfer_id = _write_transfer(posting)
        post_balances({(account_id, asset_id): Change(zero, -amount), (outside.id, asset_id): Change(amount, zero)})
    return transfer_id


def _write_transfer(posting: Posting) -> int:
    """Insert one transfer; returns its id. The caller changes the balances in the same transaction."""
    return Transfer.objects.create(**posting._asdict()).id


def write_transfers(postings: Sequence[Posting]) -> None:
    """Insert transfers in bulk. The caller changes the balances in the same transaction."""
    if not postings:
        return
    rows = StringIO()
    for asset_id, debit, credit, amount, kind, trade_id, reference in postings:
        trade = "\\N" if trade_id is None else trade_id
        rows.write(f"{asset_id}\t{debit}\t{credit}\t{amount:f}\t{kind.value}\t{trade}\t{escaped(reference)}\n")
    copy_into(
        "transfers",
        "asset_id, debit_account_id, credit_account_id, amount, kind, trade_id, reference",
        rows,
    )


def post_balances(
    changes: Mapping[tuple[int, int], Change], *, notes: Sequence[Note] = (), told: Iterable[tuple[int, int]] = ()
) -> dict[int, int]:
    """Add changes to balances, keyed by (account id, asset id), locking the rows in primary-key order, and tell the accounts.

    They are told the notes first, then what they have now of each asset that changed, and of those in `told`; returns the last
    sequence of each account that was told anything. Expects to be the last thing its transaction does, so that order intake on
    the same accounts waits least; a transaction that posts twice may meet another in a deadlock.
    Raises MissingBalance where a row does not exist, and IntegrityError where one would become negative.
    """
    with transaction.atomic(savepoint=False):
        _change_balances(changes)
        return events.append(notes, {*changes, *told})


def _change_balances(changes: Mapping[tuple[int, int], Change]) -> None:
    if not changes:
        return
    keys = list(changes)
    with connection.cursor() as cursor:
        cursor.execute(
            _POST_BALANCES,
            [
                [account_id for account_id, _ in keys],
                [asset_id for _, asset_id in keys],
                [changes[key].available for key in keys],
                [changes[key].held for key in keys],
            ],
        )
        if cursor.rowcount != len(keys):
            raise MissingBalance(f"{len(keys) - cursor.rowcount} of {len(keys)} balances are missing")
