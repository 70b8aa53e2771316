"""Ask the database from the event loop, in a few threads.

The law: no statement runs in the loop's own thread. Each thread keeps its connection and lets go of it after an error; what is
asked is a read, or does no harm twice, so that it is asked again where a connection turns out to be closed.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import Error as DatabaseDriverError
from django.db import InterfaceError, OperationalError, connection

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

THREADS = 4
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="streams")


async def ask(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Run a function that asks the database, and return what it returns, or raise what it raises."""

    def attempt() -> Result:
        try:
            return function(*args, **kwargs)
        except (OperationalError, InterfaceError):
            connection.close()
            return function(*args, **kwargs)

    def run() -> Result:
        try:
            return attempt()
        except DatabaseDriverError:
            connection.close()
            raise

    return await asyncio.get_running_loop().run_in_executor(_threads, run)
