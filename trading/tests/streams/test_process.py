"""Test whom a process drops, and lets in."""

import asyncio
from ipaddress import ip_address

import pytest
from django.db import connection
from django.test import override_settings

from accounts import api_keys
from accounts.callers import Trader
from accounts.models import User
from accounts.tests.builders import make_trader
from trading.streams import process as processes
from trading.streams.process import NOT_VALID, SILENT, SLOW_READER, Process

pytestmark = pytest.mark.django_db(transaction=True)
HOME = ip_address("10.0.0.1")


class Connection:
    """A socket, as far as its process is concerned; it is its own outbox, and notes why it was closed."""

    def __init__(self, trader: Trader | None = None, address=HOME) -> None:
        self.trader = trader
        self.address = address
        self.outbox = self
        self.silent = self.slow = False
        self.closes: list[int] = []

    def close(self, code: int, reason: str) -> None:
        self.closes.append(code)

    def push(self, frame) -> None: ...

    def is_slow(self, now: float) -> bool:
        return self.slow

    def is_silent(self) -> bool:
        return self.silent


@pytest.fixture
def act(monkeypatch):
    """Run what is to be done beside a process that looks very often."""

    async def ask(function, *arguments):
        def run():
            try:
                return function(*arguments)
            finally:
                connection.close()

        return await asyncio.to_thread(run)

    monkeypatch.setattr(processes, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(processes, "RECHECK_SECONDS", 0.01)
    monkeypatch.setattr(processes, "CLOSE_SECONDS", 0)
    monkeypatch.setattr(processes, "ask", ask)

    def run(what) -> None:
        async def with_process() -> None:
            process = Process()
            try:
                await what(process)
            finally:
                await process.end(0)

        asyncio.run(with_process())

    return run


async def until(happened) -> None:
    async with asyncio.timeout(20):
        while not happened():
            await asyncio.sleep(0.005)


def test_user_who_is_deactivated_is_dropped_and_nobody_else(act):
    gone, stays = (make_trader() for _ in range(2))
    sockets = [Connection(Trader(account.user_id, account.id)) for account in (gone, stays)] + [Connection()]
    User.objects.filter(id=gone.user_id).update(is_active=False)

    async def look(process: Process) -> None:
        for socket in sockets:
            process.join(socket)
        await until(lambda: sockets[0].closes)
        assert (sockets[0].closes[0], sockets[1].closes, sockets[2].closes) == (NOT_VALID, [], [])

    act(look)


def test_caller_who_cannot_be_looked_at_keeps_no_other_from_it(act, monkeypatch):
    gone, other = (make_trader() for _ in range(2))
    User.objects.filter(id=gone.user_id).update(is_active=False)
    sockets = [Connection(Trader(account.user_id, account.id)) for account in (other, gone)]

    def broken(trader: Trader) -> bool:
        if trader.user_id == other.user_id:
            raise RuntimeError("not now")
        return api_keys.still_valid(trader)

    monkeypatch.setattr(processes, "still_valid", broken)

    async def look(process: Process) -> None:
        for socket in sockets:
            process.join(socket)
        await until(lambda: sockets[1].closes)
        assert sockets[0].closes == []

    act(look)


def test_socket_that_is_slow_or_silent_is_dropped(act):
    slow, silent, well = (Connection() for _ in range(3))
    slow.slow = silent.silent = True

    async def look(process: Process) -> None:
        for socket in (slow, silent, well):
            process.join(socket)
        await until(lambda: slow.closes and silent.closes)
        assert (slow.closes[0], silent.closes[0], well.closes) == (SLOW_READER, SILENT, [])

    act(look)


def test_nobody_is_dropped_where_it_was_the_loop_that_stood_still(act, monkeypatch):
    monkeypatch.setattr(processes, "LATE_SECONDS", -1.0)  # each look is late
    slow = Connection()
    slow.slow = True

    async def look(process: Process) -> None:
        process.join(slow)
        await asyncio.sleep(0.2)
        assert slow.closes == []

    act(look)


@override_settings(WS_CONNECTIONS_PER_ADDRESS=2, WS_CONNECTIONS_MAX=3)
def test_sockets_are_bounded_in_all_and_from_one_address(act):
    async def join(process: Process) -> None:
        home = [Connection() for _ in range(3)]
        assert [process.join(socket) for socket in home] == [True, True, False]
        away = [Connection(address=ip_address(f"10.0.0.{n}")) for n in (2, 3)]
        assert [process.join(socket) for socket in away] == [True, False]
        process.leave(home[2])  # it never was in
        process.leave(home[0])
        assert [process.join(home[2]), process.join(away[1])] == [True, False]
        for socket in (*home, *away):
            process.leave(socket)
        assert not process._from

    act(join)
