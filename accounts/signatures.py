"""Make key material, and check signatures with it.

The law: what comes out is drawn by the operating system's generator; a comparison takes as long for a wrong signature as
for a right one; a signature is written in one way, HMAC in hex and Ed25519 in base64, and in no other.
Which key, for what, and whether it may, is accounts/api_keys.py's.
"""

import binascii
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from accounts.errors import refusal

_HEX_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_PUBLIC_KEY_BYTES = 32


def new_key_id() -> str:
    """Draw a key's public name: 32 of A-Z a-z 0-9 _ -."""
    return secrets.token_urlsafe(24)


def new_hmac_secret() -> str:
    """Draw a secret: 43 characters, which are signed with as they stand, in ASCII."""
    return secrets.token_urlsafe(32)


def new_ed25519_pair() -> tuple[str, bytes]:
    """Draw a pair: the private key as base64 of its 32-byte seed, and the public key's 32 bytes."""
    private = Ed25519PrivateKey.generate()
    return b64encode(private.private_bytes_raw()).decode(), private.public_key().public_bytes_raw()


def read_public_key(field: str, value: Any) -> bytes:
    """Read an Ed25519 public key in base64. Raises DomainError invalid_value, naming the field."""
    raw = _from_base64(value) if isinstance(value, str) else None
    if raw is None or len(raw) != _PUBLIC_KEY_BYTES:
        message = f"{field} must be the {_PUBLIC_KEY_BYTES} raw bytes of an Ed25519 public key, in base64."
        raise refusal("invalid_value", field, message, limit=_PUBLIC_KEY_BYTES, value=str(value)[:64])
    return raw


def hmac_fits(secret: bytes, message: bytes, signature: str) -> bool:
    """Tell whether the signature is the message's HMAC-SHA256 in hex."""
    if not _HEX_SHA256.fullmatch(signature):
        return False
    return hmac.compare_digest(hmac.digest(secret, message, "sha256"), bytes.fromhex(signature))


def ed25519_fits(public_key: bytes, message: bytes, signature: str) -> bool:
    """Tell whether the signature is the message's, by that key, in base64."""
    raw = _from_base64(signature)
    if raw is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(raw, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _from_base64(text: str) -> bytes | None:
    try:
        return b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        return None
