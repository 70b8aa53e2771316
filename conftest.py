"""What all tests share: which process runs what, and how hard hypothesis searches.

The law: tests that share an exchange run in one process, all others wherever there is time; a failing search can be repeated.

Each app's fixtures are in its own tests/; what the settings read is set before them, in exchange/tests/environment.py.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest
from hypothesis import HealthCheck, settings
from pytest_django import DjangoDbBlocker
from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import Producer

# A loaded machine is slow, not wrong: no example has a deadline.
settings.register_profile("dev", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, print_blob=True)
settings.register_profile("long", settings.get_profile("dev"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


_ONE_EXCHANGE = ("client_example", "metrics", "migrate", "schemathesis", "signed_requests", "simulate", "streams")
_ONE_EXCHANGE += ("socket_channels", "socket_faults", "socket_orders", "socket_requests")
_PAGES = ("kills", "pages_journey", "pages_live", "pages_looks")
TOGETHER = {
    f"exchange/tests/test_{name}.py": group
    for group, names in {
        "pages": _PAGES,
        "one exchange": _ONE_EXCHANGE,
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


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,  # noqa: ARG001 - it comes first
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """Migrate one database, and test on a copy of it in each process: migrations take five seconds, a copy a tenth of one."""
    from django.conf import settings as project
    from django.db import connection

    creation, unused = connection.creation, connection.settings_dict["NAME"]

    def turn_to(name: str) -> None:
        project.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name

    with django_db_blocker.unblock():
        with _processes_that_test(tmp_path_factory) as processes:
            if processes.read() == "":
                creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
            else:
                turn_to(creation._get_test_db_name())
            migrated = connection.settings_dict["NAME"]
            creation.clone_test_db(_PROCESS, verbosity=0)
            turn_to(creation.get_test_db_clone_settings(_PROCESS)["NAME"])
            processes.write("+")
        yield
        creation.destroy_test_db(unused, verbosity=0)
        with _processes_that_test(tmp_path_factory) as processes:
            others = processes.read()[1:]
            processes.seek(0)
            processes.truncate()
            processes.write(others)
            if others == "":
                creation._destroy_test_db(migrated, verbosity=0)


_PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "alone")


@contextmanager
def _processes_that_test(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TextIO]:
    """Hold, alone, the file with a mark for each process that has a copy: the first migrates, the last tidies up."""
    folder = tmp_path_factory.getbasetemp()
    if _PROCESS != "alone":
        folder = folder.parent  # each has one below it
    with (folder / "processes-that-test").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        yield file


@pytest.fixture(scope="session", autouse=True)
def _tables_are_emptied_fast() -> Iterator[None]:
    """Delete a test's rows after it, past the triggers that forbid it, where Django would make all tables and permissions anew.

    That took a fifth of a second after each of many hundred tests that commit.
    """
    from django.test import TransactionTestCase

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", _empty_tables)
        yield


_OF_THE_SCHEMA = ("django_content_type", "auth_permission", "django_migrations")
"""What `migrate` writes: these rows say which models there are, and no test changes them."""


def _empty_tables(_test: object) -> None:
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        names = [name for name in connection.introspection.table_names(cursor) if name not in _OF_THE_SCHEMA]
        deletions = (f"DELETE FROM {connection.ops.quote_name(name)}" for name in names)  # noqa: S608 - names of tables
        cursor.execute("; ".join(["SET LOCAL session_replication_role = replica", *deletions]))


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_found_when_asked_for() -> None:
    """Each test's client begins a handler of its own, and with it WhiteNoise, which would list all the files each time."""
    from django.conf import settings as project

    project.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(scope="session", autouse=True)
def _the_same_row_is_checked_once() -> Iterator[None]:
    """Remember what the database has said of a constraint and the values in it.

    Django asks it about each constraint of each row that it validates, and nearly all tests begin with the same market.
    """
    from django.db.models import Q

    ask = Q.check
    said: dict[object, bool] = {}

    def check(condition: Q, against: dict[str, object], using: str = "default") -> bool:
        try:
            values = tuple((name, against[name]) for name in sorted(condition.referenced_base_fields))
            known = said.get((condition, values))
        except (KeyError, TypeError):  # a field that is left out, or a value that cannot be hashed
            return ask(condition, against, using)
        if known is None:
            known = said[condition, values] = ask(condition, against, using)
        return known

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Q, "check", check)
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
