"""Follow the streams while orders flow and processes die, and end where the database is.

The law: whatever is killed, a client that keeps books from the stream ends equal to the database, with every checksum right on the way,
and an account is told everything once and in order. Moments and orders come from a seed that is printed; STREAM_SEED repeats it.
How processes are found is exchange/tests/platform.py's, what one socket answers exchange/tests/test_sockets.py's.
"""

import asyncio
import http.client
import json
import os
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from exchange.tests.observer import Book, Observer
from exchange.tests.platform import Platform, health, kill, parent_of, running_platform, wait_for

SYMBOLS = {
    "BTC/USD": (50_000, "0.01", "0.00001"),
    "ETH/USD": (2_000, "0.01", "0.0001"),
    "ETH/BTC": (0.04, "0.00001", "0.001"),
}
PASSWORD = "exchange-demo"
BATCH = 50
CONNECTIONS = 2
"""Of an observer: one for the markets and one for the account."""
PATIENCE = 90.0


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running_platform(
        tmp_path_factory.mktemp("streams") / "var", DEMO="1", WS_MESSAGES_PER_SECOND="1000"
    ) as platform:
        wait_for(lambda: health(platform.ports) == "ok", "all is well")
        yield platform


@pytest.fixture
def random() -> Random:
    seed = int(os.environ.get("STREAM_SEED") or Random().randrange(2**32))
    print(f"STREAM_SEED={seed}")  # noqa: T201  what pytest shows of a test that failed
    return Random(seed)


def test_books_and_events_are_whole_though_worker_and_valkey_are_killed(platform, random):
    asyncio.run(follow_through(platform, random, commands=3_000, kills=[kill_matching, kill_valkey]))


@pytest.mark.long
def test_books_and_events_are_whole_through_50_000_commands_and_many_kills(platform, random):
    kills = [kill_matching, kill_valkey, kill_frontend, kill_matching, kill_valkey, kill_frontend]
    asyncio.run(follow_through(platform, random, commands=60_000, kills=kills))


# -- what the tests above do --------------------------------------------------------------------------


