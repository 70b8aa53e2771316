"""Ask the venue over REST as an API key: each request is signed with the key's secret, which is never sent.

What is signed is timestamp + METHOD + path with query + body, put together with nothing between, by HMAC-SHA256, in hex.

    API_KEY=... API_SECRET=... python docs/examples/signed_request.py
"""

import hashlib
import hmac
import os
import time
from collections.abc import Generator

import httpx

API = "http://localhost:8080/api/v1"


class ApiKey(httpx.Auth):
    """Signs what an httpx client sends: `httpx.Client(auth=ApiKey(key, secret))`."""

    requires_request_body = True

    def __init__(self, key: str, secret: str) -> None:
        self.key = key
        self._secret = secret.encode()

    def sign(self, timestamp: str, what: bytes) -> str:
        return hmac.new(self._secret, timestamp.encode() + what, hashlib.sha256).hexdigest()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        timestamp = now_ms()
        # The path and the query just as they are sent, so that both sides sign the same bytes.
        what = request.method.encode() + request.url.raw_path + request.content
        request.headers["X-API-Key"] = self.key
        request.headers["X-API-Timestamp"] = timestamp
        request.headers["X-API-Signature"] = self.sign(timestamp, what)
        yield request

    async def socket_proof(self, _http: httpx.AsyncClient) -> dict[str, str]:
        """Return what a WebSocket's `auth` wants to see."""
        timestamp = now_ms()
        return {"key": self.key, "timestamp": timestamp, "signature": self.sign(timestamp, b"WS/ws/v1")}


def now_ms() -> str:
    """Return the time as it is signed. It may be 5 s behind the venue's clock and 1 s ahead: GET /time tells that one."""
    return str(time.time_ns() // 1_000_000)


def main() -> None:
    auth = ApiKey(os.environ["API_KEY"], os.environ["API_SECRET"])
    with httpx.Client(base_url=os.environ.get("API", API), auth=auth) as http:
        answer = http.get("/orders", params={"status": "open", "symbol": "BTC/USD"})
        print(answer.status_code, answer.text)


if __name__ == "__main__":
    main()
