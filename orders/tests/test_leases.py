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
from orders.models import Command, DisconnectLease, LeaseSweep
from orders.tests.builders import make_market, place_order

# Whoever takes a lock until a transaction ends needs one that does.
pytestmark = pytest.mark.django_db(transaction=True)

LONG = timedelta(days=3)


@pytest.fixture(autouse=True)
def _clock_has_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has looked before, and a loaded machine is slow, not away."""
    monkeypatch.setattr(leases, "SWEEP_GAP_SECONDS", 60)
    do_what_is_due()


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


# -- after an outage -----------------------------------------------------------------------------------


def be_away() -> None:
    """Let nobody have looked for long."""
    LeaseSweep.objects.update(swept_at=now() - LONG)


def test_leases_that_ran_out_while_nobody_could_look_may_be_renewed_first(account):
    (first, second) = leases.take(account.id), leases.take(account.id)
    let_run_out(first)
    be_away()

    assert do_what_is_due()["fire_leases"] == 0
    assert do_what_is_due()["fire_leases"] == 0

    assert leases.renew([first, second]) == {first, second}
    assert asked() == []


def test_leases_that_nobody_renews_after_an_outage_fire_a_lease_later(account):
    died = leases.take(account.id)
    be_away()
    before = now()
    assert do_what_is_due()["fire_leases"] == 0
    assert DisconnectLease.objects.get().expires_at >= before + timedelta(seconds=leases.LEASE_SECONDS)
    let_run_out(died)

    assert do_what_is_due()["fire_leases"] == 1

    assert asked() == [(account.id, "disconnect")] * 2


def test_clock_that_always_comes_late_ends_the_orders_of_the_dead_all_the_same(account):
    died = leases.take(account.id)
    be_away()
    assert do_what_is_due()["fire_leases"] == 0
    let_run_out(died)
    be_away()

    assert do_what_is_due()["fire_leases"] == 1


def test_lease_that_was_renewed_outlasts_the_next_outage_too(account):
    lease = leases.take(account.id)
    for _ in range(2):
        let_run_out(lease)
        be_away()
        assert do_what_is_due()["fire_leases"] == 0
        assert leases.renew([lease]) == {lease}


def test_lease_that_is_being_renewed_is_not_waited_for_after_an_outage(account):
    lease = leases.take(account.id)
    be_away()
    with transaction.atomic():
        leases.renew([lease])
        (done,) = at_once([do_what_is_due])
    assert done["fire_leases"] == 0
    assert LeaseSweep.objects.get().swept_at > now() - LONG


# -- taken anew ----------------------------------------------------------------------------------------


def test_lease_that_is_replaced_has_its_effect_before_what_is_placed_later(account):
    old = leases.take(account.id)

    new = leases.take(account.id, replaces=old)
    placed = place_order(account)

    assert asked() == [(account.id, "disconnect")] * 2
    assert max(Command.objects.filter(kind="cancel_all").values_list("id", flat=True)) < placed.commands.get().id
    assert not leases.fire(old)
    assert DisconnectLease.objects.get().id == new


def test_nobody_replaces_anothers_lease(account):
    others = leases.take(account.id)

    leases.take(make_trader().id, replaces=others)

    assert asked() == []
    assert leases.renew([others]) == {others}


def test_lease_that_is_gone_may_be_replaced_and_asks_nothing(account):
    old = leases.take(account.id)
    leases.release(old)
    assert leases.renew([leases.take(account.id, replaces=old)])
    assert asked() == []


def test_lease_that_is_replaced_and_found_by_the_clock_at_once_ends_the_orders_once(account):
    for _ in range(5):
        old = leases.take(account.id)
        let_run_out(old)
        before = len(asked())
        at_once([partial(leases.take, account.id, replaces=old), do_what_is_due])
        assert len(asked()) == before + 2


def test_lease_whose_taking_was_not_answered_may_be_taken_again(account):
    lease = leases.reserve()
    assert leases.take(account.id, lease_id=lease) == lease
    let_run_out(lease)

    assert leases.take(account.id, lease_id=lease) == lease

    assert DisconnectLease.objects.get().expires_at > now()
