"""Sign requests for tests as a client would, from docs/API.md alone.

The law: nothing of the venue's own code is used, so that both must mean the same by a signature.
"""

import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rest_framework.test import APIClient

from accounts.issuing import IssuedKey


def now_ms(*, offset: int = 0) -> int:
    """Tell the time in ms since 1970, so many ms off."""
    return time.time_ns() // 1_000_000 + offset


def sign_hmac(secret: str, message: str) -> str:
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


def sign_ed25519(seed: str, message: str) -> str:
    private = Ed25519PrivateKey.from_private_bytes(b64decode(seed))
    return b64encode(private.sign(message.encode())).decode()


def sign(issued: IssuedKey, message: str) -> str:
    assert issued.secret is not None
    return (sign_hmac if issued.row.kind == "HMAC" else sign_ed25519)(issued.secret, message)


def headers_for(issued: IssuedKey, target: str, *, timestamp: int | None = None) -> dict[str, str]:
    """Sign a target (METHOD + path + body); returns the headers as Django's test client takes them."""
    stamp = now_ms() if timestamp is None else timestamp
    return {
        "HTTP_X_API_KEY": issued.row.key,
        "HTTP_X_API_TIMESTAMP": str(stamp),
        "HTTP_X_API_SIGNATURE": sign(issued, f"{stamp}{target}"),
    }


def call(
    issued: IssuedKey, method: str, path: str, body: Any = None, *, timestamp: int | None = None, **extra: str
) -> Any:
    """Call an operation with a key; `extra` goes over the headers that are right."""
    text = "" if body is None else json.dumps(body)
    headers = headers_for(issued, f"{method}{path}{text}", timestamp=timestamp) | extra
    return APIClient().generic(method, path, text, content_type="application/json", **headers)
