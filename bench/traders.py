"""The benchmark's traders: signed in once, with requests made from their tokens.

The law: signing in is never inside a measurement; a token is renewed between two of them, well before it runs out.

Who they are and what they own is `furnish`'s.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.furnish import PASSWORD, email_of
from bench.load import Connection, request_bytes

SIGN_IN_AT_ONCE = 4
RENEW_AFTER_SECONDS = 300
"""A third of an access token's life; a measurement takes seconds."""


class Traders:
    """Access tokens by number of trader."""

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self._pairs: list[dict[str, str]] = []
        with ThreadPoolExecutor(SIGN_IN_AT_ONCE) as pool:
            self._pairs += pool.map(self._sign_in, range(count))
        self._renewed_at = time.monotonic()

    def __len__(self) -> int:
        return len(self._pairs)

    def _sign_in(self, number: int) -> dict[str, str]:
        with Connection(self._port) as connection:
            pair: dict[str, str] = connection.ask(
                "POST", "/auth/token", body={"email": email_of(number), "password": PASSWORD}
            )
        return pair

    def renew(self) -> None:
        """Get new tokens if these are no longer fresh."""
        if time.monotonic() - self._renewed_at < RENEW_AFTER_SECONDS:
            return
        with Connection(self._port) as connection:
            self._pairs = [
                connection.ask("POST", "/auth/token/refresh", body={"refresh": pair["refresh"]}) for pair in self._pairs
            ]
        self._renewed_at = time.monotonic()

    def request(self, number: int, method: str, path: str, body: object = None) -> bytes:
        """Write down a request of the trader with that number."""
        return request_bytes(method, path, token=self._pairs[number]["access"], body=body)

    def cancel_requests(self) -> Iterator[bytes]:
        """Requests that end every order of every trader."""
        for number in range(len(self)):
            yield self.request(number, "DELETE", "/orders")


def limit_order(symbol: str, *, buys: bool, price: str, quantity: str = "0.5") -> dict[str, str]:
    """The body of a limit order."""
    return {
        "symbol": symbol, "side": "Buy" if buys else "Sell", "order_type": "Limit", "quantity": quantity, "price": price,
    }  # fmt: skip


def resting_price(number: int, *, buys: bool) -> str:
    """A price that meets nobody's: bids are from 90.00 to 99.99, asks from 110.00 to 119.99."""
    return f"{(90 if buys else 110) + number * 37 % 1000 / 100:.2f}"


def crossing_price(number: int, *, buys: bool) -> str:
    """A price that meets every other side's: asks are from 90.00 to 99.99, bids from 110.00 to 119.99."""
    return resting_price(number, buys=not buys)
