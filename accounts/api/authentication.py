"""Tell who calls: by an access token, or by a signature made with an API key.

The law: verifying a token asks no database, so a caller is only what the token says: ids. What must be current (a
frozen account, a balance) is checked where it matters, by order intake and the selectors. A key is looked up for each call,
so one that is revoked is refused at once. Who sends both is refused, and nothing is guessed.
Tokens are made and revoked by accounts/sessions.py; keys are checked by accounts/api_keys.py, what is signed is told by signed.py.
"""

from typing import cast

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from accounts.addresses import address_of_request
from accounts.api.signed import signed_target
from accounts.api_keys import Names, authenticate
from accounts.callers import PAGE_SCOPES, Trader
from accounts.errors import DomainError
from accounts.sessions import ACCOUNT_CLAIM, AUTH_AT_CLAIM, PAGE_CLAIM, PROOFS_CLAIM, SESSION_CLAIM, USER_CLAIM

KEY_HEADER = "X-API-Key"
_KEY_IN_META = "HTTP_X_API_KEY"
HEADERS = Names("X-API-Timestamp", "X-API-Signature", "X-API-Recv-Window")


def trader_of(request: Request) -> Trader:
    """Tell who calls an operation that needs a caller."""
    return cast("Trader", request.user)


class TraderAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Trader, AccessToken] | None:
        """Read `Authorization: Bearer <access token>`; None where there is no such header."""
        header = request.META.get("HTTP_AUTHORIZATION")
        if not header:
            return None
        if _KEY_IN_META in request.META:
            raise DomainError("unauthenticated", f"Send either Authorization or {KEY_HEADER}, not both.")
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer":
            raise DomainError("unauthenticated", "Authorization must be: Bearer <access token>.")
        return authenticate_token(text.strip())

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ApiKeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Trader, None] | None:
        """Read the X-API- headers; None where there is no key."""
        if _KEY_IN_META not in request.META:
            return None
        headers = request.headers
        trader = authenticate(
            key=headers[KEY_HEADER],
            timestamp=headers.get(HEADERS.timestamp),
            signature=headers.get(HEADERS.signature),
            recv_window=headers.get(HEADERS.recv_window),
            target=signed_target(request._request),
            address=address_of_request(request.META),
            names=HEADERS,
        )
        return trader, None


def authenticate_token(text: str) -> tuple[Trader, AccessToken]:
    """Verify an access token. Raises DomainError unauthenticated."""
    try:
        token = AccessToken(text)  # type: ignore[arg-type]  # the stub calls an encoded token a Token
        return _trader_of_token(token), token
    except (TokenError, KeyError, TypeError, ValueError) as error:
        raise DomainError("unauthenticated", "The access token is not valid, or has expired.") from error


def _trader_of_token(token: AccessToken) -> Trader:
    user_id, account_id = int(token[USER_CLAIM]), int(token[ACCOUNT_CLAIM])
    proofs = token.get(PROOFS_CLAIM)
    if token.get(PAGE_CLAIM):
        session = token.get(SESSION_CLAIM)
        return Trader(user_id, account_id, PAGE_SCOPES, is_page=True, proofs=proofs, session=session)
    auth_at = token.get(AUTH_AT_CLAIM)
    return Trader(user_id, account_id, auth_at=None if auth_at is None else int(auth_at), proofs=proofs)
