"""Every order type and every change of terms, from the request to what came of it, with an engine that runs beside them."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.tests.builders import make_client, make_trader
from orders.changes import ask_phase, wait_until_taken
from orders.models import Market, Order
from orders.terms import Phase
from orders.tests.builders import make_market
from trading.matching import Shard
from trading.tests.builders import check_books_and_ledger
from trading.tests.tampering import differences

pytestmark = pytest.mark.django_db(transaction=True)

WAIT = "wait=5000"
ORDER = {"symbol": "BTC/USD", "order_type": "Limit", "quantity": "1", "price": "100"}


@pytest.fixture(autouse=True)
def _engine(transactional_db):
    """Run an engine beside the test, and check at the end all that must hold of what it has settled."""
    make_market(reference_price=Decimal(100), call_seconds=600)
    stopping = threading.Event()

    def run() -> None:
        Shard(0).run(seconds=60, should_stop=stopping.is_set)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    stopping.set()
    thread.join()
    check_books_and_ledger()
    assert differences() == []


@pytest.fixture
def client():
    return make_client(make_trader(funds={"USD": "10000", "BTC": "10"}))


@pytest.fixture
def other():
    return make_client(make_trader(funds={"USD": "10000", "BTC": "10"}))


def place(client, side, **changes):
    body = {name: value for name, value in (ORDER | {"side": side} | changes).items() if value is not None}
    response = client.post(f"/api/v1/orders?{WAIT}", body, format="json")
    assert response.status_code == 201, response.json()
    return response.json()


def read(client, order):
    return client.get(f"/api/v1/orders/{order['id']}").json()


def amend(client, order, **changes):
    response = client.patch(f"/api/v1/orders/{order['id']}?{WAIT}", changes, format="json")
    assert response.status_code == 202, response.json()
    return response.json()


def outcome(order):
    return order["status"], order["reason"], Decimal(order["filled_quantity"])


def trade_at(buyer, seller, price):
    place(seller, "Sell", price=price, quantity="0.1")
    assert place(buyer, "Buy", price=price, quantity="0.1")["status"] == "Filled"


def set_phase(phase, **how):
    assert wait_until_taken([ask_phase(Market.objects.get(), phase, **how)], 5000)


def balances(client):
    rows = client.get("/api/v1/balances").json()["results"]
    return {row["asset"]: (Decimal(row["available"]), Decimal(row["held"])) for row in rows}


@pytest.mark.parametrize(
    ("side", "stop", "price", "limit"),
    [
        ("Buy", {"order_type": "StopMarket", "stop_price": "110"}, "110", None),
        ("Buy", {"order_type": "StopLimit", "stop_price": "110"}, "110", "115"),
        ("Sell", {"order_type": "StopMarket", "stop_price": "90"}, "90", None),
        ("Buy", {"order_type": "TakeProfit", "stop_price": "90"}, "90", None),
        ("Sell", {"order_type": "TakeProfitLimit", "stop_price": "110"}, "110", "105"),
        ("Sell", {"order_type": "TrailingStop", "trailing_offset": 1000}, "90", None),
        ("Buy", {"order_type": "TrailingStop", "trailing_offset": 1000}, "110", None),
    ],
)
def test_stop_waits_for_its_price_and_is_then_matched(client, other, side, stop, price, limit):
    maker, taker = (make_client(make_trader(funds={"USD": "10000", "BTC": "10"})) for _ in range(2))
    trade_at(maker, taker, "100")
    waiting = place(client, side, price=limit, **stop)
    assert outcome(waiting) == ("PendingTrigger", None, 0)
    trade_at(maker, taker, price)

    resting = place(other, "Sell" if side == "Buy" else "Buy", price=price)

    if limit is None:  # it found nobody, at the time it was triggered
        assert outcome(read(client, waiting)) == ("Expired", "no_liquidity", 0)
        assert outcome(read(other, resting)) == ("New", None, 0)
    else:
        assert outcome(read(client, waiting)) == ("Filled", None, 1)
    assert balances(client)["USD"][1] == balances(client)["BTC"][1] == 0


def test_stop_market_takes_what_is_there_when_it_is_triggered(client, other):
    trade_at(other, client, "100")
    place(other, "Sell", price="110", quantity="2")
    waiting = place(client, "Buy", order_type="StopMarket", stop_price="105", price=None)
    trade_at(make_client(make_trader(funds={"USD": "100"})), other, "105")

    assert outcome(read(client, waiting)) == ("Filled", None, 1)
    assert read(client, waiting)["average_price"] == "110.00000000"


def test_stop_on_the_wrong_side_is_rejected(client, other):
    trade_at(client, other, "100")

    assert outcome(place(client, "Buy", order_type="StopMarket", stop_price="99", price=None)) == (
        "Rejected", "stop_would_trigger", 0,
    )  # fmt: skip
    assert balances(client)["USD"][1] == 0


def test_iceberg_shows_a_part_and_fills_whole(client, other):
    iceberg = place(client, "Sell", quantity="3", display_quantity="1")
    book = APIClient().get("/api/v1/markets/BTC-USD/book").json()
    assert book["asks"] == [["100.00", "1.00000"]]

    assert outcome(place(other, "Buy", quantity="2.5")) == ("Filled", None, Decimal("2.5"))
    assert outcome(read(client, iceberg)) == ("PartiallyFilled", None, Decimal("2.5"))
    assert APIClient().get("/api/v1/markets/BTC-USD/book").json()["asks"] == [["100.00", "0.50000"]]


def test_order_whose_time_is_up_ends_before_what_comes_later(client, other):
    expires_at = datetime.now(UTC) + timedelta(milliseconds=400)
    good_till = place(client, "Buy", time_in_force="GTD", expires_at=expires_at.isoformat().replace("+00:00", "Z"))
    assert outcome(good_till) == ("New", None, 0)
    threading.Event().wait(0.5)

    assert outcome(place(other, "Sell", time_in_force="IOC")) == ("Expired", "ioc_remainder", 0)
    assert outcome(read(client, good_till)) == ("Expired", "expired_time", 0)


@pytest.mark.parametrize(
    ("mode", "maker", "taker"),
    [
        ("CancelNewest", ("New", None), ("Expired", "self_trade")),
        ("CancelOldest", ("Expired", "self_trade"), ("New", None)),
        ("CancelBoth", ("Expired", "self_trade"), ("Expired", "self_trade")),
        ("Decrement", ("Expired", "self_trade"), ("New", None)),
    ],
)
def test_own_order_is_not_traded_with(client, mode, maker, taker):
    resting = place(client, "Buy")

    taking = place(client, "Sell", quantity="3", self_trade_prevention=mode)

    assert outcome(read(client, resting))[:2] == maker
    assert outcome(taking)[:2] == taker
    assert Decimal(taking["remaining_quantity"]) == {"CancelOldest": 3, "Decrement": 2}.get(mode, 0)


def test_auction_only_order_trades_in_the_call_and_what_is_left_expires(client, other):
    set_phase(Phase.AUCTION)
    only = place(client, "Buy", time_in_force="AuctionOnly", quantity="2")
    market = place(other, "Sell", order_type="Market", price=None, quantity="0.5")
    assert outcome(only) == outcome(market) == ("New", None, 0)

    set_phase(Phase.CONTINUOUS)

    assert outcome(read(client, only)) == ("Expired", "auction_end", Decimal("0.5"))
    assert outcome(read(other, market)) == ("Filled", None, Decimal("0.5"))


def test_higher_price_is_held_matched_and_what_is_not_needed_given_back(client, other):
    resting = place(client, "Buy", price="90")
    place(other, "Sell", price="95", quantity="0.5")

    amended = amend(client, resting, price="100", quantity="2")

    assert outcome(amended) == ("PartiallyFilled", None, Decimal("0.5"))
    assert (amended["price"], amended["quantity"], amended["remaining_quantity"]) == ("100.00", "2.00000", "1.50000")
    assert balances(client)["USD"] == (Decimal("10000") - Decimal("47.5") - 150, 150)


def test_lower_price_gives_back_at_once(client):
    amended = amend(client, place(client, "Buy"), price="50")

    assert (amended["price"], balances(client)["USD"]) == ("50.00", (9950, 50))


def test_more_quantity_loses_priority_and_less_keeps_it(client, other):
    for quantity, expected in (("2", other), ("0.5", client)):
        first, second = place(client, "Buy"), place(other, "Buy")
        amend(client, first, quantity=quantity)
        seller = make_client(make_trader(funds={"BTC": "1"}))
        place(seller, "Sell", quantity="0.5")
        assert outcome(read(client, first))[2] == (Decimal("0.5") if expected is client else 0)
        for owner, order in ((client, first), (other, second)):
            owner.delete(f"/api/v1/orders/{order['id']}?{WAIT}")


def test_post_only_order_keeps_its_terms_where_the_new_ones_would_take(client, other):
    place(other, "Sell")
    resting = place(client, "Buy", price="90", post_only=True)

    amended = amend(client, resting, price="100")

    assert (outcome(amended), amended["price"]) == (("New", None, 0), "90.00")
    assert balances(client)["USD"] == (9910, 90)


def test_stop_that_waits_takes_other_terms(client):
    waiting = place(client, "Buy", order_type="StopMarket", stop_price="120", price=None)

    amended = amend(client, waiting, quantity="3")

    assert (outcome(amended), amended["quantity"]) == (("PendingTrigger", None, 0), "3.00000")
    assert balances(client)["USD"][1] == 3 * 132
    assert amend(client, waiting, quantity="1")["quantity"] == "1.00000"
    assert balances(client)["USD"][1] == 132


def test_all_orders_end_by_one_request_whatever_they_wait_for(client):
    place(client, "Buy")
    place(client, "Buy", order_type="StopMarket", stop_price="120", price=None)
    place(client, "Buy", quantity="2", display_quantity="1", price="99")
    place(client, "Sell", time_in_force="AuctionOnly", price="200")

    response = client.delete(f"/api/v1/orders?{WAIT}")

    assert response.json() == {"requested": 4}
    assert set(Order.objects.values_list("status", "reason")) == {("Canceled", "mass_cancel")}
    assert balances(client) == {"BTC": (10, 0), "USD": (10000, 0)}


def test_flagged_orders_end_when_the_protection_trips(client, other):
    limits = {"symbol": "BTC/USD", "window_ms": 60_000, "quantity_limit": "1"}
    assert client.put("/api/v1/market-maker-protection", limits, format="json").status_code == 200
    flagged = place(client, "Sell", quantity="3", market_maker_protection=True)
    plain = place(client, "Sell", price="101")
    place(other, "Buy", quantity="1.5")

    assert outcome(read(client, flagged)) == ("Canceled", "market_maker_protection", Decimal("1.5"))
    assert outcome(read(client, plain)) == ("New", None, 0)
    body = ORDER | {"side": "Sell", "market_maker_protection": True}
    refused = client.post("/api/v1/orders", body, format="json")
    assert (refused.status_code, refused.json()["code"]) == (422, "market_maker_protection")
