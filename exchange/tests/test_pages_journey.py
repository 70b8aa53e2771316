"""A newcomer signs up, secures the account, brings funds in, trades, and has it all in writing: in real browsers, as anybody would."""

import csv
import re
import time
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, Page, expect

from exchange.tests.browsers import DESKTOP, PHONE, WAIT_MS, pages_of, prove, sign_in, visitor
from exchange.tests.platform import Platform, wait_for
from exchange.tests.sockets import BOB, CAROL, order, rest
from exchange.tests.sockets import PASSWORD as DEMO_PASSWORD

pytestmark = pytest.mark.usefixtures("_books_are_empty")
expect.set_options(timeout=WAIT_MS)

OPERATOR = CAROL
PASSWORD = "a long walk by the sea"
TOTP_SECONDS = 30
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.mark.parametrize(
    "viewport", [pytest.param(DESKTOP, marks=pytest.mark.long, id="desk"), pytest.param(PHONE, id="phone")]
)
def test_from_signing_up_to_having_it_in_writing(platform: Platform, browser: Browser, viewport: Any) -> None:
    base = pages_of(platform)
    email = f"ada{viewport['width']}@example.com"
    with visitor(browser, base, viewport=viewport) as ada, visitor(browser, base) as other:
        _sign_up(ada, platform, email)
        _secure(ada, email)

        _ask_for_deposit(ada, "USD", "10000")
        _approve_deposit(other, base, email)
        ada.goto("/portfolio")
        expect(_row(ada, "USD")).to_contain_text("10000.00")

        other.goto("/trade/BTC-USD")
        ada.goto("/trade/BTC-USD")
        expect(ada.locator("#connection")).to_have_text("Live")
        ada.locator("#t-price").fill("60000")
        ada.locator("#t-quantity").fill("0.1")
        ada.locator("#place").click()
        expect(other.locator("#bids tr").first).to_contain_text("60000.00")

        rest(platform, "POST", "/orders", BOB, order("Sell", "0.1", "60000.00", symbol="BTC/USD"))
        expect(other.locator("#bids tr")).to_have_count(0)
        expect(ada.locator("#fills")).to_contain_text("0.10000")

        _see_it_in_writing(ada)


def test_a_passkey_signs_in_alone_and_a_session_is_ended_from_another(platform: Platform, browser: Browser) -> None:
    base, email = pages_of(platform), "grace@example.com"
    with (
        visitor(browser, base, expects=["session/token.*403", "status of 40[13]"]) as grace,
        visitor(browser, base) as other,
    ):
        _sign_up(grace, platform, email)
        authenticator = grace.context.new_cdp_session(grace)
        authenticator.send("WebAuthn.enable")
        authenticator.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        prove(grace, PASSWORD)
        grace.goto("/account/2fa/webauthn/add/")
        grace.locator("input[name=name]").fill("a phone")
        grace.locator("input[name=passwordless]").check()
        grace.locator("#mfa_webauthn_add").click()
        grace.wait_for_url(lambda url: "webauthn/add" not in url)
        codes = _recovery_codes(grace)

        grace.locator("header").get_by_role("button", name="Sign out").click()
        grace.goto("/account/login/")
        grace.locator("#passkey_login").click()
        expect(grace.locator(".who")).to_have_text(email)

        # A password alone is not enough any more, and a recovery code is good once.
        sign_in(other, email, PASSWORD)
        assert "2fa" in other.url
        other.locator("input[name=code]").fill(codes[0])
        other.locator("input[name=code]").press("Enter")
        expect(other.locator(".who")).to_have_text(email)
        credentials = {"email": email, "password": PASSWORD}
        assert rest(platform, "POST", "/auth/token", body=credentials)["code"] == "unauthenticated"
        assert rest(platform, "POST", "/auth/token", body={**credentials, "otp": codes[0]})["code"] == "unauthenticated"
        assert "access" in rest(platform, "POST", "/auth/token", body={**credentials, "otp": codes[1]})

        other.goto("/account/sessions/")
        other.get_by_role("button", name="Sign out all others").click()
        grace.goto("/portfolio")
        assert "/account/login" in grace.url


def test_all_of_it_without_scripts(platform: Platform, browser: Browser) -> None:
    with visitor(browser, pages_of(platform), expects=["status of 422"], java_script_enabled=False) as page:
        sign_in(page, "alice@example.com")
        page.goto("/trade/ETH-USD")
        page.locator("#t-price").fill("2000")
        page.locator("#t-quantity").fill("1.00001")
        page.locator("#place").click()
        expect(page.locator("#ticket-form")).to_contain_text("0.0001")
        expect(page.locator("#t-price")).to_have_value("2000")
        page.locator("#t-quantity").fill("2")
        page.locator("#place").click()
        expect(page.locator("#bids")).to_contain_text("2000.00")

        rows = page.locator("#order-rows tr")
        rows.locator("input[name=quantity]").fill("1")
        rows.locator("button.amend").click()
        expect(page.locator("#bids")).to_contain_text("1.0000")
        rows.locator("button.cancel").click()
        expect(rows).to_have_count(0)

        _ask_for_deposit(page, "BTC", "1")
        page.get_by_role("button", name=re.compile("Cancel number")).first.click()
        expect(page.locator("main table tbody tr").first).to_contain_text("Canceled")

        page.goto("/account/api-keys")
        page.get_by_role("link", name=re.compile("key", re.IGNORECASE)).last.click()
        _prove(page, DEMO_PASSWORD)
        page.locator("input[name=name]").fill("by hand")
        page.locator("input[name=scopes][value=read]").check()
        page.get_by_role("button", name="Make the key").click()
        expect(page.locator("main")).to_contain_text("by hand")


