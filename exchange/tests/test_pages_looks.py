"""Every page can be read by anyone: with a screen reader, on a narrow phone, over a slow line, and with no script of somebody else's.

What the pages say is other tests' affair.
"""

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Response

from exchange.tests.browsers import DESKTOP, NARROW, pages_of, prove, sign_in, visitor
from exchange.tests.platform import Platform
from exchange.tests.sitemap import EXPECTED_COMPLAINTS, PRIVATE, PUBLIC
from exchange.tests.sockets import ALICE

BYTES_MAX = 300_000
SETTLING_MS = 250
OF_WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
COLORS = ["color-contrast", "link-in-text-block"]
_WEIGHT = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .reduce((sum, one) => sum + one.encodedBodySize, 0)"""
_FOREIGN = """() => performance.getEntriesByType("resource").map(one => one.name)
    .filter(name => new URL(name).origin !== location.origin)"""
_OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_every_page_is_for_everybody(platform: Platform, browser: Browser) -> None:
    with visitor(browser, pages_of(platform), expects=EXPECTED_COMPLAINTS) as page:
        faults = [fault for path in PUBLIC for fault in _faults(page, path)]
        sign_in(page, ALICE)
        prove(page)
        faults += [fault for path in PRIVATE for fault in _faults(page, path)]
        assert not faults, "\n".join(faults)


def _faults(page: Page, path: str) -> list[str]:
    """Look at a page at a desk in the dark, then, narrow and light, at what differs there: its colors, and whether it fits."""
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(DESKTOP)
    answer = page.goto(path)
    assert answer is not None
    page.wait_for_timeout(SETTLING_MS)
    faults = [*_ask_axe(page, {"runOnly": OF_WCAG}), *_faults_of_answer(page, path, answer)]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(NARROW)
    faults += [f"light, narrow: {fault}" for fault in _ask_axe(page, {"runOnly": COLORS})]
    if (overflow := page.evaluate(_OVERFLOW)) > 0:
        faults.append(f"is {overflow} pixels too wide")
    return [f"{path} {page.url}: {fault}" for fault in faults]


def _ask_axe(page: Page, options: Any) -> list[str]:
    return [
        f"{violation['id']} ({violation['impact']}): {violation['nodes'][0]['html'][:200]}"
        for violation in Axe().run(page, options=options).response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


def _faults_of_answer(page: Page, path: str, answer: Response) -> list[str]:
    faults = []
    if "reauthenticate" in page.url or ("/login" in page.url and "/login" not in path):
        faults.append("is not shown")
    if (weight := page.evaluate(_WEIGHT)) > BYTES_MAX:
        faults.append(f"weighs {weight} bytes")
    if foreign := page.evaluate(_FOREIGN):
        faults.append(f"loads from elsewhere: {foreign}")
    policy = answer.headers.get("content-security-policy", "")
    if "default-src 'self'" not in policy or "unsafe" in policy:
        faults.append(f"has the content policy {policy!r}")
    return faults


def test_what_nobody_could_read_is_found(browser: Browser) -> None:
    with visitor(browser, "about:blank") as page:
        page.set_content("<html lang=en><title>x</title><p style='color:#999;background:#fff'>pale</p><input>")
        assert {one.split()[0] for one in _ask_axe(page, {"runOnly": OF_WCAG})} == {"color-contrast", "label"}
        assert [one.split()[0] for one in _ask_axe(page, {"runOnly": COLORS})] == ["color-contrast"]
