"""Say who calls, and what they may do.

The law: a caller is what the credentials say, and no more: ids, and the scopes of an API key. An access token is the trader in
person, who may do everything.
Proving it is accounts/api/authentication.py's and accounts/api_keys.py's; which operation needs what, accounts/api/permissions.py's.
"""

from dataclasses import dataclass

from accounts.errors import DomainError, FieldError
from accounts.models import Scope

ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Trader:
    """The caller of a private operation; `api_key_id` is None for one with an access token."""

    user_id: int
    account_id: int
    scopes: frozenset[Scope] = ALL_SCOPES
    api_key_id: int | None = None
    is_authenticated: bool = True

    def require(self, scope: Scope) -> None:
        """Raise DomainError forbidden, naming the scope, unless the caller has it."""
        if scope not in self.scopes:
            message = f"This API key lacks the scope {scope}."
            own = [str(one) for one in Scope if one in self.scopes]
            raise DomainError("forbidden", message, [FieldError("scopes", "forbidden", message, str(scope), own)])

    def require_token(self) -> None:
        """Raise DomainError forbidden for a caller with an API key."""
        if self.api_key_id is not None:
            raise DomainError("forbidden", "This needs an access token; an API key cannot do it, whatever its scopes.")
