"""Seal secrets for the database, and open them again.

The law: what seals them is in the environment and never in the database, so that a dump of the one opens nothing without
the other; what was altered does not open.
Several secrets of the environment let one take the place of another: the first seals, each opens; `reseal` brings over what an
older one has sealed.
"""

from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_PURPOSE = b"exchange: secrets of API keys, version 1"


class Unopenable(Exception):
    """None of the environment's secrets has sealed this."""


def seal(secret: bytes) -> bytes:
    """Encrypt a secret."""
    return _vault().encrypt(secret)


def unseal(sealed: bytes) -> bytes:
    """Decrypt a secret. Raises Unopenable."""
    try:
        return _vault().decrypt(sealed)
    except InvalidToken as error:
        raise Unopenable from error


def reseal(sealed: bytes) -> bytes:
    """Encrypt anew, by the first of the environment's secrets. Raises Unopenable."""
    try:
        return _vault().rotate(sealed)
    except InvalidToken as error:
        raise Unopenable from error


def _vault() -> MultiFernet:
    return _vault_of(tuple(settings.API_KEY_SECRET))


@lru_cache(maxsize=8)
def _vault_of(secrets: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(urlsafe_b64encode(_derive(secret))) for secret in secrets])


def _derive(secret: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
