"""Run rivals beside a test: threads of this process, each on a database connection of its own.

The law: a rival's connection is closed when it ends, what it raised is raised in the test, and none is left running.
What they fight over, and what must have come of it, is the tests'.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, Generic, TypeVar

import psycopg2
from django.db import connection

T = TypeVar("T")
PATIENCE = 30.0
"""After so many seconds a test gives up: a loaded machine is slow, not wrong."""


class Rival(Generic[T]):
    """Work that runs in a thread of its own from now on."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._future: Future[T] = Future()
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], T]) -> None:
        try:
            self._future.set_result(work())
        except BaseException as error:  # noqa: BLE001  told to the test
            self._future.set_exception(error)
        finally:
            connection.close()

    def result(self) -> T:
        """Wait for its end; returns what the work returned, or raises what it raised."""
        self._thread.join(PATIENCE)
        return self._future.result(0)


def start_waiting(work: Callable[[], T], waiting: int = 1) -> Rival[T]:
    """Start a rival that must wait for a lock of ours; returns once so many connections to this database wait for one."""
    rival = Rival(work)
    deadline = time.monotonic() + PATIENCE
    while waiting_for_locks() < waiting:
        assert time.monotonic() < deadline, "nobody waits for a lock"
    return rival


def waiting_for_locks() -> int:
    """Count the connections to this database that wait for another's lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend' AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])


def at_once(works: Sequence[Callable[[], T]]) -> list[T]:
    """Run all of these from one starting line; returns what each returned, or raises what one of them raised."""
    line = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        line.wait(PATIENCE)
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@contextmanager
def running(*loops: Callable[[threading.Event], object]) -> Iterator[None]:
    """Run loops, each until the event it is given is set, which is when the block ends; raises what one of them raised."""
    stop = threading.Event()
    rivals = [Rival(lambda loop=loop: loop(stop)) for loop in loops]
    try:
        yield
    finally:
        stop.set()
        for rival in rivals:
            rival.result()


def another_connection() -> Any:
    """Connect to the test's database once more, past Django; for the caller to close."""
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    return psycopg2.connect(**{name: parameters[name] for name in names if parameters.get(name)})


@contextmanager
def two_in_flight() -> Iterator[tuple[Any, Any]]:
    """Open two transactions, of which the first has the lower number."""
    with closing(another_connection()) as first, closing(another_connection()) as second:
        for own in (first, second):
            own.cursor().execute("SELECT pg_current_xact_id()")
        yield first, second
