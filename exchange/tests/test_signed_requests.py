"""Signed requests through the real servers, which tell the application less of a request than a test client does."""

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.tests.signing import now_ms, sign_ed25519, sign_hmac
from exchange.tests.platform import Platform, health, running_platform, wait_for

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


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running_platform(tmp_path_factory.mktemp("signed") / "var", DEMO="1") as platform:
        wait_for(lambda: health(platform.ports) == "ok", "all is well")
        yield platform


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
    login = json.dumps({"email": "alice@example.com", "password": "exchange-demo"})
    _, tokens = _ask(port, "POST", "/api/v1/auth/token", login, {})
    body = json.dumps({"name": "bot", "scopes": ["read", "trade"], **fields})
    status, made = _ask(port, "POST", "/api/v1/auth/keys", body, {"Authorization": f"Bearer {tokens['access']}"})
    assert status == 201, made
    return made


def _headers(key: dict[str, Any], target: str) -> dict[str, str]:
    stamp = str(now_ms())
    sign = sign_hmac if key["kind"] == "HMAC" else sign_ed25519
    signature = sign(key["secret"], f"{stamp}{target}")
    return {"X-API-Key": key["key"], "X-API-Timestamp": stamp, "X-API-Signature": signature}


def _raw(port: str, request: str) -> bytes:
    """Send what no client library would."""
    with socket.create_connection(("127.0.0.1", int(port)), timeout=30) as connection:
        connection.sendall(request.encode("latin-1"))
        return connection.recv(65536)


@pytest.mark.parametrize("kind", ["HMAC", "Ed25519"])
def test_a_signature_is_the_same_through_every_server(platform: Platform, kind: str) -> None:
    key = _make_key(platform, kind=kind, allowed_ips=["127.0.0.0/8"])
    for server in ("API_PORT", "FRONTEND_PORT"):
        port = platform.ports[server]
        for method, path, body in SIGNED:
            status, answer = _ask(port, method, path, body, _headers(key, f"{method}{path.removesuffix('?')}{body}"))
            assert status in (200, 202), (server, method, path, answer)
        # A path is signed in its plain form, however it was sent.
        plain = _headers(key, "GET/api/v1/orders")
        assert _ask(port, "GET", "/api/v1/%6Frders", "", plain)[0] == 200
        # What stands in the query cannot be taken for a body, nor a body for the query.
        moved = _headers(key, "DELETE/api/v1/orders?symbol=BTC-USD")
        assert _ask(port, "DELETE", "/api/v1/orders", "?symbol=BTC-USD", moved)[1]["code"] == "malformed"
        lines = "".join(
            f"{name}: {text}\r\n" for name, text in _headers(key, 'POST/api/v1/orders/test?{"a": 1}').items()
        )
        request = f'POST /api/v1/orders/test?{{"a": HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n{lines}\r\n 1}}'
        assert b" 400 " in _raw(port, request).splitlines()[0]
        # Two keys are none.
        lines = "".join(f"{name}: {text}\r\n" for name, text in plain.items())
        request = f"GET /api/v1/orders HTTP/1.1\r\nHost: x\r\nX-API-Key: {key['key']}\r\n{lines}\r\n"
        assert b" 401 " in _raw(port, request).splitlines()[0]
    keys = _make_key(platform, allowed_ips=["192.0.2.1"])
    status, answer = _ask(platform.ports["API_PORT"], "GET", "/api/v1/orders", "", _headers(keys, "GET/api/v1/orders"))
    assert (status, answer["errors"][0]["value"]) == (403, "127.0.0.1")
