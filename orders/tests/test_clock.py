"""What is due is put into the journal once, however often and however late anybody looks."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from accounts.models import Account
from accounts.tests.attacks import triggers_off
from accounts.tests.builders import make_trader
from accounts.tests.rivals import at_once, start_waiting
from orders import dead_man, leases
from orders.changes import ask_phase
from orders.clock import do_what_is_due
from orders.models import Command, DeadManSwitch, DisconnectLease, Market, MarketState, Order
from orders.tasks import keep_time
from orders.terms import Phase
from orders.tests.builders import make_market, place_order

NOTHING = {"expire_orders": 0, "fire_dead_men": 0, "end_calls": 0, "keep_hours": 0, "fire_leases": 0}
LONG = timedelta(days=3)

# Whoever takes a lock until a transaction ends needs one that does.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _clock_has_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has looked for leases before, and a loaded machine is slow, not away."""
    monkeypatch.setattr(leases, "SWEEP_GAP_SECONDS", 60)
    do_what_is_due()


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture
def account(market: Market) -> Account:
    return make_trader(funds={"USD": "1000000"})


def now() -> datetime:
    return datetime.now(UTC)


def asked(*kinds: str) -> list[tuple[int, str, dict]]:
    """Tell what has been put into the journal of these kinds."""
    commands = Command.objects.filter(kind__in=kinds).order_by("id")
    return [(command.market_id, command.kind, command.payload) for command in commands]


