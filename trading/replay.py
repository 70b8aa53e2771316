"""Feed a market's journal to a fresh engine, and hold what comes of it against what the journal says came of it.

The law: the journal alone decides. Sequences start at 1 and have no gap, every command brings about the very events that are
kept beside it, and each batch's hash chains them to all before; the first departure ends a replay, since whatever comes
after it would follow from it. No database is needed, nor Django.
Where the journal is read from is for others to say: trading/journalfile.py reads a file, trading/integrity/ the database.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from orders.terms import CommandKind
from trading.engine.engine import ENGINE_VERSIONS, Engine
from trading.journal import (
    FIRST_HASH,
    INTERNAL_ERROR_TAG,
    PendingCommand,
    TakenCommand,
    chain,
    engine_command,
    read_command,
)


class JournalBroken(Exception):
    """The journal and its replay part; the message says at which sequence, and how."""


class Replay:
    """One market's replay as far as it has come."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.sequence = 0
        self.trades = 0
        self.hash = FIRST_HASH
        self._batch: list[TakenCommand] = []

    def take(self, row: PendingCommand, sequence: int, kept: Any) -> TakenCommand:
        """Carry out the next command, whose events are kept as JSON arrays; one that failed then is skipped.

        Raises JournalBroken where its sequence is not the next, or what comes of it is not what is kept.
        """
        if sequence != self.sequence + 1:
            raise JournalBroken(f"sequence {self.sequence + 1} is missing: the next one is {sequence}")
        if not (isinstance(kept, list) and all(isinstance(event, list) for event in kept)):
            raise JournalBroken(f"sequence {sequence} has events that are no list of lists")
        taken = self._failed(row, sequence, kept) or self._taken(row, sequence, kept)
        self._batch.append(taken)
        self.sequence = sequence
        return taken

    def close(self, first: int, last: int, *, engine_version: int, trades: int, digest: bytes) -> None:
        """End a batch: compare its sequences, its number of trades and its hash with what came of the commands taken.

        Raises JournalBroken, also for a batch of another version of the engine, which may match otherwise.
        """
        batch, self._batch = self._batch, []
        if not batch:
            raise JournalBroken(f"the batch of sequences {first} to {last} has no commands")
        if (batch[0].sequence, self.sequence) != (first, last):
            found = f"{batch[0].sequence} to {self.sequence}"
            raise JournalBroken(f"the batch of sequences {first} to {last} has the sequences {found}")
        if engine_version not in ENGINE_VERSIONS:
            known = " and ".join(map(str, ENGINE_VERSIONS))
            raise JournalBroken(
                f"the batch of sequences {first} to {last} is of engine version {engine_version}, and this one knows {known}"
            )
        if self.engine.triggered or self.engine.call_wanted:
            raise JournalBroken(
                f"the batch of sequences {first} to {last} ends before what follows from its last command"
            )
        traded = sum(event[0] == "trade" for taken in batch for event in taken.events)
        if traded != trades:
            raise JournalBroken(f"the batch of sequences {first} to {last} says {trades} trades and has {traded}")
        self.trades += traded
        self.hash = chain(self.hash, (taken.line() for taken in batch))
        if self.hash != digest:
            raise JournalBroken(
                f"the batch of sequences {first} to {last} says hash {digest.hex()} and has {self.hash.hex()}"
            )

    def finish(self, last: int) -> None:
        """Say that the journal ends here. Raises JournalBroken where commands are left outside a batch, or missing."""
        if self._batch or last != self.sequence:
            closed = self.sequence - len(self._batch)
            raise JournalBroken(f"the journal should end with sequence {last}, and its batches end with {closed}")

    def _failed(self, row: PendingCommand, sequence: int, kept: Sequence[Any]) -> TakenCommand | None:
        """Return a command that could not be carried out when it was taken, as it is kept; None for one that could."""
        if len(kept) == 1 and kept[0][:1] == [INTERNAL_ERROR_TAG]:
            return TakenCommand(row, sequence, None, kept)
        return None

    def _taken(self, row: PendingCommand, sequence: int, kept: Sequence[Any]) -> TakenCommand:
        if self.engine.call_wanted and row.kind != CommandKind.PHASE:
            raise JournalBroken(f"sequence {sequence} comes where the end of a call must be said")
        try:
            payload = read_command(row)
            events = self.engine.apply(sequence, engine_command(row, payload))
        except Exception as error:
            raise JournalBroken(f"sequence {sequence} cannot be carried out: {error!r}") from error
        taken = TakenCommand(row, sequence, payload, events)
        expected = taken.events_text()
        if expected != TakenCommand(row, sequence, payload, kept).events_text():
            raise JournalBroken(
                f"sequence {sequence} says {msgspec.json.encode(kept).decode()} came of it, and here came {expected}"
            )
        return taken
