"""Every page can be read by anyone: with a screen reader, on a narrow phone, over a slow line, and with no script of somebody else's.

What the pages say is other tests' affair.
"""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from exchange.tests.browsers import DESKTOP, NARROW, pages_of, prove, sign_in, visitor
from exchange.tests.platform import Platform
from exchange.tests.sitemap import EXPECTED_COMPLAINTS, PRIVATE, PUBLIC
from exchange.tests.sockets import ALICE

BYTES_MAX = 300_000
SETTLING_MS = 250
OF_WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
_WEIGHT = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .reduce((sum, one) => sum + one.encodedBodySize, 0)"""
_FOREIGN = """() => performance.getEntriesByType("resource").map(one => one.name)
    .filter(name => new URL(name).origin !== location.origin)"""
_OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize(("scheme", "viewport"), [("dark", DESKTOP), ("light", NARROW)])
def test_every_page_is_for_everybody(platform: Platform, browser: Browser, scheme: str, viewport: Any) -> None:
    options = {"color_scheme": scheme, "viewport": viewport, "expects": EXPECTED_COMPLAINTS}
    with visitor(browser, pages_of(platform), **options) as page:
        faults = [fault for path in PUBLIC for fault in _faults(page, path)]
        sign_in(page, ALICE)
        prove(page)
        faults += [fault for path in PRIVATE for fault in _faults(page, path)]
        assert not faults, "\n".join(faults)


def _faults(page: Page, path: str) -> list[str]:
    answer = page.goto(path)
    assert answer is not None
    page.wait_for_timeout(SETTLING_MS)
    faults = [
        f"{violation['id']} ({violation['impact']}): {violation['nodes'][0]['html'][:200]}"
        for violation in Axe().run(page, options=OF_WCAG).response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    if "reauthenticate" in page.url or ("/login" in page.url and "/login" not in path):
        faults.append("is not shown")
    if (weight := page.evaluate(_WEIGHT)) > BYTES_MAX:
        faults.append(f"weighs {weight} bytes")
    if foreign := page.evaluate(_FOREIGN):
        faults.append(f"loads from elsewhere: {foreign}")
    if (overflow := page.evaluate(_OVERFLOW)) > 0:
        faults.append(f"is {overflow} pixels too wide")
    policy = answer.headers.get("content-security-policy", "")
    if "default-src 'self'" not in policy or "unsafe" in policy:
        faults.append(f"has the content policy {policy!r}")
    return [f"{path} {page.url}: {fault}" for fault in faults]
