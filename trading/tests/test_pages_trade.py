"""Trade by the trading page as a browser without scripts does: what it shows, and what its forms do."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account
from accounts.tests.builders import make_trader, make_user
from orders.changes import ask_phase
from orders.models import Market, Order
from orders.terms import Phase, Reason
from orders.tests.builders import make_market, place_order
from trading.pages import tickets
from trading.pages.words import PHASES, REASONS
from trading.tests.builders import match

pytestmark = pytest.mark.django_db
PAGE = "/trade/BTC-USD"


@pytest.fixture(autouse=True)
def _no_engine_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "WAIT_MS", 0)


@pytest.fixture
def market() -> Market:
    return make_market("BTC/USD", min_quantity="0.001", min_notional="10")


@pytest.fixture
def alice(market: Market) -> Account:
    return make_trader(funds={"USD": "1000", "BTC": "5"})


@pytest.fixture
def browser(alice: Account) -> Client:
    client = Client()
    assert alice.user is not None
    client.force_login(alice.user)
    return client


def send(browser: Client, **fields: str) -> Any:
    form = {
        "side": "Buy",
        "order_type": "Limit",
        "quantity": "1",
        "price": "100.00",
        "client_order_id": "once",
        **fields,
    }
    return browser.post(f"{PAGE}/orders", form, follow=True)


def test_the_page_shows_market_and_own(browser: Client, alice: Account) -> None:
    bob = make_trader(funds={"BTC": "9"})
    place_order(bob, side="Sell", quantity="2", price="101.00")
    place_order(alice, quantity="0.5", price="101.00")
    order = place_order(alice, quantity="1", price="99.00")
    match()
    page = browser.get(PAGE).content.decode()
    for shown in (">101.00<", ">1.50000<", 'value="99.00"', f"/orders/{order.id}/cancel", ">Limit<", "Taker", "850.5"):
        assert shown in page, shown
    assert "2.00 (1.980 %)" in page
    assert "style=" not in page
    assert " onclick" not in page


def test_its_queries_do_not_grow_with_what_is_shown(
    browser: Client, alice: Account, django_assert_max_num_queries: Any
) -> None:
    for price in range(90, 97):
        place_order(alice, price=f"{price}.00", quantity="0.2")
    match()
    browser.get(PAGE)  # that a session was used is noted once a minute
    with django_assert_max_num_queries(12):
        browser.get(PAGE)


def test_everybody_may_look_and_who_signs_in_may_trade(client: Client, market: Market) -> None:
    answer = client.get("/trade/btc/usd")
    assert answer.status_code == 200
    assert "Sign in to trade" in answer.content.decode()
    refused = client.post(f"{PAGE}/orders", {"side": "Buy", "quantity": "1", "price": "100.00"})
    assert refused.status_code == 302
    assert "price%3D100.00" in refused["Location"]
    assert client.post(f"{PAGE}/orders/1/cancel").status_code == 302
    assert not Order.objects.exists()


def test_who_has_no_account_is_told_so(client: Client, market: Market) -> None:
    client.force_login(make_user())
    assert "no trading account" in client.get(PAGE).content.decode()
    assert client.post(f"{PAGE}/orders", {"side": "Buy"}).status_code == 403


def test_a_market_that_is_not_there_is_404_and_names_those_there_are(client: Client, market: Market) -> None:
    answer = client.get("/trade/XRP-USD")
    assert answer.status_code == 404
    assert 'href="/trade/BTC-USD"' in answer.content.decode()


def test_no_market_named_is_the_first(client: Client) -> None:
    assert client.get("/trade")["Location"] == "/"
    make_market("ETH/USD")
    make_market("BTC/USD")
    assert client.get("/trade")["Location"] == PAGE


def test_the_address_fills_the_ticket_in(browser: Client) -> None:
    page = browser.get(f"{PAGE}?side=Sell&price=123.45&post_only=true&order_type=StopLimit").content.decode()
    assert 'value="123.45"' in page
    assert re.search(r'value="Sell" checked', page)
    assert re.search(r'<option value="StopLimit" selected', page)


def test_a_form_places_an_order_and_says_so(browser: Client) -> None:
    answer = send(browser, post_only="true", time_in_force="GTD", expires_at="2099-01-31T12:00", display_quantity="")
    assert answer.redirect_chain == [(PAGE, 302)]
    assert "Buy 1.00000 BTC: open." in answer.content.decode()
    order = Order.objects.get()
    assert (order.post_only, order.client_order_id) == (True, "once")
    assert order.expires_at is not None
    assert order.expires_at.isoformat() == "2099-01-31T12:00:00+00:00"


def test_a_double_submit_places_one_order(browser: Client) -> None:
    send(browser)
    assert send(browser).status_code == 200
    assert Order.objects.count() == 1
    other = send(browser, quantity="2")
    assert other.status_code == 409
    page = other.content.decode()
    assert "has placed an order already" in page
    assert re.search(r'name="client_order_id" value="web-[0-9a-f]{32}"', page)
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"price": "100.005"}, 422, "multiple of the tick size, 0.01"),
        ({"quantity": "0.000001"}, 422, "multiple of the lot size, 0.00001"),
        ({"quantity": "0.0001"}, 422, "It must be at least 0.00100."),
        ({"quantity": "0.01"}, 422, "at least 10 USD, got 1."),
        ({"quantity": "11"}, 422, "The order needs 1100.00000000 USD; 1000.00000000 USD is available."),
        ({"quantity": ""}, 400, "A Limit order needs a quantity."),
        ({"order_type": "TrailingStop", "price": ""}, 400, "needs a trailing_offset"),
        ({"time_in_force": "GTD"}, 400, "A GTD order needs expires_at."),
        ({"time_in_force": "GTD", "expires_at": "2020-01-01T00:00"}, 422, "It must be in the future"),
        ({"order_type": "Market"}, 400, "takes no price"),
    ],
)
def test_a_refusal_is_beside_its_field_and_keeps_what_was_typed(
    browser: Client, fields: dict[str, str], status: int, said: str
) -> None:
    if "expires_at" in fields:
        status = 400
    answer = send(browser, display_quantity="", **fields)
    assert answer.status_code == status
    page = answer.content.decode()
    assert re.search(rf'<p class="error" id="e-\w+">[^<]*{re.escape(said)}', page), said
    assert 'aria-invalid="true"' in page
    typed = {"price": "100.00", **fields}
    assert f'value="{typed["price"]}"' in page
    assert 'name="client_order_id" value="once"' in page
    assert not Order.objects.exists()


def test_a_halted_market_says_what_may_be_done(browser: Client, alice: Account, market: Market) -> None:
    order = place_order(alice, price="99.00")
    ask_phase(market, Phase.HALTED)
    match()
    page = browser.get(PAGE).content.decode()
    assert PHASES[Phase.HALTED][1] in page
    assert "phase-halted" in page
    refused = send(browser)
    assert refused.status_code == 422
    assert "The market is in phase Halted" in refused.content.decode()
    browser.post(f"{PAGE}/orders/{order.id}/cancel")
    match()
    order.refresh_from_db()
    assert order.status == "Canceled"


def test_a_call_shows_what_it_would_give(browser: Client, alice: Account, market: Market) -> None:
    ask_phase(market, Phase.AUCTION)
    place_order(make_trader(funds={"BTC": "9"}), side="Sell", quantity="2", price="95.00")
    place_order(alice, price="99.00")
    match()
    page = browser.get(PAGE).content.decode()
    for shown in ("Auction call", "Indicative price", ">95.00<", ">1.00000<", "Sell 1.00000"):
        assert shown in page, shown


def test_an_order_that_the_engine_rejects_is_said_with_its_reason(
    browser: Client, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    place_order(make_trader(funds={"BTC": "9"}), side="Sell", price="100.00")
    monkeypatch.setattr(tickets.changes, "wait_until_taken", lambda *_: match())
    answer = send(browser, post_only="true")
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "rejected because it is post-only and would have matched at once." in page
    assert 'value="100.00"' in page
    assert 'value="once"' not in page
    assert "filled, 1.00000 BTC at 100.00" in send(browser, client_order_id="twice").content.decode()


def test_an_order_is_amended_and_canceled_by_forms(browser: Client, alice: Account) -> None:
    order = place_order(alice, price="99.00")
    match()
    browser.post(f"{PAGE}/orders/{order.id}/amend", {"quantity": "2.00000", "price": "99.00"})
    match()
    order.refresh_from_db()
    assert (order.quantity, order.price) == (2, 99)
    for form, status, said in (
        ({"quantity": "2.0", "price": "99.00"}, 400, "Nothing was changed"),
        ({"quantity": "2", "price": "99.005"}, 422, "multiple of the tick size"),
        ({"quantity": "x", "price": "99"}, 400, "plain decimal number"),
    ):
        answer = browser.post(f"{PAGE}/orders/{order.id}/amend", form)
        assert answer.status_code == status
        page = answer.content.decode()
        assert said in page
        assert f'value="{form["price"]}"' in page
    browser.post(f"{PAGE}/orders/{order.id}/cancel")
    match()
    assert Order.objects.get(id=order.id).status == "Canceled"
    again = browser.post(f"{PAGE}/orders/{order.id}/cancel", follow=True)
    assert "The order has ended: it is Canceled." in again.content.decode()


def test_all_orders_are_canceled_by_one_form(browser: Client, alice: Account) -> None:
    for price in ("98.00", "99.00"):
        place_order(alice, price=price)
    match()
    assert "Asked for the end of 2 orders." in browser.post(f"{PAGE}/orders/cancel", follow=True).content.decode()
    match()
    assert set(Order.objects.values_list("status", flat=True)) == {"Canceled"}


def test_other_peoples_orders_are_not_there(browser: Client) -> None:
    order = place_order(make_trader(funds={"USD": "100"}), price="50.00")
    match()
    assert browser.post(f"{PAGE}/orders/{order.id}/cancel").status_code == 404
    assert browser.post(f"{PAGE}/orders/{order.id}/amend", {"quantity": "0.5"}).status_code == 404
    order.refresh_from_db()
    assert (order.status, order.quantity) == ("New", 1)


def test_a_form_needs_its_token_and_its_address_leads_back(alice: Account) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert alice.user is not None
    strict.force_login(alice.user)
    assert strict.post(f"{PAGE}/orders", {"side": "Buy"}).status_code == 403
    for path in ("orders", "orders/cancel", "orders/1/amend", "orders/1/cancel"):
        assert strict.get(f"{PAGE}/{path}")["Location"] == PAGE


def test_every_phase_and_reason_has_words() -> None:
    assert set(PHASES) == set(Phase)
    assert set(REASONS) == set(Reason)
