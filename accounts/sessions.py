"""Open, renew and end sessions: pairs of a short-lived access token and a refresh token.

The law: a refresh token works once; renewing revokes it, also when two ask at the same moment; a user who may not
sign in gets no token and keeps none beyond the access token's lifetime. What was wrong with a sign-in is never said.
Access tokens are verified by accounts/api/authentication.py, without the database.
"""

from typing import NamedTuple, cast

from django.contrib.auth import authenticate
from django.db import transaction
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.errors import DomainError
from accounts.models import Account, User
from accounts.selectors import trading_account_of

ACCOUNT_CLAIM = "account_id"
USER_CLAIM: str = api_settings.USER_ID_CLAIM


class Tokens(NamedTuple):
    access: str
    refresh: str


def open_session(*, email: str, password: str) -> Tokens:
    """Sign in. Raises DomainError unauthenticated, and forbidden for a user without a trading account."""
    user = authenticate(username=email, password=password)
    if not isinstance(user, User):
        raise DomainError("unauthenticated", "E-mail address or password is wrong.")
    return issue_tokens(_account_of(user))


def renew_session(*, refresh: str) -> Tokens:
    """Trade a refresh token for a new pair. Raises DomainError unauthenticated."""
    token = _verified(refresh)
    user = User.objects.filter(id=token[USER_CLAIM], is_active=True).first()
    if user is None:
        raise _invalid()
    with transaction.atomic():
        _revoke(token)
        return issue_tokens(_account_of(user))


def end_session(*, refresh: str) -> None:
    """Revoke a refresh token. Raises DomainError unauthenticated for one that does not work anyway."""
    _revoke(_verified(refresh))


def issue_tokens(account: Account) -> Tokens:
    """Make a new pair for the account's user, who has proved to be that."""
    assert account.user is not None
    token = RefreshToken.for_user(account.user)
    token[ACCOUNT_CLAIM] = account.id
    return Tokens(str(token.access_token), str(token))


def _account_of(user: User) -> Account:
    account = trading_account_of(user)
    if account is None:
        raise DomainError("forbidden", "This user has no trading account.")
    return account


def _verified(refresh: str) -> RefreshToken:
    try:
        return RefreshToken(refresh)  # type: ignore[arg-type]  # the stub calls an encoded token a Token
    except TokenError as error:
        raise _invalid() from error


def _revoke(token: RefreshToken) -> None:
    # The library says that it returns the row; it returns the pair of get_or_create.
    _, was_valid = cast("tuple[BlacklistedToken, bool]", token.blacklist())
    if not was_valid:
        raise _invalid()


def _invalid() -> DomainError:
    return DomainError("unauthenticated", "The refresh token is not valid, or has been used.")
