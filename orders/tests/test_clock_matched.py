"""What the clock asks for comes about once matching has taken it."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Account
from accounts.tests.builders import make_trader
from orders import dead_man
from orders.changes import ask_phase
from orders.clock import do_what_is_due
from orders.models import DeadManSwitch, MarketState, Order
from orders.terms import Phase
from orders.tests.builders import make_market, place_order
from trading.tests.builders import check_books_and_ledger, match, owned, told

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = {"call_seconds": 0, "call_random_seconds": 0}
HOUR = timedelta(hours=1)


@pytest.fixture
def buyer() -> Account:
    return make_trader(funds={"USD": "10000"})


@pytest.fixture
def seller() -> Account:
    return make_trader(funds={"BTC": "100"})


def tick() -> dict[str, int]:
    """Do what is due, and let matching take it; tells what there was."""
    done = do_what_is_due()
    match()
    return {part: count for part, count in done.items() if count}


def state() -> MarketState:
    return MarketState.objects.get()


def soon() -> str:
    return (datetime.now(UTC) + timedelta(milliseconds=300)).isoformat()


def test_an_order_ends_with_its_time_though_nothing_else_goes_on(buyer):
    make_market()
    order = place_order(buyer, time_in_force="GTD", expires_at=soon())
    stays = place_order(buyer)
    match()
    assert tick() == {}
    time.sleep(0.3)

    assert tick() == {"expire_orders": 1}
    assert tick() == {}

    assert told(order) == "Expired 0 of 1 for 0: expired_time"
    assert told(stays) == "New 0 of 1 for 0"
    assert owned(buyer) == {"USD": "9900 + 100"}
    check_books_and_ledger()


def test_an_order_whose_time_came_before_matching_took_it_ends_too(buyer):
    make_market()
    order = place_order(buyer, time_in_force="GTD", expires_at=soon())
    time.sleep(0.3)
    assert tick() == {}
    assert tick() == {"expire_orders": 1}
    assert told(order) == "Expired 0 of 1 for 0: expired_time"


def test_a_dead_mans_orders_end(buyer, seller):
    make_market()
    orders = [
        place_order(buyer),
        place_order(buyer, order_type="StopLimit", stop_price="200", price="201"),
        place_order(seller, side="Sell", price="300"),
    ]
    match()
    dead_man.restart(buyer.id, 1)
    assert tick() == {}
    DeadManSwitch.objects.update(expires_at=datetime.now(UTC))

    assert tick() == {"fire_dead_men": 1}
    assert tick() == {}

    assert told(orders[0]) == "Canceled 0 of 1 for 0: dead_man"
    assert told(orders[1]) == "Canceled 0 of 1 for 0: dead_man"
    assert told(orders[2]) == "New 0 of 1 for 0"
    check_books_and_ledger()


def test_a_call_ends_with_its_time(buyer, seller):
    market = make_market(**AT_ONCE)
    ask_phase(market, Phase.AUCTION)
    match()
    buy, sell = place_order(buyer, price="101"), place_order(seller, side="Sell", price="99")
    match()
    assert state().phase == "Auction"

    assert tick() == {"end_calls": 1}
    assert tick() == {}

    assert state().phase == "Continuous"
    assert told(buy).startswith("Filled 1 of 1")
    assert told(sell).startswith("Filled 1 of 1")
    check_books_and_ledger()


def test_a_call_whose_price_is_far_off_goes_on_twice_and_then_waits_for_an_operator(buyer, seller):
    market = make_market(**AT_ONCE, auction_band=Decimal("0.1"), reference_price=Decimal(50))
    ask_phase(market, Phase.AUCTION)
    match()
    place_order(buyer, price="101")
    place_order(seller, side="Sell", price="99")
    match()

    for times in (1, 2):
        assert tick() == {"end_calls": 1}
        assert (state().phase, state().call_extensions) == ("Auction", times)
        assert state().call_ends_at is not None
    assert tick() == {"end_calls": 1}
    assert (state().phase, state().call_ends_at) == ("Auction", None)
    assert tick() == {}

    ask_phase(market, Phase.CONTINUOUS, reason="the price is right", direct=True)
    match()
    assert state().phase == "Continuous"
    assert Order.objects.filter(status="Filled").count() == 2


def test_a_market_closes_and_opens_by_its_hours(buyer):
    def hours(*, opened: timedelta, closed: timedelta) -> None:
        now = datetime.now(UTC)
        market.opens_at, market.closes_at = (now - opened).time(), (now - closed).time()
        market.save()

    market = make_market(**AT_ONCE)
    hours(opened=2 * HOUR, closed=-HOUR)
    day, stays = place_order(buyer, time_in_force="DAY"), place_order(buyer)
    match()
    assert tick() == {}

    hours(opened=2 * HOUR, closed=timedelta(0))
    assert tick() == {"keep_hours": 1}
    assert tick() == {}
    assert state().phase == "Closed"
    assert told(day) == "Expired 0 of 1 for 0: session_close"

    hours(opened=timedelta(0), closed=HOUR)
    assert tick() == {"keep_hours": 1}
    assert state().phase == "Auction"
    assert tick() == {"end_calls": 1}
    assert tick() == {}
    assert state().phase == "Continuous"
    assert told(stays) == "New 0 of 1 for 0"
    check_books_and_ledger()
