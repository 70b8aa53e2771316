"""Interrupt a worker at every write of a commit that carries a cascade, an auction and amendments, and go on with another.

The law: nothing of a commit that did not come about is seen; whoever takes over rebuilds the book and arrives at the same orders,
trades and events, and the journal replays to the hash that stands.
Processes that are really killed are exchange/tests/test_kills.py's.
"""

from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError

from accounts import events, ledger
from accounts.models import Account, AccountEvent
from accounts.tests.builders import make_trader
from orders import changes
from orders.models import Command, MarketState, Order
from orders.requests import read_amendment
from orders.terms import Phase
from orders.tests.builders import make_market, place_order
from trading.matching import Shard
from trading.settlement import Settlement
from trading.tests.builders import check_books_and_ledger, match, trades
from trading.tests.followers import check_streams
from trading.tests.tampering import differences

pytestmark = pytest.mark.django_db(transaction=True)

WRITES = [
    *(
        (Settlement, name)
        for name in (
            "_write_trades", "_write_candles", "_write_preventions", "_write_orders", "_write_commands",
            "_write_own_commands", "_write_protections", "_write_batches", "_write_states", "_write_balances",
        )
    ),
    (ledger, "_change_balances"),
    (events, "_count"),
    (events, "_tell_balances"),
    (events, "_insert"),
]  # fmt: skip


def build() -> None:
    """Resting orders of every kind, all matched: sells from 101 up, stops that trigger one another, an iceberg, what trails."""
    make_market(tick_size="1", lot_size="1", maker_fee="0.001", taker_fee="0.002")
    maker, taker, owner = (make_trader(funds={"USD": "1000000", "BTC": "1000"}) for _ in range(3))
    for price in range(101, 106):
        place_order(maker, side="Sell", price=str(price), quantity="3")
    place_order(maker, side="Sell", price="104", quantity="6", display_quantity="2")
    place_order(owner, side="Buy", price="90", quantity="5")
    place_order(owner, side="Sell", price="106", quantity="5", self_trade_prevention="Decrement")
    place_order(taker, price="101", quantity="1")
    match()
    for stop in ("102", "103", "104"):
        place_order(owner, side="Buy", order_type="StopMarket", price=None, quantity="3", stop_price=stop)
    place_order(taker, side="Sell", order_type="TrailingStop", price=None, quantity="2", trailing_offset=300)
    match()


def ask() -> None:
    """A cascade up to the owner's own order, an amendment that pays more and one that takes, and a call that crosses."""
    market = MarketState.objects.select_related("market").get().market
    owner, amended = _order(price="90")
    maker, cheaper = _order(price="105")
    taker = make_trader(funds={"USD": "1000000", "BTC": "1000"})
    place_order(taker, price="102", quantity="5")
    changes.amend(owner.id, amended.id, read_amendment({"price": "95", "quantity": "9"}))
    changes.ask_phase(market, Phase.AUCTION)
    place_order(taker, side="Sell", order_type="Market", price=None, quantity="4")
    place_order(taker, side="Buy", price="108", quantity="2", time_in_force="AuctionOnly")
    changes.amend(maker.id, cheaper.id, read_amendment({"price": "94"}))
    changes.ask_phase(market, Phase.CONTINUOUS, direct=True)


def _order(price: str) -> tuple[Account, Order]:
    order = Order.objects.select_related("account").get(price=price)
    return order.account, order


def told_events() -> list[str]:
    """Tell the tags of all events, command by command, and how orders ended."""
    commands = Command.objects.order_by("sequence").values_list("kind", "events")
    return [f"{kind}: {' '.join(event[0] for event in events)}" for kind, events in commands]


def told_orders() -> list[str]:
    orders = Order.objects.order_by("id")
    return [f"{order.status} {order.filled_quantity:.0f} of {order.quantity:.0f}" for order in orders]


EVENTS = [
    "new: rest",
    "new: rest",
    "new: rest",
    "new: rest",
    "new: rest",
    "new: rest",
    "new: rest",
    "new: rest",
    "new: trade end",
    "new: await",
    "new: await",
    "new: await",
    "new: await",
    "new: trade trade end trigger",
    "trigger: trade end trigger",
    "trigger: trade end trigger",
    "trigger: trade show trade end",
    "amend: amend rest",
    "phase: phase call",
    "new: park",
    "new: park",
    "amend: amend rest",
    "phase: uncross prevent end trade end trade end phase trigger",
    "trigger: trade end",
]
ORDERS = [
    "Filled 3 of 3",
    "Filled 3 of 3",
    "Filled 3 of 3",
    "Filled 3 of 3",
    "Filled 3 of 3",
    "PartiallyFilled 3 of 6",
    "PartiallyFilled 7 of 9",
    "New 0 of 5",
    "Filled 1 of 1",
    "Filled 3 of 3",
    "Filled 3 of 3",
    "Filled 3 of 3",
    "Filled 2 of 2",
    "Filled 5 of 5",
    "Filled 2 of 4",
    "Expired 0 of 2",
]
TRADES = ["1 @ 101", "2 @ 101", "3 @ 102", "3 @ 103", "3 @ 104", "2 @ 104", "1 @ 104", "2 @ 95", "3 @ 95", "2 @ 95"]


def test_undisturbed_run_has_a_cascade_an_auction_and_amendments():
    build()
    ask()
    match()

    assert (told_events(), told_orders(), trades()) == (EVENTS, ORDERS, TRADES)
    assert differences() == []


@pytest.mark.parametrize(("writer", "write"), WRITES, ids=[write for _, write in WRITES])
def test_worker_interrupted_at_a_write_changes_nothing_of_what_comes_about(writer, write):
    build()
    ask()
    before = rows()
    real = getattr(writer, write)

    def fails_behind_its_work(*arguments: Any) -> None:
        real(*arguments)
        raise OperationalError("the connection is gone")

    stopped = iter([False, True])
    with patch.object(writer, write, fails_behind_its_work), patch("trading.matching.time.sleep"):
        Shard(0).drain(lambda: next(stopped))
    assert rows() == before

    match()

    assert (told_events(), told_orders(), trades()) == (EVENTS, ORDERS, TRADES)
    check_books_and_ledger()
    check_streams()
    assert differences() == []


def rows() -> tuple[Any, ...]:
    state = MarketState.objects.values().get()
    told = list(AccountEvent.objects.order_by("account_id", "sequence").values())
    return state, list(Order.objects.order_by("id").values()), list(Command.objects.order_by("id").values()), told
