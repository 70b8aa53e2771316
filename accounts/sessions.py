"""Open, renew and end sessions: pairs of a short-lived access token and a refresh token.

The law: a refresh token works once; renewing revokes it, also when two ask at the same moment; a user who may not
sign in gets no token and keeps none beyond the access token's lifetime. A refresh token is good for as long as the user's password and
second factors are what they were when it was made, whoever changes them. What was wrong with an address and password is never said; that a
second factor is wanted, only to who knows the password. A page's token is short-lived, cannot be renewed, and says that it is one.
Access tokens are verified by accounts/api/authentication.py, without the database; whoever goes on by one for longer, as sockets do, asks
`still_proven` now and then. Sessions of pages are Django's.
"""

import time
from datetime import timedelta
from typing import NamedTuple, cast

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth import authenticate
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts import limits
from accounts.errors import DomainError, FieldError, refusal
from accounts.models import Account, User
from accounts.places import note_sign_in
from accounts.second_factor import FACTORS, accept_code, has_second_factor
from accounts.selectors import trading_account_of

ACCOUNT_CLAIM = "account_id"
AUTH_AT_CLAIM = "auth_at"
PAGE_CLAIM = "page"
SESSION_CLAIM = "session"
PROOFS_CLAIM = "proofs"
PAGE_TOKEN_LIFETIME = timedelta(minutes=5)
USER_CLAIM: str = api_settings.USER_ID_CLAIM
_IN_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('sign in as ' || %s, 0))"


class Tokens(NamedTuple):
    access: str
    refresh: str


def open_session(request: HttpRequest, *, email: str, password: str, otp: str | None = None) -> Tokens:
    """Sign in. Raises DomainError unauthenticated, and forbidden for a user without a trading account; RateLimited."""
    limits.check_failures(request, email)
    user = _check_password(request, email, password)
    # What the user was let in by, and not what may have taken its place since it was read: checking a password takes its time.
    proofs = proofs_of(user)
    _check_second_factor(request, user, otp)
    tokens = issue_tokens(_account_of(user), proofs=proofs)
    note_sign_in(request, user)
    return tokens


def _check_password(request: HttpRequest, email: str, password: str) -> User:
    """Check one password of an address at a time, so that whoever sends many guesses at once has no more of them than one by one."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_IN_TURN, [limits.key_of(email)])
        limits.check_failures(request, email)
        user = authenticate(request, email=email, password=password)
        if not isinstance(user, User):
            limits.count_failure(request, email)
            raise DomainError("unauthenticated", "E-mail address or password is wrong.")
        return user


def _check_second_factor(request: HttpRequest, user: User, otp: str | None) -> None:
    if not has_second_factor(user):
        if otp is not None:
            raise refusal("invalid_value", "otp", "No second factor is set up: leave otp out.")
        return
    if otp is None:
        message = "otp is required: a code of the authenticator app, or a recovery code."
        raise DomainError("unauthenticated", message, [FieldError("otp", "missing_field", message)])
    attempt = limits.begin_attempt(request, user.email)
    if accept_code(user, otp) is None:
        message = "otp is wrong, or has been used."
        raise DomainError("unauthenticated", message, [FieldError("otp", "invalid_value", message)])
    attempt.rollback()


def renew_session(*, refresh: str) -> Tokens:
    """Trade a refresh token for a new pair. Raises DomainError unauthenticated."""
    token = _verified(refresh)
    user = User.objects.filter(id=token[USER_CLAIM], is_active=True).first()
    proofs = token.get(PROOFS_CLAIM, "")
    if user is None or not constant_time_compare(proofs, proofs_of(user)):
        raise _invalid()
    with transaction.atomic():
        _revoke(token)
        return issue_tokens(_account_of(user), auth_at=token.get(AUTH_AT_CLAIM), proofs=proofs)


def end_session(*, refresh: str) -> None:
    """Revoke a refresh token. Raises DomainError unauthenticated for one that does not work anyway."""
    _revoke(_verified(refresh))


def issue_tokens(account: Account, *, auth_at: int | None = None, proofs: str | None = None) -> Tokens:
    """Make a new pair for the account's user, who has proved to be that: now, or when it is said, and by what is said."""
    assert account.user is not None
    token = RefreshToken.for_user(account.user)
    token[ACCOUNT_CLAIM] = account.id
    token[AUTH_AT_CLAIM] = int(time.time()) if auth_at is None else auth_at
    token[PROOFS_CLAIM] = proofs_of(account.user) if proofs is None else proofs
    return Tokens(str(token.access_token), str(token))


def issue_page_token(account: Account, *, session: int) -> str:
    """Make a token for the scripts of a page that the account's user is signed in to, by a session (the id of its UserSession)."""
    assert account.user is not None
    token = AccessToken.for_user(account.user)
    token.set_exp(lifetime=PAGE_TOKEN_LIFETIME)
    token[ACCOUNT_CLAIM] = account.id
    token[PAGE_CLAIM] = True
    token[SESSION_CLAIM] = session
    token[PROOFS_CLAIM] = proofs_of(account.user)
    return str(token)


def proofs_of(user: User) -> str:
    """Condense what the user signs in with: password and second factors. One query."""
    factors = Authenticator.objects.filter(user=user, type__in=FACTORS).order_by("id").values_list("id", flat=True)
    return salted_hmac("accounts.sessions", f"{user.password} {list(factors)}", algorithm="sha256").hexdigest()[:32]


def still_proven(user_id: int, proofs: str | None, session: int | None) -> bool:
    """Tell whether what a token was given for holds: an active user, the same password and second factors, the page's session.

    Three queries at most; what a token does not say is not asked for.
    """
    user = User.objects.filter(id=user_id, is_active=True).first()
    if user is None or (proofs is not None and not constant_time_compare(proofs, proofs_of(user))):
        return False
    return session is None or _is_going_on(user, session)


def _is_going_on(user: User, session: int) -> bool:
    keys = UserSession.objects.filter(id=session, user=user).values("session_key")
    return Session.objects.filter(session_key__in=keys, expire_date__gt=Now()).exists()


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
