"""Take a picture of every page of a living exchange: `bin/screenshots`.

The law: the exchange is one of its own, with the demo's traders and its simulated market, and gone afterwards; what the pictures show was
done as anybody does it. Nothing is judged here: somebody is to look at them.
"""

import re
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page

from exchange.tests.browsers import DESKTOP, PHONE, chromium_path, pages_of, prove, running_chromium, sign_in, visitor
from exchange.tests.platform import PROJECT, Platform, running_platform
from exchange.tests.sitemap import PRIVATE, PUBLIC
from exchange.tests.sockets import ALICE, rest

FOLDER = PROJECT / "screenshots"
LIVING_SECONDS = 75
SETTLING_MS = 1_500
ANYTHING = [".*"]
_COST = """() => {
    const [page] = performance.getEntriesByType("navigation");
    const all = [page, ...performance.getEntriesByType("resource")];
    return [Math.round(page.loadEventStart), Math.ceil(all.reduce((sum, one) => sum + one.encodedBodySize, 0) / 1000)];
}"""


def main() -> int:
    if chromium_path() is None:
        return 1
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="exchange-") as folder,
        running_chromium() as browser,
        running_platform(Path(folder) / "var", DEMO="1", SIMULATE="1", RATE_LIMITS="0") as platform,
    ):
        _furnish(platform)
        time.sleep(LIVING_SECONDS)
        for scheme in ("dark", "light"):
            for width, viewport in (("desk", DESKTOP), ("phone", PHONE)):
                _take(browser, platform, f"{scheme}-{width}", color_scheme=scheme, viewport=viewport)
        _take_phases(browser, platform)
    sys.stdout.write(f"{len(list(FOLDER.glob('*.png')))} pictures are in {FOLDER}.\n")
    return 0


def _furnish(platform: Platform) -> None:
    """Give alice something to show: orders of several kinds, and requests that wait."""
    stop = {"symbol": "BTC/USD", "side": "Sell", "order_type": "StopLimit", "quantity": "0.25"}
    for body in (
        {"symbol": "BTC/USD", "side": "Buy", "order_type": "Limit", "quantity": "0.5", "price": "60000.00"},
        {"symbol": "ETH/USD", "side": "Sell", "order_type": "Limit", "quantity": "3", "price": "3900.00"},
        {**stop, "price": "55000.00", "stop_price": "56000.00"},
    ):
        rest(platform, "POST", "/orders", ALICE, body)
    rest(platform, "POST", "/deposits", ALICE, {"asset": "USD", "amount": "2500"})


def _take(browser: Browser, platform: Platform, name: str, **options: object) -> None:
    with visitor(browser, pages_of(platform), expects=ANYTHING, **options) as page:
        _shoot(page, "public", name, PUBLIC)
        sign_in(page, ALICE)
        prove(page)
        _shoot(page, "own", name, PRIVATE)


def _shoot(page: Page, who: str, name: str, paths: tuple[str, ...]) -> None:
    for path in paths:
        page.goto(path)
        milliseconds, kilobytes = page.evaluate(_COST)
        page.wait_for_timeout(SETTLING_MS)
        place = re.sub(r"\W+", "-", path).strip("-") or "markets"
        sys.stdout.write(f"{who}-{place}-{name}: loaded after {milliseconds} ms, {kilobytes} kB with all it needs\n")
        page.screenshot(path=FOLDER / f"{who}-{place}-{name}.png", full_page=True)


def _take_phases(browser: Browser, platform: Platform) -> None:
    """A market that is halted, and one that is called to an auction, which is how trading begins again."""
    for phase in ("Halted", "Continuous"):
        done = platform.manage("set_phase", "BTC/USD", phase, "--reason", "a picture")
        assert done.returncode == 0, done.stderr
        platform.wait_until_taken()
        with visitor(browser, pages_of(platform), expects=ANYTHING) as page:
            sign_in(page, ALICE)
            _shoot(page, "phase", "halted" if phase == "Halted" else "auction", ("/trade/BTC-USD",))


if __name__ == "__main__":
    sys.exit(main())
