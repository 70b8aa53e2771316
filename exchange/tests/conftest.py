"""One running exchange for all tests that ask it from outside.

The law: it is started with the first test that wants it, and its limits are small, so that they are soon reached. One process of the
tests runs all that use it (TOGETHER in the project's conftest.py); each leaves it well, and counts on nothing that others left there.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from exchange.tests import sockets
from exchange.tests.browsers import chromium_path, running_chromium
from exchange.tests.platform import Platform, health, running_platform, wait_for


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    limits = {
        "WS_MESSAGES_PER_SECOND": str(sockets.MESSAGES_PER_SECOND),
        "WS_SUBSCRIPTIONS_MAX": str(sockets.SUBSCRIPTIONS_MAX),
        "WS_CONNECTIONS_MAX": str(sockets.CONNECTIONS_MAX),
        "WS_REQUESTS_WAITING_MAX": str(sockets.REQUESTS_WAITING_MAX),
        "WS_STALL_SECONDS_MAX": str(sockets.STALL_SECONDS_MAX),
        "WS_TAKING_SECONDS_MAX": str(sockets.TAKING_SECONDS_MAX),
        "WS_SHUTDOWN_SECONDS": str(sockets.SHUTDOWN_SECONDS),
    }
    quiet = {"DEMO": "1", "SIMULATE": "0", "RATE_LIMITS": "0"}
    with running_platform(tmp_path_factory.mktemp("platform") / "var", **quiet, **limits) as platform:
        wait_for(lambda: health(platform.ports) == "ok", "all is well")
        yield platform


@pytest.fixture
def _books_are_empty(platform: Platform) -> None:
    """Begin with nobody's orders in the books, and nothing to be taken."""
    for email in (sockets.ALICE, sockets.BOB, sockets.CAROL):
        sockets.rest(platform, "DELETE", "/orders", email)
    platform.wait_until_taken()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A module's own: while it runs, nothing else in this process may ask the database by Django, which sees its event loop."""
    if chromium_path() is None:
        pytest.skip("There is no Chromium; as root, bin/chromium installs it.")
    with running_chromium() as browser:
        yield browser
