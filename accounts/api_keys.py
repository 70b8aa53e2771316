"""Prove who calls by a signature made with an API key.

The law: nothing is said to somebody who does not hold the secret but whether there is such a key: first comes the signature, then its time,
then the address. A key that is revoked, or whose user is deactivated, is no key from the next call on. A signature is good for
its window, as often as it is sent: what must not happen twice has a client_order_id.
Keys are made by accounts/issuing.py; what a caller may do is accounts/callers.py's.
"""

import re
import time
from datetime import timedelta
from typing import Any, NamedTuple

import structlog
from django.db.models import BooleanField, ExpressionWrapper, F, Q
from django.db.models.functions import Now

from accounts import vault
from accounts.addresses import Address, is_allowed
from accounts.bodies import integer_reader
from accounts.callers import Trader
from accounts.errors import DomainError, refusal
from accounts.models import AccountKind, ApiKey, ApiKeyKind, Scope
from accounts.sessions import still_proven
from accounts.signatures import ed25519_fits, hmac_fits

RECV_WINDOW_MS = 5_000
RECV_WINDOW_MS_MAX = 60_000
AHEAD_MS_MAX = 1_000
USE_NOTED_EVERY = timedelta(minutes=1)
SOCKET_TARGET = b"WS/ws/v1"
"""What a socket's signature is over, in place of a method and a path."""

_KEY = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,16}", re.ASCII)
_USE_IS_DUE = Q(last_used_at__isnull=True) | Q(last_used_at__lt=Now() - USE_NOTED_EVERY)
_read_window = integer_reader(1, RECV_WINDOW_MS_MAX)
_log = structlog.get_logger(__name__)


class Names(NamedTuple):
    """What the parts of a proof are called where they came from, for refusals."""

    timestamp: str
    signature: str
    recv_window: str


_SOCKET_NAMES = Names("timestamp", "signature", "recv_window")


def authenticate_socket(
    *, key: Any, timestamp: Any, signature: Any, recv_window: Any = None, address: Address | None
) -> Trader:
    """Tell who opens a WebSocket, by a signature over timestamp + "WS" + "/ws/v1". Raises as `authenticate` does."""
    return authenticate(
        key=key,
        timestamp=timestamp,
        signature=signature,
        recv_window=recv_window,
        target=SOCKET_TARGET,
        address=address,
        names=_SOCKET_NAMES,
    )


def authenticate(
    *,
    key: Any,
    timestamp: Any,
    signature: Any,
    recv_window: Any,
    target: bytes,
    address: Address | None,
    names: Names,
) -> Trader:
    """Tell who has signed timestamp + target.

    Raises DomainError missing_field or invalid_value for what is no proof at all, then unauthenticated (no such key),
    bad_signature, stale_timestamp or forbidden (address). One query, and one UPDATE a minute at most.
    """
    sent_at, window = _read_times(timestamp, recv_window, names)
    if not isinstance(signature, str):
        raise refusal("missing_field", names.signature, f"{names.signature} is required, as text.")
    row = _find(key) if isinstance(key, str) and _KEY.fullmatch(key) else None
    if row is None:
        raise DomainError("unauthenticated", "There is no such API key, or it has been revoked.")
    if not _fits(row, str(timestamp).encode() + target, signature):
        raise refusal("bad_signature", names.signature, f"{names.signature} does not fit what was sent.")
    _check_time(sent_at, window, names)
    if not is_allowed(address, row.allowed_ips):
        message = "This API key may not be used from this address."
        raise refusal("forbidden", "allowed_ips", message, value=None if address is None else str(address))
    if row.is_use_due:  # type: ignore[attr-defined]  # annotated
        _note_use(row.id)
    scopes = frozenset(Scope(scope) for scope in row.scopes)
    return Trader(row.user_id, row.account_id, scopes, row.id)  # type: ignore[attr-defined]  # annotated


def still_valid(trader: Trader) -> bool:
    """Tell whether a caller of a while ago may go on: the key is there, or what the token was given for; the user is active.

    One query for a key, three at most for a token.

    A key's scopes and addresses never change, and neither does the address of an open socket.
    """
    if trader.api_key_id is None:
        return still_proven(trader.user_id, trader.proofs, trader.session)
    return ApiKey.objects.filter(id=trader.api_key_id, account__user__is_active=True).exists()


def _read_times(timestamp: Any, recv_window: Any, names: Names) -> tuple[int, int]:
    is_number = isinstance(timestamp, int) and not isinstance(timestamp, bool)
    if timestamp is None:
        raise refusal("missing_field", names.timestamp, f"{names.timestamp} is required.")
    if not (is_number or isinstance(timestamp, str)) or not _TIMESTAMP.fullmatch(str(timestamp)):
        message = f"{names.timestamp} must be milliseconds since 1970 UTC, in digits."
        raise refusal("invalid_value", names.timestamp, message, value=str(timestamp)[:64])
    window: int = RECV_WINDOW_MS if recv_window is None else _read_window(names.recv_window, recv_window)
    return int(timestamp), window


def _find(key: str) -> ApiKey | None:
    return (
        ApiKey.objects.filter(key=key, account__kind=AccountKind.TRADER, account__user__is_active=True)
        .annotate(
            user_id=F("account__user_id"),
            is_use_due=ExpressionWrapper(_USE_IS_DUE, output_field=BooleanField()),
        )
        .first()
    )


def _fits(row: ApiKey, message: bytes, signature: str) -> bool:
    if row.kind == ApiKeyKind.ED25519:
        assert row.public_key is not None
        return ed25519_fits(bytes(row.public_key), message, signature)
    assert row.sealed_secret is not None
    try:
        secret = vault.unseal(bytes(row.sealed_secret))
    except vault.Unopenable:
        _log.error("API_KEY_SECRET does not open an API key's secret", api_key_id=row.id)
        return False
    return hmac_fits(secret, message, signature)


def _check_time(sent_at: int, window: int, names: Names) -> None:
    now = time.time_ns() // 1_000_000
    if sent_at < now - window:
        message = f"{names.timestamp} is {now - sent_at} ms behind the venue's clock, and may be {window}."
        raise refusal("stale_timestamp", names.timestamp, message, limit=window, value=str(sent_at))
    if sent_at > now + AHEAD_MS_MAX:
        message = f"{names.timestamp} is {sent_at - now} ms ahead of the venue's clock, and may be {AHEAD_MS_MAX}."
        raise refusal("stale_timestamp", names.timestamp, message, limit=AHEAD_MS_MAX, value=str(sent_at))


def _note_use(key_id: int) -> None:
    """Write down the moment; of many calls at once, one does."""
    ApiKey.objects.filter(_USE_IS_DUE, id=key_id).update(last_used_at=Now())
