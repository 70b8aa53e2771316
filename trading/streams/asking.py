"""Ask the database from the event loop, in a few threads.

The law: no statement runs in the loop's own thread. Each thread keeps its connection, and begins with a fresh one where the server has
closed it, or the last statement failed on it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import Error as DatabaseDriverError
from django.db import connection

from accounts.connections import drop_closed

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

THREADS = 4
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="streams")


async def ask(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Run a function that asks the database, and return what it returns, or raise what it raises."""

    def run() -> Result:
        drop_closed()
        try:
            return function(*args, **kwargs)
        except DatabaseDriverError:
            connection.close()
            raise

    return await asyncio.get_running_loop().run_in_executor(_threads, run)
