"""Follow the venue's markets and trade there over one WebSocket: a client to copy and to change.

It keeps a book for each symbol and checks it with every frame, keeps what an account has without missing or counting anything twice,
and begins again by itself whenever something does not fit. What is kept is state.py's; signing requests, signed_request.py's.

    python docs/examples/client.py --symbol BTC/USD            # prints the top of the book as it changes
    python docs/examples/client.py --symbol BTC/USD --trade    # as alice: places a bid far below, shows it, cancels it
"""

import argparse
import asyncio
import itertools
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from signed_request import API, ApiKey
from state import Account, Frame, OrderBook, OutOfStep, is_open, with_decimals

SOCKET = "ws://localhost:5173/ws/v1"
PRIVATE = ["orders", "fills", "balances"]
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.1, 30.0
LASTING_SECONDS = 5.0
ANSWER_SECONDS_MAX = 10.0
ATTEMPTS = 5

log = logging.getLogger("client")


class Refused(Exception):
    """The venue has refused a request, which had no effect."""

    def __init__(self, problem: Frame) -> None:
        super().__init__(f"{problem['code']}: {problem['detail']}")
        self.code: str = problem["code"]


class OutcomeUnknown(Exception):
    """There was no answer, or none that says whether the request had its effect."""


class Login(httpx.Auth):
    """Signs in with an address and a password, and anew when the access token has run out. An ApiKey does in place of it."""

    requires_response_body = True

    def __init__(self, email: str, password: str, api: str = API) -> None:
        # What is not built by an httpx client has no timeout of itself.
        patience = {"timeout": httpx.Timeout(ANSWER_SECONDS_MAX).as_dict()}
        login = {"email": email, "password": password}
        self._sign_in = httpx.Request("POST", f"{api}/auth/token", json=login, extensions=patience)
        self._token = ""

    async def socket_proof(self, http: httpx.AsyncClient) -> dict[str, str]:
        self._token = read_answer(await http.send(self._sign_in, auth=httpx.Auth()))["access"]
        return {"token": self._token}

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
            answer = yield request
            if answer.status_code != httpx.codes.UNAUTHORIZED:
                return
        self._token = read_answer((yield self._sign_in))["access"]
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class Exchange:
    """A connection that is made again whenever it is lost. Use it by `connected`."""

    def __init__(
        self, http: httpx.AsyncClient, socket: str, symbols: Iterable[str], credentials: Login | ApiKey | None
    ) -> None:
        self.http = http
        self.books = {symbol: OrderBook(symbol) for symbol in symbols}
        self.account = Account()
        self._url = socket
        self._credentials = credentials
        self._socket: ClientConnection | None = None
        self._takes_requests = False
        self._answers: dict[int, asyncio.Future[Frame]] = {}
        self._ids = itertools.count(1)
        self._changed = asyncio.Condition()
        self._failure: Exception | None = None

    async def until(self, happened: Callable[[], bool], seconds: float | None = ANSWER_SECONDS_MAX) -> None:
        """Wait until something is true; it is looked at after every frame. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: self._failure is not None or happened())
        if self._failure is not None:
            raise self._failure

    # -- orders ------------------------------------------------------------------------------------

    async def place(self, **order: Any) -> Frame:
        """Place an order, once, whatever happens to the connection. Raises Refused, and OutcomeUnknown if the venue stays away."""
        order = {"client_order_id": uuid4().hex, **order}
        body = {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in order.items()}
        for attempt in range(ATTEMPTS):
            with suppress(OutcomeUnknown):
                return with_decimals((await self.request("place", order=body))["order"])
            await asyncio.sleep(PAUSE_SECONDS_MIN * 2**attempt)
            with suppress(OutcomeUnknown, httpx.TransportError):
                found = await self.get("/orders", client_order_id=order["client_order_id"])
                if found["results"]:
                    return with_decimals(found["results"][0])
            # That it is not there yet does not prove that it will not be: but a repeat under the same id is harmless.
        raise OutcomeUnknown(f"ask for client_order_id {order['client_order_id']}")

    async def cancel(self, order_id: int) -> Frame:
        """Ask for the end of an order, which the account's events will tell. Raises Refused `order_not_open` if it has ended."""
        for attempt in range(ATTEMPTS):
            with suppress(OutcomeUnknown):
                return with_decimals((await self.request("cancel", order_id=order_id))["order"])
            await asyncio.sleep(PAUSE_SECONDS_MIN * 2**attempt)
        raise OutcomeUnknown(f"ask for order {order_id}")

    async def request(self, op: str, **content: Any) -> Frame:
        """Ask over the socket, and return the answer. Raises Refused or OutcomeUnknown."""
        number, answer = next(self._ids), asyncio.get_running_loop().create_future()
        try:
            await self.until(lambda: self._takes_requests)
            self._answers[number] = answer
            await self._send({"op": op, "id": number, **content})
            return await asyncio.wait_for(answer, ANSWER_SECONDS_MAX)
        except (TimeoutError, ConnectionClosed) as error:
            raise OutcomeUnknown(f"no answer to {op}") from error
        finally:
            self._answers.pop(number, None)

    async def get(self, path: str, **query: Any) -> Any:
        """Ask over REST what can be asked at any time."""
        return read_answer(await self.http.get(path, params=query))

    # -- the connection ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and connect again, until canceled. Ends by itself only where it would be refused again."""
        pause = PAUSE_SECONDS_MIN
        while True:
            began = time.monotonic()
            try:
                # Of a deep market the first frame is long.
                async with connect(self._url, max_size=None) as self._socket:
                    await self._follow(self._socket)
            except (OSError, WebSocketException, httpx.TransportError, OutOfStep, OutcomeUnknown) as error:
                log.warning("The connection was lost: %s", str(error) or type(error).__name__)
            except Exception as error:
                self._failure = error
                raise
            finally:
                await self._hang_up()
            if time.monotonic() - began > LASTING_SECONDS:
                pause = PAUSE_SECONDS_MIN
            # Not at the same moment as all others that were connected to the server that has gone.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    async def _follow(self, socket: ClientConnection) -> None:
        # Requests of one socket are taken in their order, so none needs to wait for the answer to another.
        if self._credentials is not None:
            await self._send({"op": "auth", "id": "auth", **await self._credentials.socket_proof(self.http)})
            resume = {} if self.account.sequence is None else {"resume_from": self.account.sequence}
            await self._send({"op": "subscribe", "id": "private", "channels": PRIVATE, **resume})
        if self.books:
            await self._send({"op": "subscribe", "id": "books", "channels": [_channel(book) for book in self.books]})
        async for text in socket:
            await self._take(json.loads(text))
            async with self._changed:
                self._changed.notify_all()

    async def _send(self, request: Frame) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps(request))

    async def _hang_up(self) -> None:
        self._takes_requests = False
        for book in self.books.values():
            book.is_synced = False
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(OutcomeUnknown("the connection was lost"))
        async with self._changed:
            self._changed.notify_all()

    # -- what the venue says -----------------------------------------------------------------------

    async def _take(self, frame: Frame) -> None:
        op = frame.get("op")
        answer = self._answers.get(frame.get("id", 0))
        if frame.get("channel", "").startswith("book:"):
            await self._take_book(self.books[frame["channel"].removeprefix("book:").replace("-", "/")], frame)
        elif "account_sequence" in frame:
            await self._take_own(frame)
        elif op == "authenticated":
            self._takes_requests = True
        elif op == "server_shutdown":
            # Books and events go on until it closes; what is asked from now on waits for the next connection.
            self._takes_requests = False
        elif op == "error":
            is_unknown = frame["code"] in ("internal_error", "unavailable")
            error = OutcomeUnknown(frame["detail"]) if is_unknown else Refused(frame)
            if answer is None and frame.get("id") in ("auth", "private", "books"):
                raise error
            if answer is not None and not answer.done():
                answer.set_exception(error)
        elif answer is not None and not answer.done():
            answer.set_result(frame)

    async def _take_book(self, book: OrderBook, frame: Frame) -> None:
        try:
            book.apply(frame)
        except OutOfStep as error:
            if frame["type"] == "snapshot":
                raise
            log.warning("%s; asking for a new snapshot.", error)
            await self._send({"op": "subscribe", "id": "books", "channels": [_channel(book.symbol)]})

    async def _take_own(self, frame: Frame) -> None:
        before = self.account.sequence
        try:
            if self.account.apply(frame):
                await self._catch_up(is_first=before is None)
        except Exception:
            self.account.sequence = before  # what was not caught up with is resumed from again
            raise

    async def _catch_up(self, *, is_first: bool) -> None:
        """Ask what a snapshot does not tell: what became of orders that have ended meanwhile, and which fills there were."""
        for order_id in self.account.missing:
            self.account.orders[order_id] = with_decimals(await self.get(f"/orders/{order_id}"))
        cursor: dict[str, str] = {}
        while True:
            page = await self.get("/fills", **cursor)
            fills = {raw["trade_id"]: with_decimals(raw) for raw in page["results"]}
            is_known = is_first or not fills.keys().isdisjoint(self.account.fills)
            self.account.fills.update(fills)
            if is_known or page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}


