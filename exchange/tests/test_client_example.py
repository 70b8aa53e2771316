"""Run the documented client against the real servers: what it keeps is what the venue has, whatever is cut or killed.

The law: the client is used as it stands in docs/examples; what it ought to have is asked over REST, once nothing is pending.
How processes are found is exchange/tests/platform.py's.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest

from client import Exchange, Login, Refused, connected
from exchange.tests.platform import PROJECT, Platform, kill
from exchange.tests.sockets import ALICE, BOB, PASSWORD, PATIENCE, token_of, worker_of
from signed_request import ApiKey
from state import Account, OrderBook, is_open, with_decimals

pytestmark = [pytest.mark.xdist_group("platform"), pytest.mark.usefixtures("_books_are_empty")]

SYMBOL, QUIET = "BTC/USD", "ETH/USD"
BATCHES, BATCH = 10, 20


def test_book_is_that_of_rest_at_the_same_sequence(platform):
    async def follow() -> None:
        async with client(platform) as exchange, rest(platform, BOB) as http:
            for n in range(BATCHES):
                await place_at_random(http, Random(n))
            await book_is_the_venues(exchange)
            assert exchange.books[SYMBOL].bids
            assert exchange.books[SYMBOL].asks

    run(follow())


def test_order_rests_is_filled_by_another_account_and_another_is_canceled(platform):
    async def trade() -> None:
        async with client(platform, ALICE, symbol=QUIET) as alice, client(platform, BOB, symbol=QUIET) as bob:
            price = Decimal("3000.00")
            first, second = [await alice.place(**limit("Sell", "0.5", price, QUIET)) for _ in range(2)]
            await bob.until(lambda: bob.books[QUIET].asks.get(price) == 1)
            taker = await bob.place(**limit("Buy", "2", price, QUIET))
            # An event tells the orders, and only the next one the fills.
            await alice.until(lambda: fills_of(alice, first) and fills_of(alice, second))
            assert [fill["quantity"] for fill in fills_of(alice, first)] == [Decimal("0.5")]
            assert not is_open(alice.account.orders[second["id"]])
            await bob.until(lambda: len(fills_of(bob, taker)) == 2)
            assert [fill["liquidity"] for fill in fills_of(bob, taker)] == ["Taker", "Taker"]
            await alice.until(lambda: alice.books[QUIET].bids == {price: 1})

            await bob.cancel(taker["id"])
            await bob.until(lambda: bob.account.orders[taker["id"]]["status"] == "Canceled")
            with pytest.raises(Refused, match="order_not_open"):
                await bob.cancel(taker["id"])
            for one in (alice, bob):
                await account_is_the_venues(platform, one)

    run(trade())


def test_events_come_once_and_in_order_over_cut_connections_and_a_killed_server(platform):
    async def trade() -> None:
        async with client(platform, ALICE) as alice, rest(platform, BOB) as http:
            first, heard = alice.account.sequence, record(alice.account)
            stop = asyncio.Event()
            trading = [asyncio.create_task(keep_trading(http, stop)), asyncio.create_task(keep_placing(alice, stop))]
            for cut in (cut_connection, cut_connection, kill_frontend):
                await asyncio.sleep(0.4)
                cut(platform, alice)
                await connected_anew(alice, alice._socket)
            stop.set()
            _, names = await asyncio.gather(*trading)

            await account_is_the_venues(platform, alice)
            await book_is_the_venues(alice)
            assert heard == list(range(first + 1, alice.account.sequence + 1))
            placed = [order["client_order_id"] for order in alice.account.orders.values()]
            assert [name for name in placed if name in names] == names
            assert len(names) > 10
            fills = [fill for fill in alice.account.fills.values() if orders_name(alice, fill) in names]
            assert len(fills) > 5

    run(trade())


def test_account_that_was_away_for_longer_than_its_events_are_kept_catches_up_over_rest(platform):
    async def stay_away() -> None:
        async with client(platform, ALICE, symbol=QUIET) as alice, client(platform, BOB, symbol=QUIET) as bob:
            price, url = Decimal("2900.00"), alice._url
            filled, canceled = [await alice.place(**limit("Buy", "0.5", price - n, QUIET)) for n in range(2)]
            await alice.until(lambda: canceled["id"] in alice.account.orders)
            alice._url = "ws://127.0.0.1:1"
            cut_connection(platform, alice)
            await bob.place(**limit("Sell", "0.5", price, QUIET))
            await alice.http.delete(f"/orders/{canceled['id']}", params={"wait": 5000})
            platform.query("DELETE FROM account_events WHERE true RETURNING 1")
            alice._url = url
            await alice.until(lambda: not is_open(alice.account.orders[filled["id"]]))
            assert alice.account.orders[canceled["id"]]["status"] == "Canceled"
            assert [fill["quantity"] for fill in fills_of(alice, filled)] == [Decimal("0.5")]
            await account_is_the_venues(platform, alice)

    run(stay_away())


def test_book_that_is_not_the_venues_is_noticed_by_its_checksum_and_read_again(platform, caplog):
    async def tamper() -> None:
        async with client(platform) as exchange, rest(platform, BOB) as http:
            await place_at_random(http, Random(99))
            await book_is_the_venues(exchange)
            book = exchange.books[SYMBOL]
            ((price, _),) = book.best_bids(1)
            book.bids[price] += 1
            assert "not the venue's" not in caplog.text
            # Far below, so that the venue says nothing of the level that is wrong.
            await http.post("/orders", json=limit("Buy", "0.001", "1.00"))
            await exchange.until(lambda: "not the venue's" in caplog.text and book.is_synced)
            await book_is_the_venues(exchange)

    run(tamper())


def test_gap_is_noticed_and_the_book_read_again(platform, caplog):
    async def skip() -> None:
        async with client(platform) as exchange, rest(platform, BOB) as http:
            exchange.books[SYMBOL].sequence -= 1
            await place_at_random(http, Random(101))
            await exchange.until(lambda: "expected what follows" in caplog.text and exchange.books[SYMBOL].is_synced)
            await book_is_the_venues(exchange)

    run(skip())


def test_server_that_shuts_down_gets_no_more_requests_and_they_come_through_on_the_next(platform):
    async def place() -> None:
        async with client(platform, ALICE) as alice:
            socket = alice._socket
            os.kill(worker_of(platform), signal.SIGTERM)
            await alice.until(lambda: not alice._takes_requests)
            assert alice._socket is socket
            order = await alice.place(**limit("Buy", "0.001", Decimal("1.00")))
            assert alice._socket is not socket
            await alice.cancel(order["id"])
            await account_is_the_venues(platform, alice)

    run(place())


def test_key_signs_in_and_one_that_is_not_good_is_not_tried_again(platform):
    async def sign_in() -> None:
        async with rest(platform, ALICE) as http:
            made = (await http.post("/auth/keys", json={"name": "bot", "scopes": ["read", "trade"]})).json()
        async with client(platform, credentials=ApiKey(made["key"], made["secret"])) as alice:
            order = await alice.place(**limit("Buy", "0.001", Decimal("1.00")))
            await alice.cancel(order["id"])
            await account_is_the_venues(platform, alice)
        with pytest.raises(Refused, match="bad_signature"):
            async with client(platform, credentials=ApiKey(made["key"], "wrong")):
                pass
        environment = {**os.environ, "API_KEY": made["key"], "API_SECRET": made["secret"], "API": urls(platform)["api"]}
        done = start(platform, "signed_request.py", environment=environment).communicate(timeout=PATIENCE)
        assert done[0].startswith("200 ")

    run(sign_in())


def test_demonstrations_run(platform):
    where = [f"--{name}={url}" for name, url in urls(platform).items()]
    showing = start(platform, "client.py", *where)
    said = start(platform, "client.py", "--trade", *where).communicate(timeout=PATIENCE)[0].splitlines()
    assert said[0].startswith("placed order")
    assert said[1].endswith("the order is New")
    assert said[2].endswith("is Canceled")
    assert showing.stdout.readline().startswith("BTC/USD at ")
    showing.send_signal(signal.SIGINT)
    assert (showing.communicate(timeout=PATIENCE)[1], showing.returncode) == ("", 0)


def test_frames_of_the_documentation_are_a_book():
    lines = (PROJECT / "docs" / "STREAMS.md").read_text().splitlines()
    book = OrderBook("ETH/BTC")
    for line in lines:
        if line.startswith('{"channel": "book:'):
            book.apply(json.loads(line))
    assert (book.is_synced, book.sequence, shown(book)["asks"]) == (True, 3, [("0.05001", "1.500")])


# -- what the tests above do --------------------------------------------------------------------------


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    async def in_time() -> None:
        async with asyncio.timeout(60):
            await coroutine

    asyncio.run(in_time())


def urls(platform: Platform) -> dict[str, str]:
    return {
        "api": f"http://127.0.0.1:{platform.ports['API_PORT']}/api/v1",
        "socket": f"ws://127.0.0.1:{platform.ports['FRONTEND_PORT']}/ws/v1",
    }


def client(
    platform: Platform, email: str | None = None, credentials: Any = None, symbol: str = SYMBOL
) -> AbstractAsyncContextManager[Exchange]:
    if email is not None:
        credentials = Login(email, PASSWORD, urls(platform)["api"])
    return connected([symbol], credentials, **urls(platform))


@asynccontextmanager
async def rest(platform: Platform, email: str) -> AsyncIterator[httpx.AsyncClient]:
    bearer = {"Authorization": f"Bearer {token_of(platform, email)}"}
    async with httpx.AsyncClient(base_url=urls(platform)["api"], headers=bearer, timeout=PATIENCE) as http:
        yield http


def limit(side: str, quantity: str, price: Decimal | str, symbol: str = SYMBOL) -> dict[str, Any]:
    return {"symbol": symbol, "side": side, "order_type": "Limit", "quantity": quantity, "price": price}


async def place_at_random(http: httpx.AsyncClient, random: Random) -> None:
    orders = [
        limit(random.choice(("Buy", "Sell")), f"0.00{random.randint(10, 99)}", f"{50_000 + random.randint(-40, 40)}.50")
        for _ in range(BATCH)
    ]
    answer = await http.post("/orders/batch?wait=5000", json={"orders": orders})
    assert all("order" in result for result in answer.json()["results"]), answer.text


async def keep_placing(alice: Exchange, stop: asyncio.Event) -> list[str]:
    """Place orders by socket without pause; returns their names."""
    names: list[str] = []
    random, run = Random(7), uuid4().hex
    for n in count(1):
        if stop.is_set():
            break
        names.append(f"kept-{run}-{n}")
        price = Decimal(50_000 + random.randint(-5, 5)).quantize(Decimal("0.01"))
        await alice.place(**limit(random.choice(("Buy", "Sell")), "0.001", price), client_order_id=names[-1])
        await asyncio.sleep(0.02)
    return names


async def keep_trading(http: httpx.AsyncClient, stop: asyncio.Event) -> None:
    for n in count(200):
        if stop.is_set():
            return
        await place_at_random(http, Random(n))
        await asyncio.sleep(0.05)


def record(account: Account) -> list[int]:
    """Note the sequence of each event that an account takes."""
    heard: list[int] = []
    apply = account.apply

    def noting(frame: dict[str, Any]) -> bool:
        before = account.sequence
        is_snapshot = apply(frame)
        assert not is_snapshot
        if account.sequence != before:
            heard.append(frame["account_sequence"])
        return False

    account.apply = noting
    return heard


def cut_connection(_platform: Platform, exchange: Exchange) -> None:
    exchange._socket.transport.abort()


def kill_frontend(platform: Platform, _exchange: Exchange) -> None:
    kill([worker_of(platform)])


async def connected_anew(exchange: Exchange, before: Any) -> None:
    await exchange.until(lambda: exchange._socket is not before and exchange._takes_requests, seconds=PATIENCE)


def fills_of(exchange: Exchange, order: dict[str, Any]) -> list[dict[str, Any]]:
    return [fill for fill in exchange.account.fills.values() if fill["order_id"] == order["id"]]


def orders_name(exchange: Exchange, fill: dict[str, Any]) -> str | None:
    order = exchange.account.orders.get(fill["order_id"])
    return order and order["client_order_id"]


async def book_is_the_venues(exchange: Exchange) -> None:
    """Wait until a book is where REST has it, and compare; expects that nothing changes meanwhile."""
    book = exchange.books[SYMBOL]
    told = await exchange.get("/markets/BTC-USD/book", depth=1000)
    await exchange.until(lambda: book.is_synced and book.sequence >= told["sequence"])
    assert shown(book) == {side: [tuple(level) for level in told[side]] for side in ("bids", "asks")}
    assert book.sequence == told["sequence"]


def shown(book: OrderBook) -> dict[str, list[tuple[str, str]]]:
    sides = {"bids": book.best_bids(1000), "asks": book.best_asks(1000)}
    return {side: [(f"{price:f}", f"{quantity:f}") for price, quantity in levels] for side, levels in sides.items()}


async def account_is_the_venues(platform: Platform, exchange: Exchange) -> None:
    """Wait until an account has been told all, and compare; expects that nothing more is asked for meanwhile."""
    account = exchange.account
    while platform.query("SELECT FROM commands WHERE sequence IS NULL LIMIT 1"):
        await asyncio.sleep(0.05)
    ((last,),) = platform.query(_LAST_TOLD, (await exchange.get("/account"))["id"])
    await exchange.until(lambda: account.sequence == last)

    orders = await everything(exchange, "/orders", "id", min(account.orders, default=0))
    assert {order_id: orders[order_id] for order_id in account.orders} == account.orders
    assert await everything(exchange, "/orders", "id", status="open") == {
        order_id: order for order_id, order in account.orders.items() if is_open(order)
    }
    fills = await everything(exchange, "/fills", "trade_id", min(account.fills, default=0))
    assert {trade_id: fills[trade_id] for trade_id in account.fills} == account.fills
    balances = [with_decimals(raw) for raw in (await exchange.get("/balances"))["results"]]
    assert {balance["asset"]: balance for balance in balances} == account.balances


_LAST_TOLD = "SELECT last_sequence FROM account_streams WHERE account_id = %s"


async def everything(
    exchange: Exchange, path: str, key: str, first: int = 0, **query: Any
) -> dict[int, dict[str, Any]]:
    """Read all that there is, newest first, from the one with this id on."""
    found: dict[int, dict[str, Any]] = {}
    cursor: dict[str, Any] = {}
    while True:
        page = await exchange.get(path, limit=1000, **query, **cursor)
        found |= {raw[key]: with_decimals(raw) for raw in page["results"]}
        if page["next_cursor"] is None or min(found) <= first:
            return found
        cursor = {"cursor": page["next_cursor"]}


def start(
    _platform: Platform, script: str, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    command = [sys.executable, PROJECT / "docs" / "examples" / script, *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    )