async def follow_through(platform: Platform, random: Random, *, commands: int, kills: list) -> None:
    tokens = {name: await asyncio.to_thread(sign_in, platform, f"{name}@example.com") for name in ("alice", "bob")}
    observer = Observer(platform.ports["FRONTEND_PORT"], [*SYMBOLS], tokens["alice"])
    followers = [asyncio.create_task(observer.follow_markets()), asyncio.create_task(observer.follow_account())]
    await until(lambda: observer.account_sequence is not None and all(known(book) for book in observer.books.values()))
    first = observer.account_sequence
    sent: dict[str, int] = dict.fromkeys(tokens, 0)
    flows = [
        asyncio.create_task(trade(platform, token, name, Random(random.random()), sent, commands // 2))
        for name, token in tokens.items()
    ]
    for n, kill_some in enumerate(kills, start=1):
        await until(
            lambda n=n: sum(sent.values()) >= commands * n / (len(kills) + 1) or all(flow.done() for flow in flows)
        )
        await asyncio.to_thread(kill_some, platform)
    await asyncio.gather(*flows)
    await asyncio.to_thread(wait_until_taken, platform)
    await until(lambda: caught_up(platform, observer) or any(follower.done() for follower in followers))
    for follower in followers:
        assert not follower.done(), follower.exception()
        follower.cancel()
    check_books(platform, observer)
    check_events(platform, observer, first)
    print(  # noqa: T201  pytest -rP shows it
        f"{sum(sent.values())} commands, {sum(book.deltas for book in observer.books.values())} deltas, "
        f"{sum(book.snapshots for book in observer.books.values())} snapshots, {len(observer.told)} events"
    )
    assert sum(sent.values()) >= commands


def known(book: Book) -> bool:
    return book.sequence >= 0


async def until(happened) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not happened():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)


_runs = count(1)


async def trade(platform: Platform, token: str, name: str, random: Random, sent: dict[str, int], commands: int) -> None:
    """Send batches of orders, cancels and amendments of chance, connecting again where the frontend is killed."""
    live: list[int] = []
    run = next(_runs)
    while sent[name] < commands:
        try:
            async with connect(f"ws://127.0.0.1:{platform.ports['FRONTEND_PORT']}/ws/v1", max_size=None) as socket:
                await ask(socket, op="auth", token=token)
                while sent[name] < commands:
                    bodies = [make_order(random, f"{name}-{run}-{sent[name]}-{n}") for n in range(BATCH)]
                    answer = await ask(socket, op="place_batch", orders=bodies)
                    results = answer.get("results", [])
                    live += [one["order"]["id"] for one in results if "order" in one]
                    sent[name] += len(results)
                    for order_id in random.sample(live, min(len(live), BATCH // 4)):
                        live.remove(order_id)
                        if random.random() < 0.5:
                            await ask(socket, op="cancel", order_id=order_id)
                        else:
                            await ask(socket, op="amend", order_id=order_id, quantity="0.009")
                        sent[name] += 1
                    live = live[-500:]
                    if random.random() < 0.01:
                        await ask(socket, op="cancel_all", symbol=random.choice([*SYMBOLS]))
        except (OSError, WebSocketException):
            await asyncio.sleep(0.2)


async def ask(socket: Any, **request: Any) -> dict[str, Any]:
    await socket.send(json.dumps({**request, "id": 1}))
    answer: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))
    return answer


def make_order(random: Random, client_order_id: str) -> dict[str, Any]:
    symbol = random.choice([*SYMBOLS])
    middle, tick, lot = SYMBOLS[symbol]
    price = Decimal(str(middle)) + random.randint(-40, 40) * Decimal(tick)
    return {
        "symbol": symbol,
        "side": random.choice(("Buy", "Sell")),
        "order_type": "Limit",
        "price": f"{price:f}",
        "quantity": f"{random.randint(10, 90) * Decimal(lot):f}",
        "client_order_id": client_order_id,
        "self_trade_prevention": random.choice(("CancelNewest", "CancelOldest", "CancelBoth", "Decrement")),
        **random.choice(({}, {}, {}, {"time_in_force": "IOC"}, {"post_only": True})),
    }


def sign_in(platform: Platform, email: str) -> str:
    status, answer = rest(platform, "POST", "/auth/token", {"email": email, "password": PASSWORD})
    assert status == 200, answer
    token: str = answer["access"]
    return token


def rest(platform: Platform, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", int(platform.ports["API_PORT"]), timeout=30)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, f"/api/v1{path}", text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def kill_matching(platform: Platform) -> None:
    kill(platform.processes("matching0"))


def kill_valkey(platform: Platform) -> None:
    """It keeps nothing on disk, so the next one is empty."""
    kill(platform.processes("valkey-server"))


def kill_frontend(platform: Platform) -> None:
    pids = platform.processes("exchange.asgi")
    kill([pid for pid in pids if parent_of(pid) in pids])


def wait_until_taken(platform: Platform) -> None:
    wait_for(lambda: not platform.query("SELECT FROM commands WHERE sequence IS NULL LIMIT 1"), "commands are taken")


def caught_up(platform: Platform, observer: Observer) -> bool:
    """Tell whether the observer has heard all: it is then compared with the database."""
    sequences = dict(platform.query(_SEQUENCES))
    ((last,),) = platform.query(_ACCOUNT_SEQUENCE, account_of(platform))
    return observer.account_sequence == last and all(
        book.sequence == sequences[symbol] for symbol, book in observer.books.items()
    )


def account_of(platform: Platform) -> int:
    ((account_id,),) = platform.query(_ACCOUNT)
    return int(account_id)


def check_books(platform: Platform, observer: Observer) -> None:
    for symbol, book in observer.books.items():
        rows = platform.query(_LEVELS, symbol)
        assert rows, "there is something to compare"
        for name, side in (("bids", "Buy"), ("asks", "Sell")):
            levels = sorted(((price, lots) for of, price, lots in rows if of == side), reverse=side == "Buy")
            assert book.levels(name) == levels, (symbol, name)
        seen = observer.trades[symbol]
        assert seen == sorted(set(seen)), "trades come in their order, each once"
        all_trades = [trade_id for (trade_id,) in platform.query(_TRADES, symbol) if trade_id >= seen[0]]
        # Trades have no snapshot: a client that was cut asks for those of the time between.
        was_cut = observer.connections > CONNECTIONS
        assert set(seen) <= set(all_trades) if was_cut else seen == all_trades


def check_events(platform: Platform, observer: Observer, first: int) -> None:
    """What was told is what was stored; the last that was told of each order, and the balances, are what the database has."""
    account_id = account_of(platform)
    rows = platform.query(_EVENTS, account_id, first)
    stored = {sequence: (channel, json.loads(payload)) for sequence, channel, payload in rows}
    assert observer.told == stored
    orders: dict[int, tuple[str, str]] = {}
    balances: dict[str, tuple[Decimal, Decimal]] = {}
    fills = []
    for _, (channel, members) in sorted(observer.told.items()):
        for one in members:
            if channel == "orders":
                orders[one["id"]] = (one["status"], one["filled_quantity"])
            elif channel == "fills":
                fills.append((one["trade_id"], one["liquidity"]))
            else:
                balances[one["asset"]] = (Decimal(one["available"]), Decimal(one["held"]))
    assert {order_id: (status, Decimal(filled)) for order_id, (status, filled) in orders.items()} == {
        order_id: (status, filled) for order_id, status, filled in platform.query(_ORDERS, account_id)
    }
    assert sorted(fills) == sorted(platform.query(_FILLS, account_id, account_id))
    assert balances == {code: (available, held) for code, available, held in platform.query(_BALANCES, account_id)}


_ACCOUNT = "SELECT a.id FROM accounts a JOIN users u ON u.id = a.user_id WHERE u.email = 'alice@example.com'"
_SEQUENCES = "SELECT m.symbol, s.last_sequence FROM market_states s JOIN markets m ON m.id = s.market_id"
_ACCOUNT_SEQUENCE = "SELECT last_sequence FROM account_streams WHERE account_id = %s"
_LEVELS = """
    SELECT o.side, o.price, sum(o.visible_quantity) FROM orders o JOIN markets m ON m.id = o.market_id
    WHERE m.symbol = %s AND o.visible_quantity IS NOT NULL
        AND o.status IN ('New', 'PendingTrigger', 'PartiallyFilled') GROUP BY 1, 2
"""
_TRADES = "SELECT t.id FROM trades t JOIN markets m ON m.id = t.market_id WHERE m.symbol = %s ORDER BY t.id"
_EVENTS = "SELECT sequence, channel, payload FROM account_events WHERE account_id = %s AND sequence > %s"
_ORDERS = "SELECT id, status, filled_quantity FROM orders WHERE account_id = %s"
_FILLS = """
    SELECT id, 'Maker' FROM trades WHERE maker_account_id = %s
    UNION ALL SELECT id, 'Taker' FROM trades WHERE taker_account_id = %s
"""
_BALANCES = """
    SELECT a.code, b.available, b.held FROM balances b JOIN assets a ON a.id = b.asset_id WHERE b.account_id = %s
"""
