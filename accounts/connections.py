"""Let go of database connections that the server has closed.

The law: nobody pays a round trip to find out. An idle connection has nothing to read; if there is, the server hung up (or
has something to say that a new connection will not miss), and its thread goes on with a fresh one.
"""

import select
from typing import Any

from django.db import connections


def drop_closed(**_: Any) -> None:
    """Close those of this thread's connections from which something can be read while they are idle."""
    for wrapper in connections.all(initialized_only=True):
        raw = wrapper.connection
        if raw is None or wrapper.in_atomic_block:
            continue
        if raw.closed or _has_something_to_read(raw.fileno()):
            wrapper.close()


def _has_something_to_read(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
