"""What becomes of deposits and withdrawals that are asked for, whoever tries what at the same moment."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.db import transaction

from accounts import funding
from accounts.errors import DomainError, FieldError
from accounts.events import read_after
from accounts.models import Account, Balance, Deposit, Transfer, User, Withdrawal
from accounts.tests.builders import confirm_email, make_asset, make_trader, make_user
from accounts.tests.rivals import at_once, start_waiting
from orders.intake import place
from orders.tests.builders import make_market, make_request

pytestmark = pytest.mark.django_db


@pytest.fixture
def trader() -> Account:
    return confirm_email(make_trader(funds={"USD": "100"}))


@pytest.fixture
def operator() -> User:
    return make_user()


def ask(account: Account, amount: str = "60", destination: str = "IBAN 1") -> Withdrawal:
    return funding.request_withdrawal(
        account_id=account.id, asset=make_asset("USD"), amount=Decimal(amount), destination=destination
    )


def ask_deposit(account: Account, amount: str = "60") -> Deposit:
    return funding.request_deposit(account_id=account.id, asset=make_asset("USD"), amount=Decimal(amount))


def owned(account: Account) -> tuple[Decimal, Decimal]:
    return Balance.objects.values_list("available", "held").get(account=account, asset__code="USD")


def refused(call: Callable[[], object]) -> tuple[str, list[tuple[str, object, object]]]:
    """Return the code of a refusal, and of each fault its field, limit and value."""
    with pytest.raises(DomainError) as caught:
        call()
    faults: tuple[FieldError, ...] = caught.value.errors
    return caught.value.code, [(fault.field, fault.limit, fault.value) for fault in faults]


def test_withdrawal_holds_from_the_request_and_leaves_by_a_transfer(trader, operator):
    row = ask(trader)
    assert (row.status, row.updated_at, owned(trader)) == ("Pending", row.created_at, (40, 60))

    row = funding.approve_withdrawal(row.id, by=operator)

    assert owned(trader) == (40, 0)
    transfer = Transfer.objects.get(kind="withdrawal")
    assert (row.status, row.transfer_id, row.decided_by) == ("Completed", transfer.id, operator)
    # The clock is read for each.
    assert abs(row.updated_at - row.decided_at) < timedelta(seconds=1)
    assert (transfer.debit_account_id, transfer.credit_account_id, transfer.amount) == (trader.id, 1, 60)
    assert Balance.objects.get(account_id=1).available == -40
    told = [event.payload for event in read_after({trader.id: 1}, 10)[trader.id]]
    assert [("60.00000000" in payload, "40.00000000" in payload) for payload in told] == [(True, True), (False, True)]


def test_deposit_is_credited_by_a_transfer_once_approved(trader, operator):
    row = ask_deposit(trader)
    assert owned(trader) == (100, 0)

    row = funding.approve_deposit(row.id, by=operator)

    assert owned(trader) == (160, 0)
    transfer = Transfer.objects.latest("id")
    assert (row.status, row.transfer_id, transfer.kind, transfer.reference) == (
        "Completed", transfer.id, "deposit", f"deposit {row.id}",
    )  # fmt: skip


def test_what_is_rejected_or_canceled_frees_exactly_its_hold(trader, operator):
    first, second, third = ask(trader, "10"), ask(trader, "20"), ask(trader, "30.00000001")
    rejected = funding.reject_withdrawal(first.id, by=operator, reason="No such bank.")
    assert (rejected.status, rejected.reason, rejected.decided_by) == ("Rejected", "No such bank.", operator)
    assert owned(trader) == (Decimal("49.99999999"), Decimal("50.00000001"))
    canceled = funding.cancel_withdrawal(account_id=trader.id, withdrawal_id=third.id)
    assert (canceled.status, canceled.decided_by, owned(trader)) == ("Canceled", None, (80, 20))
    assert funding.reject_deposit(ask_deposit(trader).id, by=operator, reason="Nothing came.").status == "Rejected"
    deposit = ask_deposit(trader)
    assert funding.cancel_deposit(account_id=trader.id, deposit_id=deposit.id).status == "Canceled"
    assert owned(trader) == (80, 20)
    assert Withdrawal.objects.get(status="Pending") == second


def test_what_is_decided_stays_so(trader, operator):
    row, deposit = ask(trader), ask_deposit(trader)
    funding.approve_withdrawal(row.id, by=operator)
    funding.reject_deposit(deposit.id, by=operator, reason="Nothing came.")
    for call in (
        lambda: funding.approve_withdrawal(row.id, by=operator),
        lambda: funding.reject_withdrawal(row.id, by=operator, reason="no"),
        lambda: funding.cancel_withdrawal(account_id=trader.id, withdrawal_id=row.id),
    ):
        assert refused(call) == ("not_pending", [("status", "Pending", "Completed")])
    for call in (
        lambda: funding.approve_deposit(deposit.id, by=operator),
        lambda: funding.cancel_deposit(account_id=trader.id, deposit_id=deposit.id),
    ):
        assert refused(call) == ("not_pending", [("status", "Pending", "Rejected")])
    assert owned(trader) == (40, 0)


def test_nobody_cancels_what_is_anothers(trader):
    row, deposit, other = ask(trader), ask_deposit(trader), make_trader()
    assert refused(lambda: funding.cancel_withdrawal(account_id=other.id, withdrawal_id=row.id))[0] == "not_found"
    assert refused(lambda: funding.cancel_deposit(account_id=other.id, deposit_id=deposit.id))[0] == "not_found"


def test_withdrawal_of_more_than_is_available_is_refused_and_leaves_nothing(trader):
    assert refused(lambda: ask(trader, "100.00000001")) == (
        "insufficient_funds", [("amount", "100.00000000", "100.00000001")],
    )  # fmt: skip
    assert refused(lambda: ask(confirm_email(make_trader()), "1")) == (
        "insufficient_funds", [("amount", "0.00000000", "1.00000000")],
    )  # fmt: skip
    assert (Withdrawal.objects.count(), owned(trader)) == (0, (100, 0))


def test_withdrawal_needs_a_confirmed_address():
    account = make_trader(funds={"USD": "100"})
    assert refused(lambda: ask(account)) == ("forbidden", [("email", None, None)])
    assert owned(account) == (100, 0)


def test_frozen_account_asks_for_nothing_and_sends_nothing_but_may_be_let_go(trader, operator):
    row, other, deposit = ask(trader, "10"), ask(trader, "20"), ask_deposit(trader)
    Account.objects.filter(id=trader.id).update(status="frozen")
    assert refused(lambda: ask(trader))[0] == "account_frozen"
    assert refused(lambda: ask_deposit(trader))[0] == "account_frozen"
    assert refused(lambda: funding.approve_withdrawal(row.id, by=operator))[0] == "account_frozen"
    Account.objects.filter(id=trader.id).update(status="active")
    User.objects.filter(id=trader.user_id).update(is_active=False)
    assert refused(lambda: ask(trader))[0] == "account_frozen"
    assert refused(lambda: funding.approve_withdrawal(row.id, by=operator))[0] == "account_frozen"
    assert funding.reject_withdrawal(row.id, by=operator, reason="Frozen.").status == "Rejected"
    assert funding.cancel_withdrawal(account_id=trader.id, withdrawal_id=other.id).status == "Canceled"
    assert funding.approve_deposit(deposit.id, by=operator).status == "Completed"
    assert owned(trader) == (160, 0)


@pytest.mark.parametrize("amount", ["0", "-1", "0.000000001"])
def test_amount_that_is_not_positive_or_does_not_fit_is_refused(trader, amount):
    for call in (lambda: ask(trader, amount), lambda: ask_deposit(trader, amount)):
        assert refused(call) == ("invalid_value", [("amount", 8, amount)])


@pytest.mark.parametrize("text", ["", " ", "a\nb", "x" * 257, "right\u202eleft"])
def test_text_that_is_not_printable_or_too_long_is_refused(trader, operator, text):
    assert refused(lambda: ask(trader, destination=text))[1][0][:2] == ("destination", 256)
    row, deposit = ask(trader), ask_deposit(trader)
    assert refused(lambda: funding.reject_withdrawal(row.id, by=operator, reason=text))[1][0][:2] == ("reason", 256)
    assert refused(lambda: funding.reject_deposit(deposit.id, by=operator, reason=text))[1][0][:2] == ("reason", 256)


def test_so_many_may_be_pending_of_each(trader, operator, monkeypatch):
    monkeypatch.setattr(funding, "PENDING_MAX", 1)
    row, deposit = ask(trader, "1"), ask_deposit(trader)
    assert refused(lambda: ask(trader, "1")) == ("too_many_pending", [("", 1, 1)])
    assert refused(lambda: ask_deposit(trader)) == ("too_many_pending", [("", 1, 1)])
    funding.reject_withdrawal(row.id, by=operator, reason="no")
    funding.cancel_deposit(account_id=trader.id, deposit_id=deposit.id)
    ask(trader, "1")
    ask_deposit(trader)


def test_deposit_beyond_what_a_balance_holds_is_not_approved_and_moves_nothing(operator):
    account = make_trader(funds={"USD": "999999999999999999"})
    row = ask_deposit(account, "1")
    assert refused(lambda: funding.approve_deposit(row.id, by=operator)) == (
        "invalid_value", [("amount", "1000000000000000000", "1.000000000000000000")],
    )  # fmt: skip
    row.refresh_from_db()
    assert (row.status, owned(account)) == ("Pending", (Decimal("999999999999999999"), 0))


@pytest.mark.django_db(transaction=True)
def test_transaction_that_breaks_off_leaves_nothing(trader, operator):
    row = ask(trader)

    def be_killed_between() -> None:
        with transaction.atomic():
            funding.approve_withdrawal(row.id, by=operator)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        be_killed_between()
    row.refresh_from_db()
    assert (row.status, row.transfer_id, owned(trader)) == ("Pending", None, (40, 60))
    assert not Transfer.objects.filter(kind="withdrawal").exists()
    assert mail.outbox == []


def outcome(call: Callable[[], object]) -> Callable[[], str]:
    """Make work that tells how a call went: "done", or the code of its refusal."""

    def work() -> str:
        try:
            call()
        except DomainError as error:
            return error.code
        return "done"

    return work


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["deposit", "withdrawal"])
def test_of_all_who_decide_at_once_one_does(trader, operator, kind):
    row = ask(trader, "30") if kind == "withdrawal" else ask_deposit(trader, "30")
    approve, reject, cancel = (getattr(funding, f"{verb}_{kind}") for verb in ("approve", "reject", "cancel"))
    works = [
        *[outcome(lambda: approve(row.id, by=operator))] * 2,
        outcome(lambda: reject(row.id, by=operator, reason="no")),
        *[outcome(lambda: cancel(account_id=trader.id, **{f"{kind}_id": row.id}))] * 2,
    ]

    assert sorted(at_once(works)) == ["done", *["not_pending"] * 4]

    row.refresh_from_db()
    moved = Transfer.objects.filter(reference=f"{kind} {row.id}").count()
    assert moved == (1 if row.status == "Completed" else 0)
    assert owned(trader) == (100 + moved * (30 if kind == "deposit" else -30), 0)


@pytest.mark.django_db(transaction=True)
def test_funds_are_withdrawn_once(trader):
    outcomes = at_once([outcome(lambda: ask(trader, "60"))] * 4)
    assert sorted(outcomes) == ["done", *["insufficient_funds"] * 3]
    assert owned(trader) == (40, 60)


@pytest.mark.django_db(transaction=True)
def test_limit_of_pending_ones_holds_for_those_at_once(trader, monkeypatch):
    monkeypatch.setattr(funding, "PENDING_MAX", 2)
    outcomes = at_once([outcome(lambda: ask(trader, "1"))] * 5)
    assert sorted(outcomes) == ["done", "done", *["too_many_pending"] * 3]


@pytest.mark.django_db(transaction=True)
def test_an_order_and_a_withdrawal_do_not_get_the_same_funds(trader):
    make_market()
    with transaction.atomic():
        ask(trader, "60")
        waiting = start_waiting(lambda: place(trader.id, [make_request(quantity="6", price="10")]))
    (placed,) = waiting.result()
    assert isinstance(placed, DomainError)
    assert (placed.code, placed.errors[0].limit, owned(trader)) == ("insufficient_funds", "40.00000000", (40, 60))

    with transaction.atomic():
        place(trader.id, [make_request(quantity="4", price="10")])
        waiting = start_waiting(outcome(lambda: ask(trader, "1")))
    assert waiting.result() == "insufficient_funds"
    assert owned(trader) == (0, 100)


@pytest.mark.django_db(transaction=True)
def test_withdrawal_of_an_account_that_is_being_frozen_waits_and_is_refused(trader, operator):
    row = ask(trader)
    with transaction.atomic():
        Account.objects.filter(id=trader.id).update(status="frozen")
        waiting = start_waiting(outcome(lambda: funding.approve_withdrawal(row.id, by=operator)))
    assert waiting.result() == "account_frozen"
    assert owned(trader) == (40, 60)
