"""Watch over market makers' fills: who has filled more in a window of time than their protection allows.

The law: fills are those of flagged resting orders, timed by the command that brought them about; a window's sum is exact,
also after a rebuild, for it is added up again from the trades.
Whose orders then end is the engine's to carry out, by a command that the matching loop appends.
"""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple


class Limit(NamedTuple):
    """So many lots may be filled within so many microseconds."""

    window: int
    lots: int


class Watch:
    """One market's flagged fills, by account, as far back as its window goes."""

    def __init__(self, limits: Mapping[int, Limit] | None = None) -> None:
        self._limits = dict(limits or {})
        self._fills: dict[int, deque[tuple[int, int]]] = {account: deque() for account in self._limits}
        self._sums = dict.fromkeys(self._limits, 0)
        self._over: set[int] = set()

    def note(self, account: int, lots: int, at: int) -> None:
        """Add a fill, in order of time."""
        limit = self._limits.get(account)
        if limit is None:
            return
        fills = self._fills[account]
        fills.append((at, lots))
        self._sums[account] += lots
        while fills[0][0] <= at - limit.window:
            self._sums[account] -= fills.popleft()[1]
        if self._sums[account] > limit.lots:
            self._over.add(account)

    def reset(self, account: int) -> None:
        """Begin an account's sum anew."""
        if account in self._fills:
            self._fills[account].clear()
            self._sums[account] = 0

    def take_over(self) -> list[int]:
        """Return the accounts that have passed their limit since this was asked last."""
        over = sorted(self._over)
        self._over.clear()
        return over
