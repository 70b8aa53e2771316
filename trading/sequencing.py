"""Give a market's commands their sequences, and put in between what follows from them.

The law: what the journal brings in goes to the engine in the journal's order. Ahead of a command, rules that have changed are told,
and orders end whose time was up when it was accepted; behind it come, before anything else, the end of a call that it has
opened, then the stops that it has triggered, one by one, each with what follows from it. All these are commands too, with the next
sequences and in the same commit, so that a replay needs no clock, no chance and no settings.
"""

import secrets
import time
from collections.abc import Callable

from orders.journal import ExpirePayload, Payload, PhasePayload, ProtectPayload, TriggerPayload, write_payload
from orders.terms import CommandKind, Phase
from trading.books import MarketBook
from trading.journal import PendingCommand, TakenCommand, engine_command, read_command, rules_payload
from trading.settlement import Settlement

_SECOND = 1_000_000


class Sequencer:
    """One market's share of a batch."""

    def __init__(
        self, book: MarketBook, settlement: Settlement, *, keep_alive: Callable[[], None] = lambda: None
    ) -> None:
        self._keep_alive = keep_alive
        self._book = book
        self._engine = book.engine
        self._settlement = settlement
        self._sequence = book.last_sequence
        self._now = 0
        self.taken: list[TakenCommand] = []

    def take(self, row: PendingCommand) -> None:
        """Carry out a command of the journal, with all that goes before it and all that follows."""
        self._now = row.accepted
        if rules_payload(self._engine.rules) != self._book.wanted:
            self._take_own(CommandKind.RULES, self._book.wanted)
        due = self._engine.next_expiry()
        if due is not None and due <= row.accepted and row.kind != CommandKind.EXPIRE:
            self._take_own(CommandKind.EXPIRE, ExpirePayload(row.accepted))
        self._take(row, read_command(row))
        self._follow_up()

    def take_halt(self, row: PendingCommand, failed: TakenCommand) -> None:
        """Carry out the command that halts the market, behind the one that failed."""
        self._sequence = failed.sequence
        self.taken.append(failed)
        self._take(row, read_command(row))

    def _follow_up(self) -> None:
        while True:
            if self._engine.call_wanted:
                self._take_own(CommandKind.PHASE, self._call())
            elif self._engine.triggered:
                order_id = self._engine.triggered[0]
                account_id = self._book.live[order_id].account_id
                self._take_own(CommandKind.TRIGGER, TriggerPayload(), order_id=order_id, account_id=account_id)
            elif over := [account for account in self._book.watch.take_over() if account not in self._engine.protected]:
                for account_id in over:
                    self._take_own(CommandKind.PROTECT, ProtectPayload(on=True), account_id=account_id)
            else:
                return

    def _call(self) -> PhasePayload:
        """Say when the call ends that has been opened: after its least time, and as much more as chance says."""
        rules = self._book.rules
        chance = secrets.randbelow(rules.call_random_seconds * _SECOND + 1)
        ends_at = time.time_ns() // 1000 + rules.call_seconds * _SECOND + chance
        return PhasePayload(Phase.AUCTION, by="matching", ends_at=ends_at, random=chance)

    def _take_own(
        self, kind: CommandKind, payload: Payload, *, order_id: int | None = None, account_id: int | None = None
    ) -> None:
        """Put a command into the journal, and carry it out at once."""
        market_id, text = self._book.rules.market_id, write_payload(payload)
        self._take(PendingCommand(0, market_id, str(kind), order_id, account_id, text, self._now), payload)

    def _take(self, row: PendingCommand, payload: Payload) -> None:
        self._keep_alive()
        self._sequence += 1
        events = self._engine.apply(self._sequence, engine_command(row, payload))
        taken = TakenCommand(row, self._sequence, payload, events)
        self._settlement.settle(self._book, taken)
        self.taken.append(taken)