def _sign_up(page: Page, platform: Platform, email: str) -> None:
    page.goto("/")
    page.get_by_role("link", name="Sign up").click()
    page.locator("input[name=email]").fill(email)
    page.locator("input[name=password1]").fill(PASSWORD)
    page.locator("input[name=password2]").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.locator(".who")).to_have_text(email)

    # A mail goes to the log of the worker that sends it, where no mail server is named.
    link = rf"To: {email}.*?(http://localhost:\d+/account/confirm-email/[^/\s]+/)"
    wait_for(lambda: re.search(link, platform.log("worker"), re.DOTALL), "the mail came")
    found = re.search(link, platform.log("worker"), re.DOTALL)
    assert found is not None
    page.goto(found[1])
    page.get_by_role("button", name=re.compile("confirm", re.IGNORECASE)).click()
    page.goto("/account")
    expect(page.locator("main")).to_contain_text(re.compile(r"(?<!not )confirmed"))


def _secure(page: Page, email: str) -> None:
    page.goto("/account/2fa/totp/activate/")
    _prove(page, PASSWORD)
    secret = page.locator("#authenticator_secret").input_value()
    page.locator("input[name=code]").fill(_code(secret))
    page.locator("main form").last.get_by_role("button").first.click()
    page.wait_for_url("**/2fa/**")
    page.goto("/account")
    expect(page.locator("main")).to_contain_text("on")

    page.get_by_role("button", name="Sign out").click()
    sign_in(page, email, PASSWORD)
    assert "2fa" in page.url
    # A code is good once; the next one is taken a little early.
    page.locator("input[name=code]").fill(_code(secret, ahead=1))
    page.locator("input[name=code]").press("Enter")
    expect(page.locator(".who")).to_have_text(email)


def _recovery_codes(page: Page) -> list[str]:
    page.goto("/account/2fa/recovery-codes/")
    return page.locator("main textarea").input_value().split()


def _prove(page: Page, password: str) -> None:
    """What is sensitive asks for the password again."""
    assert "reauthenticate" in page.url
    page.locator("input[name=password]").fill(password)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(lambda url: "reauthenticate" not in url)


def _code(secret: str, ahead: int = 0) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // TOTP_SECONDS + ahead))


def _ask_for_deposit(page: Page, asset: str, amount: str) -> None:
    page.goto("/portfolio/deposits")
    page.locator("select[name=asset]").select_option(asset)
    page.locator("input[name=amount]").fill(amount)
    page.get_by_role("button", name="Ask for the deposit").click()
    expect(page.locator("main table tbody tr").first).to_contain_text("Pending")


def _approve_deposit(page: Page, base: str, email: str) -> None:
    """As an operator, in the back office, which has policies of its own."""
    sign_in(page, OPERATOR)
    page.goto(f"/admin/accounts/deposit/?q={email}")
    page.locator("#result_list tbody tr input[type=checkbox]").first.check()
    page.locator("select[name=action]").select_option("approve")
    page.locator("button[name=index], button[title*='selected action' i]").first.click()
    expect(page.locator("#result_list tbody tr").first).to_contain_text("Completed")


def _row(page: Page, asset: str) -> Any:
    return page.locator("main table tbody tr", has=page.locator("th", has_text=asset)).first


def _see_it_in_writing(page: Page) -> None:
    page.goto("/portfolio")
    expect(_row(page, "BTC")).to_contain_text("0.0999")  # less the maker's tenth of a percent
    expect(_row(page, "USD")).to_contain_text("4000.00")

    page.goto("/portfolio/ledger")
    kinds = page.locator("main table tbody")
    for told in ("deposit", "trade", "fee", "10000.00", "6000.00"):
        expect(kinds).to_contain_text(re.compile(re.escape(told), re.IGNORECASE))

    page.goto("/orders")
    row = page.locator("main table tbody tr").first
    expect(row).to_contain_text("Filled")
    row.locator("a.symbol").click()
    for told in ("60000.00", "Maker", "trade"):
        expect(page.locator("main")).to_contain_text(told)

    ledger = _csv(page, "/portfolio/ledger.csv")
    assert {(one["asset"], one["kind"]) for one in ledger} == {
        ("USD", "deposit"), ("USD", "trade"), ("BTC", "trade"), ("BTC", "fee"),
    }  # fmt: skip
    (placed,) = _csv(page, "/orders.csv")
    assert (placed["symbol"], placed["status"], placed["filled_quantity"]) == ("BTC/USD", "Filled", "0.10000")
    (fill,) = _csv(page, "/fills.csv")
    assert (fill["liquidity"], fill["fee"], fill["fee_asset"]) == ("Maker", "0.00010000", "BTC")


def _csv(page: Page, path: str) -> list[dict[str, str]]:
    answer = page.request.get(path)
    assert answer.ok, path
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(StringIO(answer.text())))
