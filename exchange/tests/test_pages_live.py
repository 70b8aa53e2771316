"""The trading page shows what happens as it happens: orders, refusals, halts, auctions, and that it does not know.

The markets are those of the shared exchange; each test has one of its own, so that none waits for another's.
"""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from exchange.tests.browsers import WAIT_MS, pages_of, sign_in, visitor
from exchange.tests.platform import Platform, kill
from exchange.tests.sockets import ALICE, BOB, order, rest

pytestmark = pytest.mark.usefixtures("_books_are_empty")
expect.set_options(timeout=WAIT_MS)

SYMBOL = "ETH/USD"
PAGE = "/trade/ETH-USD"


def _open(page: Page, email: str | None = ALICE) -> None:
    if email is not None:
        sign_in(page, email)
    page.goto(PAGE)
    expect(page.locator("#connection")).to_have_text("Live")


def _place(page: Page, side: str, quantity: str, price: str, **more: str) -> None:
    page.locator(f"input[name=side][value={side}]").check(force=True)
    page.locator("#t-order_type").select_option("Limit")
    page.locator("#t-price").fill(price)
    page.locator("#t-quantity").fill(quantity)
    if more.get("post_only"):
        page.locator("input[name=post_only]").check()
    page.locator("#place").click()


def _phase(platform: Platform, phase: str, *more: str) -> None:
    done = platform.manage("set_phase", SYMBOL, phase, "--reason", "a test", *more)
    assert done.returncode == 0, done.stderr


def test_an_order_is_seen_by_another_browser_and_filled_under_its_eyes(platform: Platform, browser: Browser) -> None:
    base = pages_of(platform)
    with visitor(browser, base) as alice, visitor(browser, base) as watcher:
        _open(alice)
        _open(watcher, None)
        _place(alice, "Buy", "2", "3000")
        row = alice.locator("#order-rows tr")
        expect(row).to_have_count(1)
        expect(watcher.locator("#bids tr").first).to_contain_text("3000.00")

        rest(platform, "POST", "/orders", BOB, order("Sell", "0.5", "3000.00", symbol=SYMBOL))
        expect(row.locator("[data-field=filled]")).to_have_text("0.5000")
        expect(watcher.locator("#tape")).to_contain_text("0.5000")
        expect(alice.locator("#fills")).to_contain_text("Maker")
        expect(watcher.locator("#last")).to_contain_text("3000.00")

        # Amended where it stands, and canceled.
        row.locator("input[name=quantity]").fill("1")
        row.locator("button.amend").click()
        expect(watcher.locator("#bids tr").first).to_contain_text("0.5000")
        row.locator("button.cancel").click()
        expect(row).to_have_count(0)
        expect(watcher.locator("#bids tr")).to_have_count(0)
        held = alice.locator('#balance-rows tr[data-key="USD"] [data-field=held]')
        expect(held).to_have_text(re.compile(r"^0\.0+$"))


def test_an_order_is_placed_by_keys_alone_and_its_hold_is_shown_before(platform: Platform, browser: Browser) -> None:
    with visitor(browser, pages_of(platform)) as page:
        _open(page)
        page.keyboard.press("q")
        page.keyboard.type("1.5")
        page.keyboard.press("Escape")
        expect(page.locator("#t-quantity")).to_have_value("")
        page.locator("#t-quantity").blur()
        page.keyboard.press("s")
        page.keyboard.press("p")
        page.keyboard.type("4000")
        page.keyboard.press("Tab")
        page.keyboard.type("2")
        expect(page.locator("#preview [data-field=held]")).to_contain_text("2.00000000 ETH")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#asks tr").first).to_contain_text("4000.00")
        expect(page.locator("#order-rows tr")).to_contain_text("Sell")


def test_the_list_of_markets_and_the_chart_go_with_each_trade(platform: Platform, browser: Browser) -> None:
    base = pages_of(platform)
    with visitor(browser, base) as markets, visitor(browser, base) as chart:
        markets.goto("/")
        row = markets.locator("main tbody tr", has_text=SYMBOL)
        _open(chart, None)
        for price in ("3333.00", "3334.50"):
            rest(platform, "POST", "/orders?wait=5000", BOB, order("Sell", "0.1", price, symbol=SYMBOL))
            rest(platform, "POST", "/orders?wait=5000", ALICE, order("Buy", "0.1", price, symbol=SYMBOL))
            expect(row).to_contain_text(price)
            expect(chart).to_have_title(re.compile(re.escape(price)))
        assert chart.locator("#chart-box canvas").count() > 0
        expect(chart.locator("#chart-box")).to_have_attribute("aria-label", re.compile(r"3334\.50"))


def test_a_click_on_a_level_fills_the_price(platform: Platform, browser: Browser) -> None:
    rest(platform, "POST", "/orders", BOB, order("Sell", "1", "3210.50", symbol=SYMBOL))
    with visitor(browser, pages_of(platform)) as page:
        _open(page)
        page.locator("#asks button", has_text="3210.50").click()
        expect(page.locator("#t-price")).to_have_value("3210.50")


