"""Look at one's own orders, fills and their files as a browser without scripts does, and cancel by forms."""

import asyncio
import csv
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.shortcuts import resolve_url
from django.test import AsyncRequestFactory, Client

from accounts.models import Account
from accounts.pages.streaming import in_threads
from accounts.tests.builders import make_trader, make_user
from orders.models import Market, Order
from orders.terms import OrderStatus, Reason
from orders.tests.builders import make_market, place_order
from trading.api.rendering import render_history
from trading.engine import events
from trading.pages import exports, lives, orders, tickets
from trading.selectors import HistoryEntry
from trading.tests.builders import database_now, match

pytestmark = pytest.mark.django_db
FUNDS = {"USD": "1000000", "BTC": "1000"}


@pytest.fixture(autouse=True)
def _no_engine_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "WAIT_MS", 0)


@pytest.fixture
def market() -> Market:
    return make_market("BTC/USD", maker_fee="0.001", taker_fee="0.002")


@pytest.fixture
def alice(market: Market) -> Account:
    return make_trader(funds=FUNDS)


@pytest.fixture
def bob(market: Market) -> Account:
    return make_trader(funds=FUNDS)


@pytest.fixture
def browser(alice: Account) -> Client:
    return signed_in(alice)


def signed_in(account: Account) -> Client:
    client = Client()
    client.force_login(account.user)
    return client


def read(browser: Client, path: str, status: int = 200) -> str:
    answer = browser.get(path)
    assert answer.status_code == status, answer.content
    return answer.content.decode()


def shown(page: str) -> list[int]:
    """Tell which orders a list shows, in its order."""
    return [int(part.split('"')[0]) for part in page.split('<tr data-key="')[1:]]


def rows_of(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(b"".join(answer.streaming_content).decode())))


# -- who sees what -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/orders", "/orders/fills", "/orders/preventions", "/orders.csv", "/fills.csv", "/orders/1", "/orders/cancel-all"],
)
def test_pages_are_for_traders_who_have_signed_in(path: str) -> None:
    assert Client().get(path).headers["Location"] == f"{resolve_url(settings.LOGIN_URL)}?next={path}"
    operator = Client()
    operator.force_login(make_user())
    assert "No trading account" in read(operator, path, 403)


def test_orders_of_others_are_not_there(browser: Client, alice: Account, bob: Account) -> None:
    mine, others = place_order(alice, quantity="1"), place_order(bob, quantity="2")
    place_order(bob, side="Sell", quantity="1", price="100.00")
    match()
    assert shown(read(browser, "/orders")) == [mine.id]
    assert read(browser, "/orders/fills").count("<tr data-key") == 1
    read(browser, f"/orders/{others.id}", 404)
    assert browser.post(f"/orders/{others.id}/cancel").status_code == 404
    others.refresh_from_db()
    assert others.status == OrderStatus.NEW


# -- the list ------------------------------------------------------------------------------------------


def test_filters_choose_and_keep_what_was_typed(browser: Client, alice: Account) -> None:
    make_market("ETH/USD", tick_size="0.01", lot_size="0.0001")
    bought = place_order(alice, client_order_id="one")
    sold = place_order(alice, side="Sell", price="200.00")
    ether = place_order(alice, symbol="ETH/USD", price="3.00")
    tickets.cancel_order(alice.id, sold.id)
    match()
    page = read(browser, "/orders?symbol=&side=&status=&client_order_id=")
    assert shown(page) == [ether.id, sold.id, bought.id]
    for words, found in (
        ("status=open", [ether.id, bought.id]),
        ("status=closed", [sold.id]),
        ("status=Canceled", [sold.id]),
        ("symbol=BTC-USD&side=Sell", [sold.id]),
        ("client_order_id=one", [bought.id]),
    ):
        assert shown(read(browser, f"/orders?{words}")) == found, words
    page = read(browser, "/orders?side=Sell&client_order_id=none")
    assert "No order is like that." in page
    assert '<option value="Sell" selected>' in page
    assert 'value="none"' in page
    assert "/orders.csv?side=Sell&amp;client_order_id=none" in page


