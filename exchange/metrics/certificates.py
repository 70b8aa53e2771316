"""Look when the certificate expires that the public sees. The law: whether it is trusted is browsers' affair; here it is only read, once an hour."""

import socket
import ssl
import time
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import urlsplit

from cryptography import x509

SECONDS_MAX = 2.0
KEPT_SECONDS = 3600.0
# A name may be looked up for far longer than a scrape may take, and nothing limits that but a thread of its own.
_reader = ThreadPoolExecutor(1, thread_name_prefix="certificate")
_readings: dict[str, tuple[float, Future[float]]] = {}

Expiry = tuple[tuple[str], float]


def expiry_of(url: str) -> Expiry | None:
    """Return the host of an https URL and when its certificate expires, in seconds since 1970; None for any other URL.

    Raises OSError where nobody answers there in time.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname is None:
        return None
    looked_at, reading = _readings.get(url, (0.0, None))
    if reading is None or (reading.done() and (reading.exception() or time.monotonic() - looked_at > KEPT_SECONDS)):
        reading = _reader.submit(_read, parts.hostname, parts.port or 443)
        _readings[url] = time.monotonic(), reading
    return (parts.hostname,), reading.result(SECONDS_MAX)


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