def test_a_rejected_order_says_why_and_keeps_what_was_typed(platform: Platform, browser: Browser) -> None:
    rest(platform, "POST", "/orders?wait=5000", BOB, order("Sell", "1", "3000.00", symbol=SYMBOL))
    with visitor(browser, pages_of(platform), expects=[r"status of 4\d\d"]) as page:
        _open(page)
        expect(page.locator("#asks tr")).to_have_count(1)
        _place(page, "Buy", "1", "3000.00", post_only="yes")
        expect(page.locator("#ticket-alert")).to_contain_text(re.compile("post.only", re.IGNORECASE))
        expect(page.locator("#t-price")).to_have_value("3000.00")
        # What intake refuses is said beside the field, with the limit.
        page.locator("input[name=post_only]").uncheck()
        _place(page, "Buy", "1000000", "3000.00")
        expect(page.locator("#ticket-form")).to_contain_text("available")
        expect(page.locator("#t-quantity")).to_have_value("1000000")


def test_a_halt_is_seen_at_once_and_an_auction_shows_what_it_would_give(platform: Platform, browser: Browser) -> None:
    with visitor(browser, pages_of(platform), expects=[r"status of 4\d\d"]) as page:
        _open(page)
        expect(page.locator("#phase-banner")).to_be_hidden()
        try:
            _phase(platform, "Halted")
            expect(page.locator("#phase-banner")).to_contain_text("Halted")
            _place(page, "Buy", "1", "3000")
            expect(page.locator("#ticket-form")).to_contain_text(re.compile("halted", re.IGNORECASE))

            _phase(platform, "PreOpen")
            rest(platform, "POST", "/orders", BOB, order("Sell", "1.5", "2990.00", symbol=SYMBOL))
            rest(platform, "POST", "/orders", ALICE, order("Buy", "1", "3010.00", symbol=SYMBOL))
            banner = page.locator("#phase-banner")
            expect(banner.locator("[data-field=indicative_volume]")).to_have_text("1.0000")
            expect(banner.locator("[data-field=indicative_price]")).to_have_text(re.compile(r"^\d+\.\d\d$"))
            expect(banner.locator("[data-field=surplus]")).to_contain_text("Sell")
        finally:
            _phase(platform, "Continuous", "--direct")
        expect(page.locator("#phase-banner")).to_be_hidden()


def test_a_lost_connection_is_shown_at_once_and_made_good_by_itself(platform: Platform, browser: Browser) -> None:
    lost = [r"WebSocket connection to .* failed"]
    # The page is the API's, so that it can be read while the frontend is away.
    with visitor(browser, pages_of(platform, "API_PORT"), expects=lost) as page:
        _open(page)
        kill(platform.processes("exchange.asgi"))
        expect(page.locator("#lost")).to_be_visible(timeout=5_000)
        rest(platform, "POST", "/orders", ALICE, order("Buy", "1", "2000.00", symbol=SYMBOL))
        expect(page.locator("#connection")).to_have_text("Live", timeout=60_000)
        expect(page.locator("#lost")).to_be_hidden()
        expect(page.locator("#order-rows tr")).to_have_count(1)
        expect(page.locator("#bids tr").first).to_contain_text("2000.00")


def test_a_click_and_the_focus_stay_where_they_are_and_who_is_signed_out_is_told(
    platform: Platform, browser: Browser
) -> None:
    with visitor(browser, pages_of(platform), expects=["status of 4"]) as page:
        _open(page)
        for price in ("2000.00", "2000.01"):
            rest(platform, "POST", "/orders", ALICE, order("Buy", "1", price, symbol=SYMBOL))
        rows = page.locator("#order-rows tr")
        expect(rows).to_have_count(2)
        quantity = rows.last.locator("input[name=quantity]")
        quantity.click()
        quantity.press_sequentially("9")
        # A newer order, in the row above, ends.
        rows.first.locator("button.cancel").dispatch_event("click")
        expect(rows).to_have_count(1)
        expect(quantity).to_be_focused()

        page.locator("h1").click()
        page.keyboard.press("m")
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#t-order_type")).to_have_value("Limit")

        page.goto("/orders?status=open")
        expect(page.locator("#live")).to_have_text("Live")
        newer = rest(platform, "POST", "/orders", ALICE, order("Buy", "1", "1999.00", symbol=SYMBOL))
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(2)
        button = rows.last.get_by_role("button")
        button.focus()
        rest(platform, "DELETE", f"/orders/{newer['id']}", ALICE)
        expect(rows).to_have_count(1)
        expect(button).to_be_focused()

        _open(page, None)
        page.context.clear_cookies()
        page.evaluate("import('/static/js/session.js').then((session) => session.forgetToken())")
        page.locator("#t-price").fill("2000")
        page.locator("#t-quantity").fill("1")
        expect(page.locator("#ticket-alert")).to_contain_text("signed out")  # the preview is refused
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.locator("#place").click()
        expect(page.locator("#ticket-alert")).to_contain_text("signed out")
        page.wait_for_timeout(100)
        assert any("/orders?" in url for url in asked), asked