def take_all() -> None:
    """Let everything that is pending be taken, as far as the journal shows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE commands c SET sequence = n.last + n.place, events = '[]', processed_at = now() FROM ("
            " SELECT id, row_number() OVER (PARTITION BY market_id ORDER BY id) AS place,"
            "   (SELECT COALESCE(max(sequence), 0) FROM commands o WHERE o.market_id = p.market_id) AS last"
            " FROM commands p WHERE sequence IS NULL) n WHERE c.id = n.id"
        )


def expire(order: Order, at: datetime, *, live: bool = True) -> None:
    """Give an order that is in the engine a time at which it ends."""

    with transaction.atomic(), triggers_off():
        Order.objects.filter(id=order.id).update(
            time_in_force="GTD",
            expires_at=at,
            priority_sequence=order.id if live else None,
            priority_ordinal=0 if live else None,
        )


def test_orders_expire_once_a_market_however_many_there_are_and_however_long_ago(account):
    other = make_market("ETH/USD")
    for symbol in ("BTC/USD", "BTC/USD", "ETH/USD"):
        expire(place_order(account, symbol=symbol), now() - LONG)
    before = now()

    assert do_what_is_due() == NOTHING | {"expire_orders": 2}
    assert do_what_is_due() == NOTHING

    (first, second) = asked("expire")
    assert (first[0], second[0]) == (Market.objects.get(symbol="BTC/USD").id, other.id)
    for _, _, payload in (first, second):
        assert before.timestamp() <= payload["at"] / 1_000_000 <= now().timestamp()


def test_what_has_still_to_expire_or_is_in_no_engine_is_left_alone(account):
    expire(place_order(account), now() + timedelta(minutes=1))
    expire(place_order(account), now() - LONG, live=False)

    assert do_what_is_due() == NOTHING
    assert asked("expire") == []


def test_expiry_is_asked_for_again_where_orders_are_left_once_it_was_taken(account):
    expire(place_order(account), now() - LONG)
    assert do_what_is_due()["expire_orders"] == 1
    take_all()
    assert do_what_is_due()["expire_orders"] == 1


def test_a_dead_mans_orders_are_canceled_in_every_market_and_the_switch_is_off(account, market):
    other, empty = make_market("ETH/USD"), make_market("LTC/USD")
    for symbol in ("BTC/USD", "BTC/USD", "ETH/USD"):
        place_order(account, symbol=symbol)
    bystander = make_trader(funds={"USD": "1000"})
    place_order(bystander)
    DeadManSwitch.objects.create(account=account, expires_at=now() - LONG)
    DeadManSwitch.objects.create(account=bystander, expires_at=now() + LONG)

    assert do_what_is_due() == NOTHING | {"fire_dead_men": 1}
    assert do_what_is_due() == NOTHING

    commands = Command.objects.filter(kind="cancel_all").order_by("market_id")
    assert [(command.market_id, command.account_id) for command in commands] == [
        (market.id, account.id),
        (other.id, account.id),
    ]
    assert {command.payload["reason"] for command in commands} == {"dead_man"}
    assert not Command.objects.filter(market_id=empty.id).exists()
    assert DeadManSwitch.objects.get().account_id == bystander.id


def test_a_switch_that_is_restarted_in_time_does_not_fire(account):
    place_order(account)
    DeadManSwitch.objects.create(account=account, expires_at=now() - LONG)

    expires_at = dead_man.restart(account.id, 30)

    assert do_what_is_due() == NOTHING
    assert DeadManSwitch.objects.get().expires_at == expires_at > now()


def test_a_restart_that_comes_while_the_switch_fires_begins_anew(account):

    place_order(account)
    DeadManSwitch.objects.create(account=account, expires_at=now() - LONG)
    with transaction.atomic():
        assert do_what_is_due() == NOTHING | {"fire_dead_men": 1}
        restarting = start_waiting(lambda: dead_man.restart(account.id, 30))
    restarting.result()

    assert len(asked("cancel_all")) == 1
    assert DeadManSwitch.objects.get().expires_at > now()


def test_a_switch_that_is_being_restarted_is_not_waited_for(account):

    DeadManSwitch.objects.create(account=account, expires_at=now() - LONG)
    with transaction.atomic():
        dead_man.restart(account.id, 30)
        (done,) = at_once([do_what_is_due])
    assert done == NOTHING


def call(market: Market, ends_at: datetime | None) -> None:
    MarketState.objects.filter(market=market).update(phase="Auction", call_ends_at=ends_at)


def test_a_call_whose_time_is_up_is_ended(market):
    call(market, now() - LONG)

    assert do_what_is_due() == NOTHING | {"end_calls": 1}
    assert do_what_is_due() == NOTHING

    assert asked("phase") == [(market.id, "phase", {"phase": "Continuous", "by": "clock", "through_call": True})]


@pytest.mark.parametrize("ends_at", [None, timedelta(minutes=1)])
def test_a_call_that_goes_on_or_waits_for_an_operator_is_not_ended(market, ends_at):
    call(market, None if ends_at is None else now() + ends_at)
    assert do_what_is_due() == NOTHING


def test_a_call_is_not_ended_while_another_phase_is_pending(market):
    call(market, now() - LONG)
    ask_phase(market, Phase.HALTED, by="ops@example.com")
    assert do_what_is_due() == NOTHING


def test_runs_at_once_do_each_thing_once(account, market):
    other = make_market("ETH/USD", **hours(opened=timedelta(hours=1), closed=timedelta(hours=2)))
    MarketState.objects.filter(market=other).update(phase="Closed")
    expire(place_order(account), now() - LONG)
    DeadManSwitch.objects.create(account=account, expires_at=now() - LONG)
    DisconnectLease.objects.create(account=account, expires_at=now() - LONG)
    call(market, now() - LONG)

    runs = at_once([do_what_is_due] * 4)

    assert {part: sum(run[part] for run in runs) for part in NOTHING} == dict.fromkeys(NOTHING, 1)
    assert sorted(kind for _, kind, _ in asked("expire", "cancel_all", "phase")) == [
        "cancel_all",
        "cancel_all",
        "expire",
        "phase",
        "phase",
    ]


def test_a_part_that_fails_keeps_no_other_back(account, market):
    expire(place_order(account), now() - LONG)
    call(market, now() - LONG)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE dead_man_switches RENAME TO elsewhere")
        done = do_what_is_due()
        cursor.execute("ALTER TABLE elsewhere RENAME TO dead_man_switches")

    assert done == {"expire_orders": 1, "end_calls": 1, "keep_hours": 0, "fire_leases": 0}
    assert [kind for _, kind, _ in asked("expire", "phase")] == ["expire", "phase"]


def hours(*, opened: timedelta, closed: timedelta) -> dict:
    """Make hours of which both boundaries were so long ago, less than a day."""
    return {"opens_at": (now() - opened).time(), "closes_at": (now() - closed).time()}


HOUR = timedelta(hours=1)


def scheduled(phase: str, *, opened: timedelta, closed: timedelta) -> Market:
    market = make_market("ETH/USD", **hours(opened=opened, closed=closed))
    MarketState.objects.filter(market=market).update(phase=phase)
    return market


def test_a_closed_market_opens_through_a_call():
    market = scheduled("Closed", opened=HOUR, closed=2 * HOUR)

    assert do_what_is_due() == NOTHING | {"keep_hours": 1}
    take_all()
    assert do_what_is_due() == NOTHING  # it is seen to, whatever has come of it

    assert asked("phase") == [(market.id, "phase", {"phase": "Continuous", "by": "schedule", "through_call": True})]


@pytest.mark.parametrize("phase", ["Continuous", "Auction", "PostOnly", "PreOpen"])
def test_a_market_closes(phase):
    market = scheduled(phase, opened=2 * HOUR, closed=HOUR)

    assert do_what_is_due() == NOTHING | {"keep_hours": 1}
    take_all()
    assert do_what_is_due() == NOTHING

    assert asked("phase") == [(market.id, "phase", {"phase": "Closed", "by": "schedule"})]


def test_only_the_last_boundary_counts_after_a_time_in_which_nothing_ran():
    scheduled("Continuous", opened=timedelta(hours=23), closed=timedelta(minutes=1))
    do_what_is_due()
    assert [payload["phase"] for _, _, payload in asked("phase")] == ["Closed"]


@pytest.mark.parametrize("phase", ["Halted", "CancelOnly"])
@pytest.mark.parametrize(("opened", "closed"), [(HOUR, 2 * HOUR), (2 * HOUR, HOUR)])
def test_a_market_that_is_halted_stays_so(phase, opened, closed):
    scheduled(phase, opened=opened, closed=closed)
    assert do_what_is_due() == NOTHING


@pytest.mark.parametrize("phase", ["Continuous", "Auction", "PostOnly"])
def test_an_open_market_is_not_opened(phase):
    scheduled(phase, opened=HOUR, closed=2 * HOUR)
    assert do_what_is_due() == NOTHING


def test_what_an_operator_does_between_boundaries_stands():
    market = scheduled("Continuous", opened=HOUR, closed=2 * HOUR)
    ask_phase(market, Phase.CLOSED, by="ops@example.com")
    take_all()
    MarketState.objects.filter(market=market).update(phase="Closed")
    assert do_what_is_due() == NOTHING


def test_what_the_venue_does_by_itself_does_not_keep_a_market_from_closing():
    market = scheduled("Continuous", opened=2 * HOUR, closed=HOUR)
    ask_phase(market, Phase.CONTINUOUS, by="clock")
    ask_phase(market, Phase.AUCTION)
    take_all()
    assert do_what_is_due() == NOTHING | {"keep_hours": 1}


def test_a_boundary_of_yesterday_was_another():
    market = scheduled("Closed", opened=HOUR, closed=2 * HOUR)
    ask_phase(market, Phase.CONTINUOUS, by="schedule")
    take_all()
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE commands SET accepted_at = accepted_at - interval '1 day'")
        cursor.execute("SET session_replication_role = origin")
    assert do_what_is_due() == NOTHING | {"keep_hours": 1}


def test_the_task_does_what_is_due(market):
    call(market, now() - LONG)
    keep_time()
    assert len(asked("phase")) == 1
