"""Ask the database from the event loop, in a few threads.

The law: no statement runs in the loop's own thread, and nothing that takes long keeps back what does not. Each thread keeps its connection, and begins with a fresh one where the server has
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

_quick = ThreadPoolExecutor(4, thread_name_prefix="streams")
_slow = ThreadPoolExecutor(1, thread_name_prefix="streams-slow")


async def ask(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Run a function that asks the database, and return what it returns, or raise what it raises."""
    return await _run(_quick, function, *args, **kwargs)


async def ask_much(function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Run a function that may take long, as `ask` does, one at a time."""
    return await _run(_slow, function, *args, **kwargs)


async def _run(
    threads: ThreadPoolExecutor,
    function: Callable[Arguments, Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:

    def run() -> Result:
        drop_closed()
        try:
            return function(*args, **kwargs)
        except DatabaseDriverError:
            connection.close()
            raise

    return await asyncio.get_running_loop().run_in_executor(threads, run)