def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_shown(browser: Client, alice: Account) -> None:
    place_order(alice)
    for words, said in (
        ("symbol=DOGE-USD", "There is no market DOGE-USD."),
        ("status=gone", "status must be one of"),
        ("client_order_id=%22a b%22", 'value="&quot;a b&quot;"'),
        ("before=x", "Nothing is shown"),
    ):
        page = read(browser, f"/orders?{words}", 400)
        assert said in page, words
        assert shown(page) == []
    assert browser.get("/orders.csv?status=gone").status_code == 400


def test_pages_go_from_the_newest_down_whatever_comes_in(browser: Client, alice: Account, monkeypatch: Any) -> None:
    monkeypatch.setattr(orders, "ROWS", 2)
    made = [place_order(alice).id for _ in range(5)]
    first = read(browser, "/orders?side=Buy")
    assert shown(first) == [made[4], made[3]]
    assert f'href="?side=Buy&amp;before={made[3]}"' in first
    assert "Newest" not in first
    place_order(alice)
    second = read(browser, f"/orders?side=Buy&before={made[3]}")
    assert shown(second) == [made[2], made[1]]
    assert 'href="?side=Buy">Newest' in second
    assert ">Older" not in read(browser, f"/orders?before={made[1]}")


def test_queries_are_few_however_many_rows(browser: Client, alice: Account, django_assert_max_num_queries: Any) -> None:
    for _ in range(10):
        place_order(alice, side="Sell", price="100.00")
        place_order(make_trader(funds=FUNDS), price="100.00")
    match()
    some = Order.objects.filter(account=alice).first().id
    read(browser, "/orders")  # the first page of a session notes it
    # Three for who asks, one for the account; an order's page reads it, its fills and its life.
    for path, most in (("/orders", 6), ("/orders/fills", 6), (f"/orders/{some}", 7)):
        with django_assert_max_num_queries(most):
            read(browser, path)


def test_prevented_self_trades_are_listed(browser: Client, alice: Account) -> None:
    place_order(alice, side="Sell", price="100.00")
    second = place_order(alice, price="100.00")
    match()
    page = read(browser, "/orders/preventions")
    assert "CancelNewest" in page
    assert f'href="/orders/{second.id}"' in page
    assert "the other side is your own" in read(browser, f"/orders/{second.id}")


# -- the end of orders ----------------------------------------------------------------------------------


def test_cancel_goes_back_to_where_it_was_asked_for(browser: Client, alice: Account) -> None:
    order = place_order(alice)
    match()
    page = read(browser, "/orders?side=Buy")
    assert f'formaction="/orders/{order.id}/cancel"' in page
    assert 'name="next" value="/orders?side=Buy"' in page
    answer = browser.post(f"/orders/{order.id}/cancel", {"next": "/orders?side=Buy"})
    assert answer.headers["Location"] == "/orders?side=Buy"
    match()
    order.refresh_from_db()
    assert (order.status, order.reason) == (OrderStatus.CANCELED, Reason.USER_REQUEST)
    again = browser.post(f"/orders/{order.id}/cancel", {"next": "https://elsewhere.example/"}, follow=True)
    assert again.redirect_chain == [("/orders", 302)]
    assert "The order has ended: it is Canceled." in again.content.decode()
    assert f"/orders/{order.id}/cancel" not in again.content.decode()
    assert browser.get(f"/orders/{order.id}/cancel").status_code == 405


def test_all_are_canceled_after_it_was_asked_whether_they_are_to(browser: Client, alice: Account) -> None:
    make_market("ETH/USD", tick_size="0.01", lot_size="0.0001")
    place_order(alice)
    place_order(alice)
    place_order(alice, symbol="ETH/USD", price="3.00")
    match()
    assert "Cancel 3 orders" in read(browser, "/orders/cancel-all")
    assert "Cancel 2 orders" in read(browser, "/orders/cancel-all?symbol=BTC-USD")
    answer = browser.post("/orders/cancel-all", {"symbol": "BTC/USD"}, follow=True)
    assert "Asked for the end of 2 orders." in answer.content.decode()
    match()
    assert Order.objects.filter(status=OrderStatus.NEW).count() == 1
    browser.post("/orders/cancel-all", {"symbol": ""})
    match()
    assert "No orders are open." in read(browser, "/orders/cancel-all")
    read(browser, "/orders/cancel-all?symbol=DOGE-USD", 404)


def test_forms_need_their_token(alice: Account) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice.user)
    order = place_order(alice)
    assert browser.post(f"/orders/{order.id}/cancel").status_code == 403
    assert browser.post("/orders/cancel-all").status_code == 403


