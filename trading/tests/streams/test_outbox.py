"""Test what waits for one socket: in its order, bounded, and with a reason where it is dropped."""

import asyncio
import time
from typing import Any

import pytest
from django.conf import settings

from trading.streams.inbox import Inbox
from trading.streams.outbox import (
    BYTES_MAX,
    FRAMES_MAX,
    LATE_STALLS,
    ROOM_BYTES,
    ROOM_FRAMES,
    SLOW_READER,
    Outbox,
    frame,
)


class Wire:
    """What the web server is for a socket: takes what is sent, where it may."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.may = asyncio.Event()
        self.may.set()
        self.stopped = 0
        self.outbox = Outbox(self.send, self.stop)
        self.outbox.start()

    async def send(self, message: dict[str, Any]) -> None:
        await self.may.wait()
        self.sent.append(message.get("text", message))

    def stop(self) -> None:
        self.stopped += 1

    @property
    def closes(self) -> list[int]:
        return [message["code"] for message in self.sent if isinstance(message, dict)]


async def drained(outbox: Outbox) -> None:
    """Wait until all has been sent."""
    async with asyncio.timeout(20):
        while outbox._frames or outbox._sending_since is not None:
            await asyncio.sleep(0.001)


async def moments() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_frames_are_sent_in_their_order_and_once():
    async def act() -> None:
        wire = Wire()
        for n in range(500):
            wire.outbox.push(frame(n))
            if n % 7 == 0:
                await asyncio.sleep(0)
        await drained(wire.outbox)
        assert wire.sent == [str(n) for n in range(500)]
        await wire.outbox.end()
        assert wire.closes == []

    asyncio.run(act())


@pytest.mark.parametrize(("size", "most"), [(1, FRAMES_MAX + 1), (BYTES_MAX // 4, 4)])
def test_socket_with_too_much_waiting_is_dropped_and_what_waited_is_forgotten(size, most):
    async def act() -> None:
        wire = Wire()
        wire.may.clear()
        wire.outbox.push(frame("first"))
        await moments()
        for n in range(1, most + 2):
            assert not wire.outbox.closed, n
            wire.outbox.push(frame("x" * size))
            if wire.outbox.closed:
                break
        assert wire.outbox.closed
        assert (wire.stopped, len(wire.outbox._frames)) == (1, 0)
        wire.outbox.push(frame("late"))
        wire.may.set()
        await asyncio.wait_for(wire.outbox.end(), 5)
        assert wire.sent[0] == '"first"'
        assert wire.closes == [SLOW_READER]
        assert len(wire.sent) == 2

    asyncio.run(act())


def test_one_frame_of_any_size_may_wait():
    async def act() -> None:
        wire = Wire()
        wire.outbox.push(frame("x" * (BYTES_MAX + 1)))
        await drained(wire.outbox)
        assert len(wire.sent) == 1

    asyncio.run(act())


def test_first_reason_is_the_one_that_is_told_in_at_most_123_bytes():
    async def act() -> None:
        wire = Wire()
        wire.outbox.close(4000, "x" * 200)
        wire.outbox.close(4001, "y")
        await wire.outbox.end()
        (message,) = wire.sent
        assert (message["code"], len(message["reason"]) <= 123) == (4000, True)

    asyncio.run(act())


def test_socket_that_takes_nothing_for_long_or_what_is_long_past_is_slow():
    async def act() -> None:
        stall = settings.WS_STALL_SECONDS_MAX
        late = LATE_STALLS * stall
        wire = Wire()
        wire.outbox.push(frame(1))
        await drained(wire.outbox)
        assert not wire.outbox.is_slow(time.monotonic() + 3600)
        wire.may.clear()
        wire.outbox.push(frame(2))
        await moments()
        assert not wire.outbox.is_slow(time.monotonic())
        assert wire.outbox.is_slow(time.monotonic() + stall + 1)
        wire.outbox.push(frame(3))
        wire.outbox._sending_since = time.monotonic() + late  # it has just taken one
        assert not wire.outbox.is_slow(time.monotonic() + late - 1)
        assert wire.outbox.is_slow(time.monotonic() + late + 1)

    asyncio.run(act())


def test_whoever_can_wait_does_until_there_is_room_again_or_the_socket_is_dropped():
    async def act() -> None:
        wire = Wire()
        wire.may.clear()
        for n in range(ROOM_FRAMES + 2):
            wire.outbox.push(frame(n))
        waiting = [asyncio.ensure_future(wire.outbox.room()) for _ in range(2)]
        await moments()
        assert not any(one.done() for one in waiting)
        wire.may.set()
        await asyncio.wait_for(asyncio.gather(*waiting), 5)

        wire.may.clear()
        wire.outbox.push(frame("x" * ROOM_BYTES))
        wire.outbox.push(frame("x" * ROOM_BYTES))
        waits = asyncio.ensure_future(wire.outbox.room())
        await moments()
        assert not waits.done()
        wire.outbox.close(SLOW_READER, "slow")
        await asyncio.wait_for(waits, 5)

    asyncio.run(act())


def test_socket_that_has_gone_takes_nothing_and_raises_nothing():
    async def act() -> None:
        async def broken(message: dict[str, Any]) -> None:
            raise RuntimeError("gone")

        outbox = Outbox(broken, lambda: None)
        outbox.start()
        outbox.push(frame(1))
        await moments()
        assert outbox.closed
        outbox.push(frame(2))
        outbox.close(SLOW_READER, "slow")
        await asyncio.wait_for(outbox.end(), 5)

    asyncio.run(act())


def test_listening_ends_when_it_is_to_though_nothing_is_said():
    async def act() -> None:
        said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        inbox = Inbox(said.get)
        said.put_nowait({"type": "websocket.receive", "text": "a"})
        assert (await inbox.hear())["text"] == "a"
        hearing = asyncio.ensure_future(inbox.hear())
        await moments()
        inbox.stop()
        assert await asyncio.wait_for(hearing, 5) is None
        said.put_nowait({"type": "websocket.receive", "text": "b"})
        assert await inbox.hear() is None

    asyncio.run(act())


def test_socket_that_goes_says_nothing_more():
    async def act() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "websocket.disconnect", "code": 1005}

        assert await Inbox(receive).hear() is None

    asyncio.run(act())
