"""Tell who calls, from the access token alone.

The law: verifying a token asks no database, so a caller is only what the token says: ids. What must be current (a
frozen account, a balance) is checked where it matters, by order intake and the selectors.
Tokens are made and revoked by accounts/sessions.py.
"""

from dataclasses import dataclass
from typing import cast

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from accounts.sessions import ACCOUNT_CLAIM, USER_CLAIM


@dataclass(frozen=True, slots=True)
class Trader:
    """The caller of a private operation."""

    user_id: int
    account_id: int
    is_authenticated: bool = True


def trader_of(request: Request) -> Trader:
    """Tell who calls an operation that needs a caller."""
    return cast("Trader", request.user)


class TraderAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Trader, AccessToken] | None:
        """Read `Authorization: Bearer <access token>`; None where there is no such header."""
        header = request.META.get("HTTP_AUTHORIZATION")
        if not header:
            return None
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer":
            raise AuthenticationFailed("Authorization must be: Bearer <access token>.")
        return authenticate_token(text.strip())

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def authenticate_token(text: str) -> tuple[Trader, AccessToken]:
    """Verify an access token. Raises AuthenticationFailed."""
    try:
        token = AccessToken(text)  # type: ignore[arg-type]  # the stub calls an encoded token a Token
        return Trader(int(token[USER_CLAIM]), int(token[ACCOUNT_CLAIM])), token
    except (TokenError, KeyError, TypeError, ValueError) as error:
        raise AuthenticationFailed("The access token is not valid, or has expired.") from error
