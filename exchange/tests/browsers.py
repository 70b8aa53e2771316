"""Drive a real Chromium over the pages of a running exchange.

The law: what a page complains of is a fault, whatever the test was about: an error of a script, a resource that the content policy
blocks or that is missing. Only what a test says that it expects is let pass.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from exchange.tests.platform import Platform
from exchange.tests.sockets import PASSWORD

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
NARROW = {"width": 360, "height": 740}
WAIT_MS = 15_000
"""A loaded machine is slow, not wrong."""

# Whoever is root has no sandbox, and what Chromium asks its makers for is nothing to the tests.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_path() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def running_chromium() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path(), args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def pages_of(platform: Platform, port: str = "FRONTEND_PORT") -> str:
    """Return where the pages are. By name, since passkeys are for names only."""
    return f"http://localhost:{platform.ports[port]}"


@contextmanager
def visitor(browser: Browser, base: str, *, expects: Sequence[str] = (), **options: Any) -> Iterator[Page]:
    """Open a browser's window of its own, with its own cookies; whatever its pages complain of is raised at the end.

    `expects` are patterns of complaints that the test brings about.
    """
    complaints: list[str] = []
    context = browser.new_context(base_url=base, **{"viewport": DESKTOP, "color_scheme": "dark", **options})
    context.set_default_timeout(WAIT_MS)
    context.on("weberror", lambda error: complaints.append(f"{error.page and error.page.url}: {error.error}"))
    context.on(
        "console",
        lambda message: (
            message.type in ("error", "warning") and complaints.append(f"{message.page.url}: {message.text}")
        ),
    )
    try:
        yield context.new_page()
        unexpected = [one for one in complaints if not any(re.search(pattern, one) for pattern in expects)]
        assert not unexpected, unexpected
    finally:
        context.close()


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.goto("/account/login/")
    page.locator("input[name=login]").fill(email)
    page.locator("input[name=password]").fill(password)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(lambda url: "/account/login" not in url)


def prove(page: Page, password: str = PASSWORD) -> None:
    """Give the password once more, as what is sensitive asks for it; then it is not asked for again for some minutes."""
    page.goto("/account/reauthenticate/")
    page.locator("input[name=password]").fill(password)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(lambda url: "reauthenticate" not in url)
