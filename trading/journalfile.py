"""Write a market's journal to a file that anybody can check, and check one.

The law: a file is JSON lines. An object on the first line names the market and its units; then come commands, each an array
that is, byte for byte, what the batch hash covers, and after a batch's commands an object with its hash; an object with the
last sequence is the end, so that a file cut short is noticed. docs/JOURNAL.md is its prose. No database is needed to check
one, nor Django.
"""

import time
from collections.abc import Iterable
from typing import Any, BinaryIO, NamedTuple

import msgspec

from trading.engine.engine import Engine
from trading.journal import PendingCommand
from trading.replay import JournalBroken, Replay

FORMAT = 1
_COMMAND = tuple[int, str, int | None, int | None, Any, list[list[Any]]]


class Header(msgspec.Struct, kw_only=True):
    """The first line: whose journal this is, and what a tick and a lot are."""

    journal: int = FORMAT
    market: str
    base: str
    quote: str
    tick_size: str
    lot_size: str


class BatchLine(msgspec.Struct, kw_only=True):
    """The line after a batch's commands."""

    batch: tuple[int, int]
    engine_version: int
    trades: int
    hash: str


class EndLine(msgspec.Struct):
    """The last line."""

    end: int


class Checked(NamedTuple):
    """What a file that was checked has in it."""

    header: Header
    commands: int
    batches: int
    trades: int
    hash: bytes
    engine: Engine
    seconds: float


def write_line(file: BinaryIO, line: Header | BatchLine | EndLine) -> None:
    file.write(msgspec.json.encode(line) + b"\n")


def check_file(lines: Iterable[bytes]) -> Checked:
    """Replay a journal's lines to the same hash. Raises JournalBroken, naming the line, at the first thing that is wrong."""
    began = time.perf_counter()
    replay, batches, header, ended = Replay(), 0, None, False
    number = 0
    try:
        for line in lines:
            number += 1
            if ended:
                raise JournalBroken("there is more after the end")
            if header is None:
                header = _header(line)
            elif line.startswith(b"["):
                _take(replay, line)
            elif line.startswith(b'{"batch"'):
                _close(replay, _decoded(line, BatchLine))
                batches += 1
            else:
                replay.finish(_decoded(line, EndLine).end)
                ended = True
    except JournalBroken as error:
        raise JournalBroken(f"line {number}: {error}") from error
    if header is None or not ended:
        raise JournalBroken(f"line {number}: the file ends before the journal does")
    seconds = time.perf_counter() - began
    return Checked(header, replay.sequence, batches, replay.trades, replay.hash, replay.engine, seconds)


def _header(line: bytes) -> Header:
    header = _decoded(line, Header)
    if header.journal != FORMAT:
        raise JournalBroken(f"this is format {header.journal}, and format {FORMAT} can be read")
    return header


def _take(replay: Replay, line: bytes) -> None:
    sequence, kind, order_id, account_id, payload, events = _decoded(line, _COMMAND)
    text = payload if isinstance(payload, str) else msgspec.json.encode(payload).decode()
    taken = replay.take(PendingCommand(sequence, 0, kind, order_id, account_id, text), sequence, events)
    if taken.line() != line.rstrip(b"\n") + b"\n":
        raise JournalBroken(f"sequence {sequence} is not written as the hash covers it")


def _close(replay: Replay, line: BatchLine) -> None:
    first, last = line.batch
    try:
        digest = bytes.fromhex(line.hash)
    except ValueError:
        raise JournalBroken(f"the hash {line.hash!r} is not hexadecimal") from None
    replay.close(first, last, engine_version=line.engine_version, trades=line.trades, digest=digest)


def _decoded(line: bytes, wanted: Any) -> Any:
    try:
        return msgspec.json.decode(line, type=wanted)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise JournalBroken(f"this is not a line of a journal: {error}") from error
