"""Test that a replay holds the journal to what must follow from a command before anything else comes."""

from typing import Any

import msgspec
import pytest

from trading.engine.engine import ENGINE_VERSION
from trading.journal import PendingCommand
from trading.replay import JournalBroken, Replay

NEW = {"owner": 1, "side": "Buy", "type": "Limit", "tif": "GTC", "price": 100, "quantity": 5, "held": 0, "maker_fee": 0, "taker_fee": 0}  # fmt: skip
STOP = NEW | {"owner": 3, "type": "StopMarket", "price": 110, "stop": 101}
SELL = NEW | {"owner": 2, "side": "Sell", "price": 101}
BUY = NEW | {"price": 101}
CANCEL: dict[str, Any] = {}


class Journal:
    """A replay, and the engine's own word for what comes of each command."""

    def __init__(self) -> None:
        self.replay = Replay()
        self._witness = Replay()

    def take(self, kind: str, order_id: int | None, payload: dict[str, Any]) -> None:
        sequence = self.replay.sequence + 1
        row = PendingCommand(sequence, 1, kind, order_id, 1, msgspec.json.encode(payload).decode())
        with pytest.raises(JournalBroken) as broken:
            self._witness.take(row, sequence, [["nothing"]])
        _, _, came = str(broken.value).rpartition("here came ")
        assert came, broken.value
        self.replay.take(row, sequence, msgspec.json.decode(came))
        self._witness.sequence = sequence

    def refused(self, kind: str, order_id: int | None, payload: dict[str, Any]) -> str:
        sequence = self.replay.sequence + 1
        with pytest.raises(JournalBroken) as broken:
            self.replay.take(
                PendingCommand(sequence, 1, kind, order_id, 1, msgspec.json.encode(payload).decode()), sequence, []
            )
        return str(broken.value)

    def close(self) -> str:
        first = 1
        with pytest.raises(JournalBroken) as broken:
            self.replay.close(first, self.replay.sequence, engine_version=ENGINE_VERSION, trades=1, digest=bytes(32))
        return str(broken.value)


@pytest.fixture
def triggered() -> Journal:
    """A journal in which a trade has just triggered a stop."""
    journal = Journal()
    journal.take("new", 1, STOP)
    journal.take("new", 2, SELL)
    journal.take("new", 3, BUY)
    return journal


def test_triggered_stop_comes_before_all_else(triggered):
    assert "order 1 has triggered and comes first" in triggered.refused("cancel", 3, CANCEL)


def test_triggered_stop_comes_before_a_phase_too(triggered):
    assert "order 1 has triggered and comes first" in triggered.refused("phase", None, {"phase": "Halted"})


def test_only_the_stop_that_has_triggered_comes(triggered):
    assert "order 3 is not the next that has triggered" in triggered.refused("trigger", 3, {})


def test_batch_does_not_end_before_the_stop_has_come(triggered):
    assert "ends before what follows from its last command" in triggered.close()


def test_stop_that_has_not_triggered_does_not_come():
    journal = Journal()
    journal.take("new", 1, STOP)
    assert "order 1 is not the next that has triggered" in journal.refused("trigger", 1, {})


@pytest.fixture
def opened() -> Journal:
    """A journal in which a halted market has just turned to a call."""
    journal = Journal()
    journal.take("phase", None, {"phase": "Halted"})
    journal.take("phase", None, {"phase": "Continuous", "through_call": True})
    return journal


def test_end_of_a_call_is_said_before_all_else(opened):
    assert "comes where the end of a call must be said" in opened.refused("new", 1, NEW)


def test_batch_does_not_end_before_the_end_of_the_call_is_said(opened):
    assert "ends before what follows from its last command" in opened.close()


def test_protection_of_nobody_is_no_command():
    row = PendingCommand(1, 1, "protect", None, None, '{"on": true}')
    with pytest.raises(JournalBroken, match="names no account"):
        Replay().take(row, 1, [])
