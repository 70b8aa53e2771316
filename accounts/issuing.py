"""Make and revoke API keys.

The law: a secret leaves once, when it is made; an account has at most KEYS_MAX keys, however many are asked for at once;
a revoked key is gone with its commit. A frozen account gets no new key, since who froze it may doubt who asks; it keeps those that it
has, which do what its tokens do, and may revoke them.
What a key proves is accounts/api_keys.py's; how its secret is kept, accounts/vault.py's.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import structlog
from django.db import transaction
from django.db.models import QuerySet

from accounts import vault
from accounts.errors import DomainError, refusal
from accounts.models import Account, AccountStatus, ApiKey, ApiKeyKind, Scope
from accounts.notices import Notice, tell
from accounts.signatures import new_ed25519_pair, new_hmac_secret, new_key_id

KEYS_MAX = 50

_log = structlog.get_logger(__name__)


class IssuedKey(NamedTuple):
    """A new key, and its secret, which is kept nowhere in the open; None where the trader has kept it to themselves."""

    row: ApiKey
    secret: str | None


def keys_of(account_id: int) -> QuerySet[ApiKey]:
    """Select the account's keys, oldest first. One query, of KEYS_MAX rows at most."""
    return ApiKey.objects.filter(account_id=account_id).order_by("id")


def issue_key(
    *,
    account_id: int,
    name: str,
    scopes: Iterable[Scope],
    allowed_ips: Sequence[str] = (),
    kind: ApiKeyKind = ApiKeyKind.HMAC,
    public_key: bytes | None = None,
) -> IssuedKey:
    """Make a key; without its public half, an Ed25519 pair too. Raises DomainError account_frozen or too_many_api_keys."""
    wanted = frozenset(scopes)
    row = ApiKey(
        account_id=account_id,
        name=name,
        key=new_key_id(),
        kind=kind,
        scopes=[str(scope) for scope in Scope if scope in wanted],
        allowed_ips=list(allowed_ips),
    )
    secret: str | None = None
    if kind == ApiKeyKind.HMAC:
        secret = new_hmac_secret()
        row.sealed_secret = vault.seal(secret.encode())
    elif public_key is None:
        secret, row.public_key = new_ed25519_pair()
    else:
        row.public_key = public_key
    with transaction.atomic():
        # Whoever else makes one for this account waits here, and orders do not.
        account = Account.objects.select_for_update(no_key=True).get(id=account_id)
        if account.status == AccountStatus.FROZEN:
            raise DomainError("account_frozen", "The account is frozen: it gets no new API keys.")
        count = ApiKey.objects.filter(account_id=account_id).count()
        if count >= KEYS_MAX:
            message = f"An account has at most {KEYS_MAX} API keys; revoke one first."
            raise refusal("too_many_api_keys", "name", message, limit=KEYS_MAX, value=count)
        row.save(force_insert=True)
        assert account.user_id is not None
        tell(account.user_id, Notice.KEY_MADE, name=name, key=row.key, scopes=row.scopes)
    _log.info("API key made", account_id=account_id, api_key_id=row.id, scopes=row.scopes)
    return IssuedKey(row, secret)


def revoke_key(*, account_id: int, key_id: int) -> None:
    """Delete one of the account's keys. Raises DomainError not_found, for anybody else's too."""
    row = ApiKey.objects.select_related("account").filter(account_id=account_id, id=key_id).first()
    # Of two that revoke it at once, one has.
    if row is None or not ApiKey.objects.filter(id=key_id).delete()[0]:
        raise DomainError("not_found", "There is no such API key.")
    if row.account.user_id is not None:
        tell(row.account.user_id, Notice.KEY_REVOKED, name=row.name, key=row.key)
    _log.info("API key revoked", account_id=account_id, api_key_id=key_id)


def reseal_keys() -> tuple[int, list[int]]:
    """Seal all secrets anew; returns how many, and the ids of keys whose secret does not open. A statement a key."""
    count, unopened = 0, []
    for row in ApiKey.objects.filter(sealed_secret__isnull=False).order_by("id").iterator():
        assert row.sealed_secret is not None
        try:
            sealed = vault.reseal(bytes(row.sealed_secret))
        except vault.Unopenable:
            unopened.append(row.id)
        else:
            # A key that has been revoked meanwhile must not come back.
            count += ApiKey.objects.filter(id=row.id).update(sealed_secret=sealed)
    return count, unopened
