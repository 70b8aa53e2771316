"""Orders end once when their socket is cut, however many see that it is, and not while somebody renews the lease."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import transaction

from accounts.models import Account
from accounts.tests.builders import make_trader
from accounts.tests.rivals import at_once, start_waiting
from orders import leases
from orders.clock import do_what_is_due
from orders.models import Command, DisconnectLease
from orders.tests.builders import make_market, place_order

# Whoever takes a lock until a transaction ends needs one that does.
pytestmark = pytest.mark.django_db(transaction=True)

LONG = timedelta(days=3)


@pytest.fixture
def account() -> Account:
    """A trader with orders in two markets."""
    make_market()
    make_market("ETH/USD")
    account = make_trader(funds={"USD": "1000000"})
    for symbol in ("BTC/USD", "BTC/USD", "ETH/USD"):
        place_order(account, symbol=symbol)
    return account


def now() -> datetime:
    return datetime.now(UTC)


def asked() -> list[tuple[int, str]]:
    """Tell of whom all orders are to end, and why, market by market."""
    commands = Command.objects.filter(kind="cancel_all").order_by("market_id")
    return [(command.account_id, command.payload["reason"]) for command in commands]


def let_run_out(*lease_ids: int) -> None:
    DisconnectLease.objects.filter(id__in=lease_ids).update(expires_at=now() - LONG)


def test_lease_that_fires_ends_the_accounts_orders_in_every_market_and_once(account):
    place_order(make_trader(funds={"USD": "1000"}))
    lease = leases.take(account.id)

    assert leases.fire(lease)
    assert not leases.fire(lease)

    assert asked() == [(account.id, "disconnect")] * 2
    assert not DisconnectLease.objects.exists()


def test_lease_that_is_released_does_nothing(account):
    lease = leases.take(account.id)

    leases.release(lease)

    assert not leases.fire(lease)
    assert asked() == []


def test_lease_that_nobody_renews_is_found_by_the_clock(account):
    lives, died = leases.take(make_trader().id), leases.take(account.id)
    let_run_out(died)

    assert do_what_is_due()["fire_leases"] == 1
    assert do_what_is_due()["fire_leases"] == 0

    assert asked() == [(account.id, "disconnect")] * 2
    assert not leases.fire(died)
    assert DisconnectLease.objects.get().id == lives


def test_leases_of_one_account_that_run_out_together_end_its_orders_once(account):
    let_run_out(leases.take(account.id), leases.take(account.id))

    assert do_what_is_due()["fire_leases"] == 1

    assert asked() == [(account.id, "disconnect")] * 2


def test_lease_runs_by_the_databases_clock_for_ten_seconds_from_each_renewal(account):
    lease = leases.take(account.id)
    taken = DisconnectLease.objects.get().expires_at
    let_run_out(lease)

    assert leases.renew([lease]) == {lease}

    renewed = DisconnectLease.objects.get().expires_at
    assert timedelta(0) < renewed - taken < timedelta(seconds=leases.LEASE_SECONDS)
    assert timedelta(seconds=leases.LEASE_SECONDS - 2) < renewed - now() <= timedelta(seconds=leases.LEASE_SECONDS + 1)
    assert do_what_is_due()["fire_leases"] == 0


def test_renewal_is_one_statement_and_names_those_that_are_still_there(account, django_assert_num_queries):
    gone, first, second = (leases.take(account.id) for _ in range(3))
    leases.fire(gone)

    with django_assert_num_queries(1):
        assert leases.renew([gone, first, second]) == {first, second}
    assert leases.renew([]) == set()


def test_fire_and_sweep_at_once_end_the_orders_once(account):
    for _ in range(5):
        lease = leases.take(account.id)
        let_run_out(lease)
        before = len(asked())

        fire = partial(leases.fire, lease)
        at_once([fire, do_what_is_due, do_what_is_due, fire])

        assert len(asked()) == before + 2


def test_renewal_that_waited_for_the_sweep_learns_that_the_lease_is_gone(account):
    lease = leases.take(account.id)
    let_run_out(lease)

    with transaction.atomic():
        assert do_what_is_due()["fire_leases"] == 1
        renewing = start_waiting(lambda: leases.renew([lease]))

    assert renewing.result() == set()


def test_fire_that_is_undone_leaves_the_lease_to_the_sweep(account):
    lease = leases.take(account.id)
    with transaction.atomic():
        assert leases.fire(lease)
        transaction.set_rollback(True)
    let_run_out(lease)

    assert do_what_is_due()["fire_leases"] == 1
    assert asked() == [(account.id, "disconnect")] * 2


def test_lease_of_an_account_without_open_orders_fires_and_asks_nothing():
    account = make_trader()
    assert leases.fire(leases.take(account.id))
    assert asked() == []
