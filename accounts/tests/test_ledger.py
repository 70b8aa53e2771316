"""Test that money only ever moves from one account to another, and that the database holds that against everybody."""

import threading
from decimal import Decimal

import pytest
from django.db import DataError, IntegrityError, InternalError, connection, transaction
from django.db.models import F, Sum

from accounts.errors import DomainError
from accounts.ledger import (
    Change,
    MissingBalance,
    Posting,
    deposit,
    open_balances,
    outside_world,
    post_balances,
    write_transfers,
)
from accounts.models import OUTSIDE_WORLD_ID, Balance, Transfer, TransferKind
from accounts.tests.builders import make_asset, make_trader

ZERO = Decimal(0)
pytestmark = pytest.mark.django_db


def test_deposit_is_a_transfer_from_the_outside_world():
    account, asset = make_trader(), make_asset("USD", scale=2)

    deposit(account=account, asset=asset, amount=Decimal("12.34"), reference="wire 1")

    transfer = Transfer.objects.get()
    assert (transfer.debit_account_id, transfer.credit_account_id) == (OUTSIDE_WORLD_ID, account.id)
    assert (transfer.amount, transfer.kind, transfer.reference) == (Decimal("12.34"), "deposit", "wire 1")
    assert balance_of(account, asset) == (Decimal("12.34"), ZERO)
    assert balance_of(outside_world(), asset) == (Decimal("-12.34"), ZERO)


def test_reference_with_the_separators_of_copy_is_stored_as_given():
    reference = "tab\there, line\nthere, back\\slash, \\N, ünï"

    deposit(account=make_trader(), asset=make_asset(), amount=Decimal(1), reference=reference)

    assert Transfer.objects.get().reference == reference


@pytest.mark.parametrize("amount", ["0", "-1", "0.001"])
def test_deposit_that_is_not_positive_or_does_not_fit_the_scale_is_refused(amount):
    with pytest.raises(DomainError) as caught:
        deposit(account=make_trader(), asset=make_asset("USD", scale=2), amount=Decimal(amount))

    (fault,) = caught.value.errors
    assert (fault.code, fault.field, fault.limit, fault.value) == ("invalid_value", "amount", 2, amount)
    assert not Transfer.objects.exists()


def test_deposit_beyond_what_a_balance_holds_is_refused_and_moves_nothing():
    account, asset = make_trader(), make_asset("USD", scale=2)
    deposit(account=account, asset=asset, amount=Decimal("999999999999999999.99"))

    with pytest.raises(DomainError) as caught:
        deposit(account=account, asset=asset, amount=Decimal("0.01"))

    assert caught.value.code == "invalid_value"
    assert balance_of(account, asset) == (Decimal("999999999999999999.99"), ZERO)
    assert Transfer.objects.count() == 1


def test_every_asset_sums_to_zero_and_balances_are_the_sums_of_transfers():
    make_trader(funds={"USD": "100", "BTC": "1.5"})
    make_trader(funds={"USD": "0.01"})

    for asset_id, total in Balance.objects.values_list("asset").annotate(total=Sum(F("available") + F("held"))):
        assert total == 0, asset_id
    for balance in Balance.objects.all():
        credits_ = Transfer.objects.filter(asset=balance.asset, credit_account=balance.account).aggregate(
            s=Sum("amount")
        )["s"]
        debits = Transfer.objects.filter(asset=balance.asset, debit_account=balance.account).aggregate(s=Sum("amount"))[
            "s"
        ]
        assert balance.total == (credits_ or 0) - (debits or 0)


def test_nothing_to_post_costs_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        write_transfers([])
        post_balances({})

    assert (Transfer.objects.count(), Balance.objects.count()) == (0, 0)


def test_post_balances_changes_both_columns():
    account, asset = make_trader(funds={"USD": "10"}), make_asset("USD")

    post_balances({(account.id, asset.id): Change(Decimal(-4), Decimal(4))})

    assert balance_of(account, asset) == (Decimal(6), Decimal(4))


def test_post_balances_to_a_row_that_is_missing_raises():
    account, asset = make_trader(funds={"USD": "10"}), make_asset("USD")

    with pytest.raises(MissingBalance), transaction.atomic():
        post_balances(
            {(account.id, asset.id): Change(Decimal(1), ZERO), (account.id, 999_999): Change(Decimal(1), ZERO)}
        )

    assert balance_of(account, asset) == (Decimal(10), ZERO)


@pytest.mark.parametrize("change", [Change(Decimal("-10.00000001"), ZERO), Change(ZERO, Decimal("-0.00000001"))])
def test_no_traders_balance_becomes_negative(change):
    account, asset = make_trader(funds={"USD": "10"}), make_asset("USD")

    with pytest.raises(IntegrityError), transaction.atomic():
        post_balances({(account.id, asset.id): change})


def test_negative_balance_is_refused_past_the_ledger_too():
    account = make_trader(funds={"USD": "10"})

    for change in ({"available": -1}, {"held": -1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Balance.objects.filter(account=account).update(**change)


@pytest.mark.parametrize(
    ("debit", "credit", "amount"), [("trader", "outside", "0"), ("trader", "outside", "-1"), ("trader", "trader", "1")]
)
def test_transfer_of_nothing_or_to_itself_is_refused_by_the_database(debit, credit, amount):
    ids = {"trader": make_trader().id, "outside": OUTSIDE_WORLD_ID}
    posting = Posting(make_asset().id, ids[debit], ids[credit], Decimal(amount), TransferKind.CORRECTION)

    with pytest.raises(IntegrityError), transaction.atomic():
        write_transfers([posting])


@pytest.mark.parametrize("statement", ["UPDATE transfers SET amount = 1000", "DELETE FROM transfers"])
def test_transfers_are_final(statement):
    make_trader(funds={"USD": "10"})

    with pytest.raises(InternalError, match="final"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_error_of_copy_is_one_of_djangos():
    posting = Posting(2**70, 1, 2, Decimal(1), TransferKind.CORRECTION)

    with pytest.raises(DataError), transaction.atomic():
        write_transfers([posting])


def test_opening_balances_twice_changes_nothing():
    account, asset = make_trader(funds={"USD": "10"}), make_asset("USD")

    open_balances(account.id, [asset.id])

    assert balance_of(account, asset) == (Decimal(10), ZERO)


@pytest.mark.django_db(transaction=True)
def test_postings_of_many_threads_neither_deadlock_nor_lose_a_change():
    accounts = [make_trader(funds={"USD": "100"}) for _ in range(4)]
    asset = make_asset("USD")
    failures = []

    def post(order):
        try:
            for _ in range(25):
                post_balances({(account.id, asset.id): Change(Decimal(-1), Decimal(1)) for account in order})
        except Exception as error:  # noqa: BLE001  told to the test
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=post, args=(order,)) for order in (accounts, accounts[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert [balance_of(account, asset) for account in accounts] == [(Decimal(50), Decimal(50))] * 4


def balance_of(account, asset):
    """Return an account's available and held."""
    return Balance.objects.values_list("available", "held").get(account=account, asset=asset)
