"""Let traders ask to bring funds in and to take them out, and operators decide.

The law: a request is decided once, however many try at the same moment; a withdrawal holds its amount from the request until it is
decided, so what is promised to go out cannot be traded meanwhile. Each function is one transaction. Locks are taken in one order: the
request, the account, then balances.
Money moves by accounts/ledger.py; reading is accounts/selectors.py's. Who may decide is the back office's.
"""

from decimal import Decimal
from typing import Any, TypeVar

import structlog
from django.db import transaction

from accounts import ledger
from accounts.confirmation import has_confirmed_email
from accounts.errors import DomainError, FieldError, refusal
from accounts.models import (
    DESTINATION_LENGTH_MAX,
    REASON_LENGTH_MAX,
    Account,
    AccountStatus,
    Asset,
    ClockTimestamp,
    Deposit,
    FundingRequest,
    RequestStatus,
    User,
    Withdrawal,
)
from accounts.notices import Notice, tell
from accounts.numbers import render

PENDING_MAX = 100
"""So many deposits, and so many withdrawals, of an account may wait to be decided."""

Request = TypeVar("Request", bound=FundingRequest)

_log = structlog.get_logger(__name__)


def request_deposit(*, account_id: int, asset: Asset, amount: Decimal) -> Deposit:
    """Ask for an amount to be credited. Raises DomainError account_frozen, invalid_value or too_many_pending."""
    ledger.check_amount(asset, amount)
    with transaction.atomic():
        _lock_account_that_may_ask(account_id, Deposit)
        return _insert(Deposit(account_id=account_id, asset=asset, amount=amount))


def request_withdrawal(*, account_id: int, asset: Asset, amount: Decimal, destination: str) -> Withdrawal:
    """Ask for an amount to be sent away, and hold it.

    Raises DomainError forbidden (e-mail address not confirmed), account_frozen, invalid_value, too_many_pending or
    insufficient_funds.
    """
    ledger.check_amount(asset, amount)
    _check_text("destination", destination, DESTINATION_LENGTH_MAX)
    with transaction.atomic():
        account = _lock_account_that_may_ask(account_id, Withdrawal)
        if account.user_id is None or not has_confirmed_email(account.user_id):
            raise _email_not_confirmed()
        row = _insert(Withdrawal(account_id=account_id, asset=asset, amount=amount, destination=destination))
        ledger.hold(account_id=account_id, asset=asset, amount=amount)
        _tell(row, Notice.WITHDRAWAL, destination=row.destination)
        return row


def cancel_deposit(*, account_id: int, deposit_id: int) -> Deposit:
    """Take back one of the account's own. Raises DomainError not_found or not_pending."""
    with transaction.atomic():
        return _decide(_lock_pending(Deposit, deposit_id, account_id=account_id), RequestStatus.CANCELED)


def cancel_withdrawal(*, account_id: int, withdrawal_id: int) -> Withdrawal:
    """Take back one of the account's own, and let go of what it holds. Raises DomainError not_found or not_pending."""
    with transaction.atomic():
        row = _decide(_lock_pending(Withdrawal, withdrawal_id, account_id=account_id), RequestStatus.CANCELED)
        _release(row)
        return row


def approve_deposit(deposit_id: int, *, by: User) -> Deposit:
    """Credit what has come in. Raises DomainError not_found, not_pending, or invalid_value for more than a balance holds."""
    with transaction.atomic():
        row = _lock_pending(Deposit, deposit_id)
        transfer_id = ledger.deposit(
            account=row.account, asset=row.asset, amount=row.amount, reference=f"deposit {row.id}"
        )
        _decide(row, RequestStatus.COMPLETED, decided_by=by, transfer_id=transfer_id)
        _tell(row, Notice.DEPOSIT)
        return row


def approve_withdrawal(withdrawal_id: int, *, by: User) -> Withdrawal:
    """Send out what is held. Raises DomainError not_found, not_pending or account_frozen.

    Nothing leaves an account while it is frozen: who froze it may doubt who asked.
    """
    with transaction.atomic():
        row = _lock_pending(Withdrawal, withdrawal_id)
        _lock_account(
            row.account_id,
            "The account is frozen, or its user deactivated: nothing is sent out. Reject the withdrawal, or activate them.",
        )
        transfer_id = ledger.withdraw(
            account_id=row.account_id, asset_id=row.asset_id, amount=row.amount, reference=f"withdrawal {row.id}"
        )
        _decide(row, RequestStatus.COMPLETED, decided_by=by, transfer_id=transfer_id)
        _tell(row, Notice.WITHDRAWAL, destination=row.destination)
        return row


