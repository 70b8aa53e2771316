"""Operations that wait for the engine, with one that runs beside them."""

import threading
import time

import pytest
from django.db import connection

from accounts.tests.builders import make_client, make_trader
from orders.tests.builders import make_market
from trading.matching import Shard

pytestmark = pytest.mark.django_db(transaction=True)

WAIT = "wait=5000"
ORDER = {"symbol": "BTC/USD", "order_type": "Limit", "quantity": "1", "price": "100"}


@pytest.fixture
def client(transactional_db):
    make_market()
    return make_client(make_trader(funds={"USD": "1000", "BTC": "10"}))


@pytest.fixture
def counterparty(client):
    return make_client(make_trader(funds={"USD": "1000", "BTC": "10"}))


@pytest.fixture
def engine(client):
    stopping = threading.Event()

    def run() -> None:
        Shard(0).run(seconds=60, should_stop=stopping.is_set)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    stopping.set()
    thread.join()


def place(client, side, query=WAIT, **changes):
    return client.post(f"/api/v1/orders?{query}", ORDER | {"side": side} | changes, format="json")


@pytest.mark.usefixtures("engine")
def test_placing_and_waiting_answers_what_the_engine_made_of_it(client, counterparty):
    resting = place(counterparty, "Sell")
    assert (resting.status_code, resting.json()["status"]) == (201, "New")
    started = time.monotonic()
    taking = place(client, "Buy")
    assert time.monotonic() - started < 4
    assert (taking.status_code, taking.json()["status"], taking.json()["average_price"]) == (
        201,
        "Filled",
        "100.00000000",
    )


@pytest.mark.usefixtures("engine")
def test_order_that_only_the_engine_can_reject_is_created_then_rejected(client, counterparty):
    place(counterparty, "Sell")
    response = place(client, "Buy", post_only=True)
    assert response.status_code == 201
    assert (response.json()["status"], response.json()["reason"]) == ("Rejected", "post_only_would_take")


@pytest.mark.usefixtures("engine")
def test_amending_and_canceling_and_waiting_answer_the_changed_order(client):
    path = f"/api/v1/orders/{place(client, 'Buy').json()['id']}?{WAIT}"
    amended = client.patch(path, {"quantity": "0.4"}, format="json")
    assert (amended.status_code, amended.json()["quantity"], amended.json()["status"]) == (202, "0.40000", "New")
    canceled = client.delete(path)
    assert canceled.status_code == 202
    assert (canceled.json()["status"], canceled.json()["reason"]) == ("Canceled", "user_request")
    assert canceled.json()["remaining_quantity"] == "0.00000"
    assert client.delete(path).json()["code"] == "order_not_open"


@pytest.mark.usefixtures("engine")
def test_canceling_all_and_waiting_leaves_none_open(client):
    for _ in range(3):
        place(client, "Buy", query="")
    assert client.delete(f"/api/v1/orders?{WAIT}").json() == {"requested": 3}
    assert client.get("/api/v1/orders?status=open").json()["results"] == []
    assert {order["reason"] for order in client.get("/api/v1/orders").json()["results"]} == {"mass_cancel"}


@pytest.mark.usefixtures("engine")
def test_batch_and_waiting_answers_each_order_as_it_became(client, counterparty):
    place(counterparty, "Sell")
    orders = [ORDER | {"side": "Buy"}, {"side": "Buy"}, ORDER | {"side": "Buy", "time_in_force": "IOC"}]
    response = client.post(f"/api/v1/orders/batch?{WAIT}", {"orders": orders}, format="json")
    first, second, third = response.json()["results"]
    assert first["order"]["status"] == "Filled"
    assert second["error"]["code"] == "missing_field"
    assert (third["order"]["status"], third["order"]["reason"]) == ("Expired", "ioc_remainder")


def test_waiting_without_an_engine_ends_in_time(client):
    started = time.monotonic()
    assert place(client, "Buy", query="wait=100").json()["status"] == "New"
    assert 0.1 <= time.monotonic() - started < 2