# -- one order -----------------------------------------------------------------------------------------


def test_an_orders_page_tells_its_terms_fills_and_life(browser: Client, alice: Account, bob: Account) -> None:
    order = place_order(alice, side="Sell", quantity="3", price="100.00", client_order_id="mine")
    taker = place_order(bob, quantity="1", price="100.00")
    match()
    tickets.cancel_order(alice.id, order.id)
    page = read(browser, f"/orders/{order.id}")
    for words in (
        ">Placed<", "Rests in the book: 3.00000 at 100.00", "Traded 1.00000 at 100.00 as maker", ">Its end was asked for<",
        ">pending<", ">mine<", "In the book, filled in part", "0.10000000 USD", ">3.00000 BTC<", "command new",
    ):  # fmt: skip
        assert words in page, words
    assert f"#{taker.id}" not in page
    match()
    page = read(browser, f"/orders/{order.id}")
    assert "Canceled, because you asked for that" in page
    assert "Ended because you asked for that" in page
    assert "pending" not in page
    assert "/cancel" not in page
    assert "style=" not in page
    life = page.partition("Its life")[2]
    assert life.index(">Placed<") < life.index("Rests") < life.index("Traded") < life.index("Ended")


def test_every_status_kind_and_event_of_an_order_has_its_words() -> None:
    order = {"status": "Rejected", "reason": "post_only_would_take"}
    assert lives.tell_status(order).endswith("because it is post-only and would have matched at once")
    assert set(lives.STATUSES) == set(OrderStatus)
    of_orders = {
        kind.__annotations__["tag"].__args__[0]
        for kind in events.Event.__args__
        if {"order_id", "maker_order_id"} & set(kind._fields)
    }
    assert set(lives.EVENTS) == of_orders


def test_a_step_without_figures_is_told_too(market: Market) -> None:
    from orders.rules import rules_of_market

    rules = rules_of_market(market.id)
    for detail, words in (
        (["await", 7, None], "Waits for its trigger"),
        (["end", 7, None, 0], "Ended: filled whole"),
        (["refuse", 7, "insufficient_funds"], "Not amended because the funds no longer reach"),
    ):
        step = render_history(HistoryEntry("event", detail[0], 1, database_now(), detail), 7, rules)
        assert lives.tell_step(step) == words


# -- files ---------------------------------------------------------------------------------------------


def test_files_have_all_that_the_filters_choose_a_read_at_a_time(
    browser: Client, alice: Account, bob: Account, monkeypatch: Any, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(exports, "ROWS_A_READ", 2)
    made = [place_order(alice, side="Sell", price="100.00").id for _ in range(5)]
    place_order(alice, price="1.00", client_order_id="-1-2")
    place_order(bob, quantity="5", price="100.00")
    match()
    read(browser, "/orders")  # the first page of a session notes it
    with django_assert_num_queries(4 + 3):
        rows = rows_of(browser.get("/orders.csv?side=Sell"))
    assert [int(row["id"]) for row in rows] == made[::-1]
    assert (rows[0]["status"], rows[0]["average_price"], rows[0]["reason"]) == ("Filled", "100.00000000", "")
    assert rows[0]["post_only"] == "false"  # as the API writes it
    (guarded,) = rows_of(browser.get("/orders.csv?side=Buy"))
    assert guarded["client_order_id"] == "'-1-2"
    fills = rows_of(browser.get("/fills.csv"))
    assert len(fills) == 5
    assert (fills[0]["fee"], fills[0]["fee_asset"], fills[0]["liquidity"]) == ("0.10000000", "USD", "Maker")
    assert len(rows_of(browser.get(f"/fills.csv?order_id={made[0]}"))) == 1
    answer = browser.get("/fills.csv?symbol=BTC-USD")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="fills.csv"'
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_a_file_comes_part_by_part_under_asgi() -> None:
    taken = []

    def parts() -> Any:
        for text in ("a", "b"):
            taken.append(text)
            yield text

    async def first() -> str:
        return await anext(in_threads(parts()))

    assert (asyncio.run(first()), taken) == ("a", ["a"])
    request = AsyncRequestFactory().get("/orders.csv")
    filters = exports.read_order_filters({})
    answer = exports._file(request, "x.csv", filters, ["id"], lambda **_: [], lambda row: row)
    assert answer.is_async