def reject_deposit(deposit_id: int, *, by: User, reason: str) -> Deposit:
    """Refuse a deposit, for a reason that the trader is shown. Raises DomainError not_found, not_pending or invalid_value."""
    _check_text("reason", reason, REASON_LENGTH_MAX)
    with transaction.atomic():
        row = _lock_pending(Deposit, deposit_id)
        _decide(row, RequestStatus.REJECTED, decided_by=by, reason=reason)
        _tell(row, Notice.DEPOSIT)
        return row


def reject_withdrawal(withdrawal_id: int, *, by: User, reason: str) -> Withdrawal:
    """Refuse a withdrawal, and let go of what it holds. Raises DomainError not_found, not_pending or invalid_value."""
    _check_text("reason", reason, REASON_LENGTH_MAX)
    with transaction.atomic():
        row = _lock_pending(Withdrawal, withdrawal_id)
        _decide(row, RequestStatus.REJECTED, decided_by=by, reason=reason)
        _release(row)
        _tell(row, Notice.WITHDRAWAL, destination=row.destination)
        return row


def _lock_account_that_may_ask(account_id: int, model: type[FundingRequest]) -> Account:
    """Lock the account, so that its requests come one after another; orders do not wait. Raises DomainError."""
    account = _lock_account(
        account_id, "The account is frozen, or its user deactivated: it can ask for no deposits and withdrawals."
    )
    pending = model._default_manager.filter(account_id=account_id, status=RequestStatus.PENDING).count()
    if pending >= PENDING_MAX:
        kind = model._meta.verbose_name_plural
        message = f"An account has at most {PENDING_MAX} pending {kind}; cancel one, or wait until some are decided."
        raise refusal("too_many_pending", "", message, limit=PENDING_MAX, value=pending)
    return account


def _lock_account(account_id: int, if_frozen: str) -> Account:
    accounts = Account.objects.select_for_update(no_key=True, of=("self",)).select_related("user")
    account = accounts.get(id=account_id)
    # Who deactivates a user stops them no less, though it is their tokens that end by it.
    if account.status == AccountStatus.FROZEN or (account.user is not None and not account.user.is_active):
        raise DomainError("account_frozen", if_frozen)
    return account


def _insert(row: Request) -> Request:
    row.save(force_insert=True)
    row.refresh_from_db(fields=["created_at", "updated_at", "reason"])
    _log.info("funds requested", kind=row._meta.model_name, id=row.pk, account_id=row.account_id)
    return row


def _lock_pending(model: type[Request], request_id: int, **owner: int) -> Request:
    """Return a request that nobody else decides until the commit. Raises DomainError not_found or not_pending."""
    name = model._meta.verbose_name
    rows = model._default_manager.select_for_update(no_key=True, of=("self",)).select_related("asset", "account")
    row = rows.filter(id=request_id, **owner).first()
    if row is None:
        raise DomainError("not_found", f"There is no such {name}.")
    if row.status != RequestStatus.PENDING:
        message = f"The {name} is {row.status} already."
        raise refusal("not_pending", "status", message, limit=str(RequestStatus.PENDING), value=row.status)
    return row


def _decide(row: Request, status: RequestStatus, **facts: Any) -> Request:
    # By the clock: the transaction may have begun before the request that it waited for was made.
    now = ClockTimestamp()
    type(row)._default_manager.filter(id=row.pk).update(status=status, decided_at=now, updated_at=now, **facts)
    row.refresh_from_db(fields=["status", "reason", "decided_at", "updated_at", "decided_by", "transfer"])
    _log.info("funds decided", kind=row._meta.model_name, id=row.pk, account_id=row.account_id, status=row.status)
    return row


def _release(row: Withdrawal) -> None:
    ledger.release(account_id=row.account_id, asset_id=row.asset_id, amount=row.amount)


def _tell(row: FundingRequest, notice: Notice, **facts: str) -> None:
    if row.account.user_id is not None:
        amount = render(row.amount, row.asset.scale)
        tell(row.account.user_id, notice, amount=amount, asset=row.asset.code, status=row.status.lower(), **facts)


def _email_not_confirmed() -> DomainError:
    message = "Confirm your e-mail address first: funds leave only for somebody who can be reached."
    return DomainError("forbidden", message, [FieldError("email", "forbidden", message)])


def _check_text(field: str, text: str, length_max: int) -> None:
    if not 1 <= len(text) <= length_max or not text.isprintable() or text.isspace():
        message = f"{field} must be 1 to {length_max} printable characters."
        raise refusal("invalid_value", field, message, limit=length_max, value=repr(text[:64])[1:-1])
