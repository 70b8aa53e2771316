"""Follow the streams while orders flow and processes die, and end where the database is.

The law: whatever is killed, a client that keeps books from the stream ends equal to the database, with every checksum right on the way,
and an account is told everything once and in order. Moments and orders come from a seed that is printed; STREAM_SEED repeats it.
How processes are found is exchange/tests/platform.py's, what one socket answers exchange/tests/test_socket_*.py's.
"""

import asyncio
import json
import os
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from exchange.tests.observer import Book, Observer
from exchange.tests.platform import Platform, health, kill, wait_for
from exchange.tests.sockets import ALICE, BOB, MESSAGES_PER_SECOND, order, rest, token_of, url_of, worker_of

pytestmark = [pytest.mark.xdist_group("platform"), pytest.mark.usefixtures("_books_are_empty")]

SYMBOLS = {
    "BTC/USD": (50_000, "0.01", "0.00001"),
    "ETH/USD": (2_000, "0.01", "0.0001"),
    "ETH/BTC": (0.04, "0.00001", "0.001"),
}
BATCH = 50
CONNECTIONS = 2
"""Of an observer: one for the markets and one for the account."""
PATIENCE = 90.0


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
    tokens = {email: await asyncio.to_thread(token_of, platform, email) for email in (ALICE, BOB)}
    begin = newest(platform)
    observer = Observer(platform.ports["FRONTEND_PORT"], [*SYMBOLS], tokens[ALICE])
    followers = [asyncio.create_task(observer.follow_markets()), asyncio.create_task(observer.follow_account())]
    await until(lambda: observer.account_sequence is not None and all(known(book) for book in observer.books.values()))
    first = observer.account_sequence
    sent: dict[str, int] = dict.fromkeys(tokens, 0)
    flows = [
        asyncio.create_task(trade(platform, token, email, Random(random.random()), sent, commands // 2))
        for email, token in tokens.items()
    ]
    for n, kill_some in enumerate(kills, start=1):
        await until(
            lambda n=n: sum(sent.values()) >= commands * n / (len(kills) + 1) or all(flow.done() for flow in flows)
        )
        await asyncio.to_thread(kill_some, platform)
    await asyncio.gather(*flows)
    await asyncio.to_thread(platform.wait_until_taken)
    await until(lambda: caught_up(platform, observer) or any(follower.done() for follower in followers))
    for follower in followers:
        assert not follower.done(), follower.exception()
        follower.cancel()
    check_books(platform, observer)
    check_events(platform, observer, first, begin)
    print(  # noqa: T201  pytest -rP shows it
        f"{sum(sent.values())} commands, {sum(book.deltas for book in observer.books.values())} deltas, "
        f"{sum(book.snapshots for book in observer.books.values())} snapshots, {len(observer.told)} events"
    )
    assert sum(sent.values()) >= commands
    await asyncio.to_thread(wait_for, lambda: is_well(platform), "all is well again")


def is_well(platform: Platform) -> bool:
    """Tell whether matching works, and its news reach the feed: whoever could not write there is silent for a second."""
    before = platform.redis().xlen("feed")
    rest(platform, "POST", "/orders?wait=5000", BOB, order("Buy", "0.001", "1.00", symbol="BTC/USD"))
    return health(platform.ports) == "ok" and platform.redis().xlen("feed") > before


def known(book: Book) -> bool:
    return book.sequence >= 0


async def until(happened) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not happened():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)


_runs = count(1)


async def trade(
    platform: Platform, token: str, email: str, random: Random, sent: dict[str, int], commands: int
) -> None:
    """Send batches of orders, cancels and amendments of chance, connecting again where the frontend is killed."""
    live: list[int] = []
    run = f"{email.partition('@')[0]}-{next(_runs)}"
    while sent[email] < commands:
        try:
            async with connect(url_of(platform), max_size=None) as socket:
                await ask(socket, op="auth", token=token)
                while sent[email] < commands:
                    bodies = [make_order(random, f"{run}-{sent[email]}-{n}") for n in range(BATCH)]
                    answer = await ask(socket, op="place_batch", orders=bodies)
                    results = answer.get("results", [])
                    live += [one["order"]["id"] for one in results if "order" in one]
                    sent[email] += len(results)
                    for order_id in random.sample(live, min(len(live), BATCH // 4)):
                        live.remove(order_id)
                        if random.random() < 0.5:
                            await ask(socket, op="cancel", order_id=order_id)
                        else:
                            await ask(socket, op="amend", order_id=order_id, quantity="0.009")
                        sent[email] += 1
                    live = live[-500:]
                    if random.random() < 0.01:
                        await ask(socket, op="cancel_all", symbol=random.choice([*SYMBOLS]))
        except (OSError, WebSocketException):
            await asyncio.sleep(0.2)


async def ask(socket: Any, **request: Any) -> dict[str, Any]:
    await socket.send(json.dumps({**request, "id": 1}))
    await asyncio.sleep(1 / MESSAGES_PER_SECOND)
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


def kill_matching(platform: Platform) -> None:
    kill(platform.processes("matching0"))


def kill_valkey(platform: Platform) -> None:
    """It keeps nothing on disk, so the next one is empty."""
    kill(platform.processes("valkey-server"))


def kill_frontend(platform: Platform) -> None:
    kill([worker_of(platform)])


def newest(platform: Platform) -> tuple[int, int]:
    """Return the ids of the last order and the last trade: what comes after is this test's."""
    return platform.query("SELECT COALESCE(max(id), 0), (SELECT COALESCE(max(id), 0) FROM trades) FROM orders")[0]


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


def check_events(platform: Platform, observer: Observer, first: int, begin: tuple[int, int]) -> None:
    """What was told is what was stored; the last that was told of each order, and the balances, are what the database has."""
    last_order, last_trade = begin
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
        order_id: (status, filled) for order_id, status, filled in platform.query(_ORDERS, account_id, last_order)
    }
    assert sorted(fills) == sorted(platform.query(_FILLS, account_id, last_trade, account_id, last_trade))
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
_ORDERS = "SELECT id, status, filled_quantity FROM orders WHERE account_id = %s AND id > %s"
_FILLS = """
    SELECT id, 'Maker' FROM trades WHERE maker_account_id = %s AND id > %s
    UNION ALL SELECT id, 'Taker' FROM trades WHERE taker_account_id = %s AND id > %s
"""
_BALANCES = """
    SELECT a.code, b.available, b.held FROM balances b JOIN assets a ON a.id = b.asset_id WHERE b.account_id = %s
"""
