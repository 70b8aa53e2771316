"""Signed requests through the real servers, which tell the application less of a request than a test client does."""

import http.client
import json
import socket
from typing import Any

import pytest

from accounts.tests.signing import now_ms, sign_ed25519, sign_hmac
from exchange.tests.platform import Platform
from exchange.tests.sockets import ALICE, token_of

pytestmark = pytest.mark.xdist_group("platform")

ORDER = {"symbol": "BTC/USD", "side": "Buy", "order_type": "Limit", "quantity": "0.1", "price": "40000.00"}
SIGNED = [
    ("GET", "/api/v1/orders", ""),
    ("GET", "/api/v1/orders?", ""),
    ("GET", "/api/v1/orders?symbol=BTC%2FUSD&status=open", ""),
    ("GET", "/api/v1/orders?symbol=BTC/USD&client_order_id=a%3Ab", ""),
    ("POST", "/api/v1/orders/test", json.dumps(ORDER)),
    ("POST", "/api/v1/orders/test", json.dumps(ORDER | {"client_order_id": None}, indent=2)),
    ("POST", "/api/v1/orders/test", "\n" + json.dumps(ORDER)),
    ("DELETE", "/api/v1/orders?symbol=BTC-USD", ""),
]


def _ask(port: str, method: str, path: str, body: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def _make_key(platform: Platform, **fields: Any) -> dict[str, Any]:
    port = platform.ports["API_PORT"]
    body = json.dumps({"name": "bot", "scopes": ["read", "trade"], **fields})
    status, made = _ask(
        port, "POST", "/api/v1/auth/keys", body, {"Authorization": f"Bearer {token_of(platform, ALICE)}"}
    )
    assert status == 201, made
    return made


def _headers(key: dict[str, Any], target: str) -> dict[str, str]:
    stamp = str(now_ms())
    sign = sign_hmac if key["kind"] == "HMAC" else sign_ed25519
    signature = sign(key["secret"], f"{stamp}{target}")
    return {"X-API-Key": key["key"], "X-API-Timestamp": stamp, "X-API-Signature": signature}


def _raw(port: str, start: str, body: str, headers: dict[str, str]) -> int:
    """Send what a client library would not; returns the status."""
    lines = {"Host": "localhost", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {text}\r\n" for name, text in lines.items())
    with socket.create_connection(("127.0.0.1", int(port)), timeout=30) as connection:
        connection.sendall(f"{start} HTTP/1.1\r\n{head}\r\n{body}".encode())
        return int(connection.recv(65536).split()[1])


def test_a_signature_is_the_same_through_every_server(platform: Platform) -> None:
    for kind in ("HMAC", "Ed25519"):
        key = _make_key(platform, kind=kind, allowed_ips=["127.0.0.0/8"])
        for server in ("API_PORT", "FRONTEND_PORT"):
            _judge(platform.ports[server], key)
    key = _make_key(platform, allowed_ips=["192.0.2.1"])
    port, headers = platform.ports["API_PORT"], _headers(key, "GET/api/v1/orders")
    status, answer = _ask(port, "GET", "/api/v1/orders", "", headers)
    assert (status, answer["errors"][0]["value"]) == (403, "127.0.0.1")


def _judge(port: str, key: dict[str, Any]) -> None:
    for method, path, body in SIGNED:
        status, answer = _ask(port, method, path, body, _headers(key, f"{method}{path.removesuffix('?')}{body}"))
        assert status in (200, 202), (method, path, answer)
    # A path is signed in its plain form, however it was sent.
    plain = _headers(key, "GET/api/v1/orders")
    assert _ask(port, "GET", "/api/v1/%6Frders", "", plain)[0] == 200
    # What stands in the query cannot be taken for a body, nor a body for the query.
    moved = _headers(key, "DELETE/api/v1/orders?symbol=BTC-USD")
    assert _ask(port, "DELETE", "/api/v1/orders", "?symbol=BTC-USD", moved)[1]["code"] == "malformed"
    moved = _headers(key, 'POST/api/v1/orders/test?{"a": 1}')
    assert _raw(port, 'POST /api/v1/orders/test?{"a":', " 1}", moved) == 400
    # Two keys are none.
    assert _raw(port, "GET /api/v1/orders", "", plain | {"x-api-key": key["key"]}) == 401
