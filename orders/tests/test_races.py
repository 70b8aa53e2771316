"""Funds that another transaction frees or takes at the same moment are reckoned as that transaction left them."""

from decimal import Decimal

import pytest
from django.db import transaction

from accounts.errors import DomainError
from accounts.ledger import Change, post_balances
from accounts.models import Account, Balance
from accounts.tests.builders import make_trader
from accounts.tests.rivals import start_waiting
from orders.intake import Outcome, Placed, place
from orders.tests.builders import make_market, make_request

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account() -> Account:
    """A trader with 1000 USD, of which an order for 1000 holds all."""
    make_market()
    account = make_trader(funds={"USD": "1000"})
    place(account.id, [make_request(quantity="10", price="100")])
    return account


def test_order_that_waited_for_a_hold_to_be_freed_is_placed(account):
    freed = Change(available=Decimal(1000), held=Decimal(-1000))

    outcome = place_while(account, freed)

    assert isinstance(outcome, Placed)
    assert balance_of(account) == (400, 600)


def test_order_that_waited_while_too_little_was_freed_is_refused_with_what_there_is(account):
    freed = Change(available=Decimal(100), held=Decimal(-100))

    outcome = place_while(account, freed)

    assert isinstance(outcome, DomainError)
    assert (outcome.code, outcome.errors[0].limit) == ("insufficient_funds", "100.00000000")
    assert balance_of(account) == (100, 900)


def test_settlement_that_waited_for_a_hold_adds_to_it(account):
    balance = Balance.objects.get(account=account, asset__code="USD")
    key = (account.id, balance.asset_id)
    post_balances({key: Change(Decimal(1000), Decimal(-1000))})

    with transaction.atomic():
        place(account.id, [make_request(quantity="6", price="100")])
        waiting = start_waiting(lambda: post_balances({key: Change(Decimal(200), Decimal(-600))}))
    waiting.result()

    assert balance_of(account) == (600, 0)


def place_while(account: Account, change: Change) -> Outcome:
    """Place an order for 600 USD while a transaction that changes the balance is about to commit."""
    asset_id = Balance.objects.get(account=account, asset__code="USD").asset_id
    with transaction.atomic():
        post_balances({(account.id, asset_id): change})
        waiting = start_waiting(lambda: place(account.id, [make_request(quantity="6", price="100")]))
    (outcome,) = waiting.result()
    return outcome


def balance_of(account: Account) -> tuple[Decimal, Decimal]:
    balance = Balance.objects.get(account=account, asset__code="USD")
    return balance.available, balance.held
