"""Say who calls, and what they may do.

The law: a caller is what the credentials say, and no more: ids, scopes, and when the password was given. An access token is the
trader in person, who may do everything, but what is sensitive only for a while; a page's token may read and trade.
Proving it is accounts/api/authentication.py's and accounts/api_keys.py's; which operation needs what, accounts/api/permissions.py's.
"""

import time
from dataclasses import dataclass

from accounts.errors import DomainError, FieldError
from accounts.models import Scope

ALL_SCOPES = frozenset(Scope)
PAGE_SCOPES = frozenset({Scope.READ, Scope.TRADE})
"""What the token of a page may do: scripts run there, and what is sensitive is asked for by forms."""

RECENT_SECONDS = 15 * 60
"""For so long after the password was given, a token may do what is sensitive."""


@dataclass(frozen=True, slots=True)
class Trader:
    """The caller of a private operation.

    `api_key_id` is None for one with an access token; `auth_at` is when its user gave the password, in seconds since 1970 UTC.
    `proofs` and `session` are what the token was given for (accounts/sessions.py).
    """

    user_id: int
    account_id: int
    scopes: frozenset[Scope] = ALL_SCOPES
    api_key_id: int | None = None
    auth_at: int | None = None
    is_page: bool = False
    proofs: str | None = None
    session: int | None = None
    is_authenticated: bool = True

    def require(self, scope: Scope) -> None:
        """Raise DomainError forbidden, naming the scope, unless the caller has it."""
        if scope not in self.scopes:
            message = f"This {'token' if self.is_page else 'API key'} lacks the scope {scope}."
            own = [str(one) for one in Scope if one in self.scopes]
            raise DomainError("forbidden", message, [FieldError("scopes", "forbidden", message, str(scope), own)])

    def require_token(self) -> None:
        """Raise DomainError forbidden for a caller with an API key or a page's token."""
        if self.api_key_id is not None:
            raise DomainError("forbidden", "This needs an access token; an API key cannot do it, whatever its scopes.")
        if self.is_page:
            raise DomainError("forbidden", "This needs an access token of your own; a page's token cannot do it.")

    def require_recent(self) -> None:
        """Raise DomainError forbidden unless the password was given a short while ago. An API key passes: it has its scopes."""
        if self.api_key_id is not None:
            return
        if self.auth_at is None or time.time() - self.auth_at > RECENT_SECONDS:
            message = f"This needs a sign-in of the last {RECENT_SECONDS // 60} minutes: sign in again."
            raise DomainError(
                "forbidden", message, [FieldError("auth_at", "forbidden", message, RECENT_SECONDS, self.auth_at)]
            )
