"""Read a market's best levels from a copy in this process, for REST.

The law: the answer is never older than the market's last commit: the copy is used only where it has come as far as the database says,
and else the database is read. It is kept by a follower of its own, for the markets that somebody has asked for.
In a process that has not turned it on, such as a command, every read is the database's.
"""

import threading
from collections.abc import Iterable

from django.db import connection

from orders.rules import MarketRules
from trading.feed import MarketNews
from trading.selectors import BookSnapshot, Level, read_book
from trading.streams.follower import AccountsNews, Follower, Update
from trading.streams.replica import BookReplica, SideReplica

WAIT_SECONDS = 0.05
"""How long a copy may take to come as far as the database: news of a commit take a millisecond or two."""


class Copies:
    """The books that this process follows. The thread that does starts with the first one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._books: dict[int, BookReplica] = {}
        self._follower: Follower | None = None

    def read(self, rules: MarketRules, depth: int, sequence: int) -> BookSnapshot | None:
        """Return the best levels as of a sequence or later; None where the copy has not come as far, and is soon to."""
        with self._changed:
            if self._follower is not None and not self._follower.is_alive():
                self._books.clear()
            book = self._books.get(rules.market_id)
            if book is None:
                self._follow(rules.market_id)
                return None
            wait = WAIT_SECONDS if self._follower is not None and self._follower.is_reading else 0.0
            if not self._changed.wait_for(lambda: book.sequence >= sequence, wait):
                return None
            return BookSnapshot(book.sequence, _best(book.bids, rules, depth), _best(book.asks, rules, depth))

    def _follow(self, market_id: int) -> None:
        if self._follower is None or not self._follower.is_alive():
            self._follower = Follower(self._take)
            self._follower.start()
        self._follower.watch(market_id)

    def _take(self, updates: Iterable[Update]) -> None:
        with self._changed:
            for update in updates:
                if isinstance(update, AccountsNews):
                    continue
                book = self._books.setdefault(update.market_id, BookReplica())
                change = book.apply if isinstance(update, MarketNews) else book.load
                change(update.sequence, update.bids, update.asks)
            self._changed.notify_all()


_copies: Copies | None = None


def keep_copies() -> None:
    """Turn copies on in this process, which serves requests."""
    global _copies  # noqa: PLW0603  one a process
    _copies = Copies()


def read_depth(rules: MarketRules, depth: int) -> BookSnapshot:
    """Read a market's best levels, as of its last commit or a later one."""
    if _copies is not None:
        sequence = _last_sequence(rules.market_id)
        found = _copies.read(rules, depth, sequence)
        # A copy is ahead of what was read before it, but not of what is read after: else the database is an older one by now.
        if found is not None and (found.sequence == sequence or found.sequence <= _last_sequence(rules.market_id)):
            return found
    return read_book(rules.market_id, depth)


def _last_sequence(market_id: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_sequence FROM market_states WHERE market_id = %s", [market_id])
        sequence: int = cursor.fetchone()[0]
        return sequence


def _best(side: SideReplica, rules: MarketRules, depth: int) -> list[Level]:
    return [Level(rules.price(price), rules.quantity(lots)) for price, lots in side.best(depth)]
