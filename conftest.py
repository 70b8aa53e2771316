"""What all tests share: which process runs what, and how hard hypothesis searches.

The law: tests that share an exchange run in one process, all others wherever there is time; a failing search can be repeated.

Each app's fixtures are in its own tests/; what the settings read is set before them, in exchange/tests/environment.py.
"""

import os
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import Producer

# A loaded machine is slow, not wrong: no example has a deadline.
settings.register_profile("dev", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, print_blob=True)
settings.register_profile("long", settings.get_profile("dev"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


_ONE_EXCHANGE = ("client_example", "metrics", "migrate", "schemathesis", "signed_requests", "simulate", "streams")
_ONE_EXCHANGE += ("socket_channels", "socket_faults", "socket_orders", "socket_requests")
_PAGES = ("pages_journey", "pages_live", "pages_looks")
TOGETHER = {
    f"exchange/tests/test_{name}.py": group
    for group, names in {
        "pages": _PAGES,
        "one exchange": _ONE_EXCHANGE,
        "kills": ("kills",),
        "run": ("run",),
        "chart": ("chart",),
    }.items()
    for name in names
}
"""Modules whose tests one process runs, each with the others of the same word; they begin first, as they take longest."""


class Scheduling(LoadScopeScheduling):
    """Give out tests one by one, but for those that stay together. With this pytest, xdist's own groups are not seen."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER.get(nodeid.partition("::")[0], nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "platform" in getattr(item, "fixturenames", ()) and item.nodeid.partition("::")[0] not in TOGETHER:
            raise pytest.UsageError(f"{item.nodeid} uses an exchange: add its module to TOGETHER in conftest.py.")


@pytest.fixture(scope="session", autouse=True)
def _tables_may_be_emptied_after_a_test() -> Iterator[None]:
    """Django empties the tables after a test that commits by TRUNCATE, which theirs refuse everybody else."""
    from django.db.backends.base.operations import BaseDatabaseOperations

    flush = BaseDatabaseOperations.execute_sql_flush

    def flush_past_triggers(operations: BaseDatabaseOperations, statements: Sequence[str]) -> None:
        flush(operations, ["SET LOCAL session_replication_role = replica", *statements])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", flush_past_triggers)
        yield


@pytest.fixture(scope="session", autouse=True)
def _passwords_are_hashed_fast() -> Iterator[None]:
    """A good hash takes a third of a second, and hundreds of tests sign somebody up; an exchange that a test starts has the real one."""
    from django.test import override_settings

    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_copies_of_books() -> None:
    """Whatever imports exchange.wsgi turns them on: their thread would read the database beside every later test."""
    from trading.streams import depth

    depth._copies = None


@pytest.fixture(autouse=True)
def _no_rules_of_an_earlier_test() -> Iterator[None]:
    """Markets are never deleted, so their rules are cached for good; here each test has a database of its own."""
    yield
    from orders.rules import forget_rules

    forget_rules()
