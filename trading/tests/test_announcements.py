"""Test what accounts are told of a commit: all that it did to their orders and money, and nothing of anybody else's."""

import json
from decimal import Decimal
from unittest.mock import patch

import pytest

from accounts.events import last_sequences, read_after
from accounts.models import Account, AccountStream
from accounts.rendering import render_balance
from accounts.tests.builders import make_trader
from orders import changes
from orders.api.rendering import render_order
from orders.requests import read_amendment
from orders.rules import rules_of_market
from orders.selectors import read_account_snapshot
from orders.terms import Phase
from orders.tests.builders import make_market, place_order
from trading import announcements
from trading.settlement import Settlement
from trading.tests.builders import match
from trading.tests.followers import Follower, check_streams
from trading.tests.tampering import tamper
from trading.tests.venue import Venue

pytestmark = pytest.mark.django_db


def told_since(account: Account, after: int) -> list[str]:
    """Tell in short what an account was told: orders by status, fills by liquidity, balances as available + held."""
    lines = []
    for event in read_after({account.id: after}, 1000)[account.id]:
        for member in json.loads(event.payload):
            match event.channel:
                case "orders":
                    text = f"{member['status']} {member['filled_quantity'].rstrip('0').rstrip('.')}"
                case "fills":
                    text = (
                        f"{member['liquidity']} {Decimal(member['quantity']).normalize():f} fee {member['fee_asset']}"
                    )
                case _:
                    text = f"{member['asset']} {_plain(member['available'])} + {_plain(member['held'])}"
            lines.append(f"{event.sequence} {text}")
    return lines


def _plain(amount: str) -> str:
    return f"{Decimal(amount).normalize():f}"


def last(account: Account) -> int:
    return last_sequences([account.id])[account.id]


def test_order_that_rests_is_told_with_what_it_holds():
    make_market()
    buyer = make_trader(funds={"USD": "1000", "BTC": "1"})
    before = last(buyer)
    place_order(buyer, price="100", quantity="2")
    assert last(buyer) == before

    match()

    assert told_since(buyer, before) == [f"{before + 1} New 0", f"{before + 2} USD 800 + 200"]


def test_trade_is_told_to_both_as_orders_then_fills_then_balances():
    make_market(maker_fee="0.001", taker_fee="0.002")
    seller, buyer = make_trader(funds={"BTC": "2"}), make_trader(funds={"USD": "1000"})
    place_order(seller, side="Sell", price="100", quantity="2")
    match()
    place_order(buyer, price="100", quantity="0.5", client_order_id="mine")

    match()

    assert told_since(seller, 3) == ["4 PartiallyFilled 0.5", "5 Maker 0.5 fee USD", "6 BTC 0 + 1.5", "6 USD 49.95 + 0"]
    assert told_since(buyer, 1) == ["2 Filled 0.5", "3 Taker 0.5 fee BTC", "4 BTC 0.499 + 0", "4 USD 950 + 0"]
    assert json.loads(read_after({buyer.id: 2}, 1)[buyer.id][0].payload)[0]["client_order_id"] == "mine"
    check_streams()


def test_amendment_that_did_not_come_about_tells_what_it_gives_back():
    make_market()
    buyer = make_trader(funds={"USD": "1000"})
    order = place_order(buyer, price="100", quantity="1")
    match()
    before = last(buyer)
    changes.cancel(buyer.id, order.id)
    changes.amend(buyer.id, order.id, read_amendment({"price": "200"}))

    match()

    assert told_since(buyer, before) == [f"{before + 1} Canceled 0", f"{before + 2} USD 1000 + 0"]


def test_market_that_only_changes_its_phase_tells_nobody_anything():
    market = make_market()
    make_trader()
    changes.ask_phase(market, Phase.HALTED)

    match()

    assert not AccountStream.objects.exists()


def test_settlement_hands_on_the_last_sequence_of_each_account_it_told():
    make_market()
    seller, buyer = make_trader(funds={"BTC": "2"}), make_trader(funds={"USD": "1000"})
    place_order(seller, side="Sell", price="100", quantity="2")
    place_order(buyer, price="100", quantity="0.5")
    kept = []
    with patch("trading.matching.Settlement", side_effect=lambda: kept.append(Settlement()) or kept[-1]):
        match()

    assert [settlement.told for settlement in kept if settlement.told] == [
        {seller.id: last(seller), buyer.id: last(buyer)}
    ]


def test_many_orders_of_an_account_are_told_by_several_events(monkeypatch):
    monkeypatch.setattr(announcements, "MEMBERS_MAX", 3)
    make_market()
    buyer, seller = make_trader(funds={"USD": "1000"}), make_trader(funds={"BTC": "10"})
    for _ in range(7):
        place_order(buyer, price="100")
    place_order(seller, side="Sell", price="100", quantity="7")

    match()

    events = read_after({buyer.id: 1}, 100)[buyer.id]
    assert [(event.channel, len(json.loads(event.payload))) for event in events] == [
        ("orders", 3), ("orders", 3), ("orders", 1), ("fills", 3), ("fills", 3), ("fills", 1), ("balances", 2),
    ]  # fmt: skip
    check_streams()


def test_order_of_a_failed_command_is_told_rejected_and_its_hold_freed():
    make_market()
    buyer = make_trader(funds={"USD": "1000"})
    order = place_order(buyer, price="100", quantity="2")
    tamper("UPDATE commands SET payload = '{}' WHERE order_id = %s", order.id)

    match()

    assert told_since(buyer, 1) == ["2 Rejected 0", "3 USD 1000 + 0"]
    check_streams()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", [7, pytest.param(8, marks=pytest.mark.long)])
def test_client_that_starts_from_a_snapshot_at_any_time_arrives_at_the_same(seed):
    venue = Venue(seed)
    account = venue.traders[0]
    clients = []
    for step in range(60):
        venue.step()
        if step % 10 == 0:
            clients.append(from_snapshot(account))
    venue.match()

    whole = Follower(account.id)
    whole.follow()
    for client in clients:
        client.follow()
        assert client.sequence == whole.sequence
        assert open_orders(client) == open_orders(whole)
        assert client.balances | whole.balances == client.balances


def from_snapshot(account: Account) -> Follower:
    snapshot = read_account_snapshot(account.id)
    client = Follower(account.id)
    client.sequence = snapshot.account_sequence
    client.orders = {order.id: render_order(order, rules_of_market(order.market_id)) for order in snapshot.orders}
    client.balances = {holding.asset: render_balance(holding) for holding in snapshot.balances}
    return client


def open_orders(client: Follower) -> dict[int, object]:
    return {
        order_id: order
        for order_id, order in client.orders.items()
        if order["status"] in ("New", "PendingTrigger", "PartiallyFilled")
    }


def test_snapshot_is_one_statement_and_shows_what_the_api_shows(django_assert_num_queries):
    make_market()
    buyer = make_trader(funds={"USD": "1000"})
    ended = place_order(buyer, time_in_force="IOC")
    match()
    first, second = place_order(buyer, price="10"), place_order(buyer, price="11")

    with django_assert_num_queries(1):
        snapshot = read_account_snapshot(buyer.id)

    assert ended.id not in [order.id for order in snapshot.orders]
    assert [order.id for order in snapshot.orders] == [first.id, second.id]
    assert [(holding.asset, holding.available, holding.held) for holding in snapshot.balances] == [
        ("BTC", 0, 0),
        ("USD", 979, 21),
    ]
    assert snapshot.account_sequence == last(buyer)


def test_snapshot_of_an_account_that_has_nothing_is_empty():
    assert read_account_snapshot(make_trader().id) == (0, [], [])