@asynccontextmanager
async def connected(
    symbols: Iterable[str] = (), credentials: Login | ApiKey | None = None, *, api: str = API, socket: str = SOCKET
) -> AsyncIterator[Exchange]:
    """Connect, and wait until all that is wanted is there."""
    async with httpx.AsyncClient(base_url=api, auth=credentials, timeout=ANSWER_SECONDS_MAX) as http:
        exchange = Exchange(http, socket, symbols, credentials)
        running = asyncio.create_task(exchange.run())
        try:
            await exchange.until(
                lambda: (
                    all(book.is_synced for book in exchange.books.values())
                    and (credentials is None or exchange.account.sequence is not None)
                )
            )
            yield exchange
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def read_answer(answer: httpx.Response) -> Any:
    """Return what a REST answer says. Raises Refused, or OutcomeUnknown for a failure of the venue's own."""
    if answer.is_server_error:
        raise OutcomeUnknown(f"the venue answered {answer.status_code}")
    if answer.is_error:
        raise Refused(answer.json())
    return answer.json()


def _channel(symbol: str) -> str:
    return f"book:{symbol.replace('/', '-')}"


async def show(symbol: str, api: str, socket: str) -> None:
    """Print the top of a book whenever it has changed."""
    async with connected([symbol], api=api, socket=socket) as exchange:
        book, shown = exchange.books[symbol], ""

        def has_changed() -> bool:
            return book.is_synced and _top(book) != shown

        while True:
            await exchange.until(has_changed, seconds=None)
            shown = _top(book)
            print(f"{symbol} at {book.sequence}: {shown}", flush=True)


