"""Look when the certificate expires that the public sees. The law: whether it is trusted is browsers' affair; here it is only read, once an hour."""

import socket
import ssl
import time
from urllib.parse import urlsplit

from cryptography import x509

SECONDS_MAX = 2.0
KEPT_SECONDS = 3600.0
_seen: dict[str, tuple[float, float]] = {}

Expiry = tuple[tuple[str], float]


def expiry_of(url: str) -> Expiry | None:
    """Return the host of an https URL and when its certificate expires, in seconds since 1970; None for any other URL.

    Raises OSError where nobody answers there.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname is None:
        return None
    looked_at, expires_at = _seen.get(url, (0.0, 0.0))
    if not expires_at or time.monotonic() - looked_at > KEPT_SECONDS:
        expires_at = _read(parts.hostname, parts.port or 443)
        _seen[url] = time.monotonic(), expires_at
    return (parts.hostname,), expires_at


def _read(host: str, port: int) -> float:
    context = ssl.create_default_context()
    # An expired one, or one of a private authority, is to be read too.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, port), timeout=SECONDS_MAX) as plain,
        context.wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        encoded = encrypted.getpeercert(binary_form=True)
    if encoded is None:
        raise OSError(f"{host} showed no certificate")
    return x509.load_der_x509_certificate(encoded).not_valid_after_utc.timestamp()