def _top(book: OrderBook) -> str:
    bid, ask = (
        f"{side[0][1]} at {side[0][0]}" if side else "nothing" for side in (book.best_bids(1), book.best_asks(1))
    )
    return f"bid {bid}, asked {ask}"


async def trade(symbol: str, login: Login, api: str, socket: str) -> None:
    """Place a bid far below the market, see it in the book, and cancel it."""
    async with connected([symbol], login, api=api, socket=socket) as exchange:
        orders, book = exchange.account.orders, exchange.books[symbol]
        rules = await exchange.get(f"/markets/{symbol.replace('/', '-')}")
        best, tick = book.best_bids(1) or book.best_asks(1), Decimal(rules["tick_size"])
        price = (best[0][0] / 2 if best else Decimal(100)) // tick * tick
        quantity = rules["min_quantity"] or rules["lot_size"]
        order = await exchange.place(symbol=symbol, side="Buy", order_type="Limit", quantity=quantity, price=price)
        print(f"placed order {order['id']}: buys {order['quantity']} at {order['price']}")
        await exchange.until(lambda: price in book.bids and order["id"] in orders)
        print(f"the book shows {book.bids[price]} at {price}; the order is {orders[order['id']]['status']}")
        await exchange.cancel(order["id"])
        await exchange.until(lambda: not is_open(orders[order["id"]]))
        print(f"order {order['id']} is {orders[order['id']]['status']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbol", default="BTC/USD")
    parser.add_argument("--trade", action="store_true", help="place an order and cancel it")
    parser.add_argument("--email", default="alice@example.com")
    parser.add_argument("--password", default="exchange-demo")
    parser.add_argument("--api", default=API)
    parser.add_argument("--socket", default=SOCKET)
    asked = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    where = (asked.api, asked.socket)
    login = Login(asked.email, asked.password, asked.api)
    demo = trade(asked.symbol, login, *where) if asked.trade else show(asked.symbol, *where)
    with suppress(KeyboardInterrupt):
        asyncio.run(demo)


if __name__ == "__main__":
    main()
