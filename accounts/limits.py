"""Limit how often one may sign up, and fail to sign in.

The law: pages and API share their limits (allauth keeps them, in Redis; ACCOUNT_RATE_LIMITS says which): of an address, and of an
e-mail address whoever asks. Right passwords count for nothing, so that programs may sign in as often as they like. While Redis is
away, nobody is limited (exchange/cache.py).
What an account may do in trading is limited elsewhere.
"""

import time
from math import ceil

from allauth.core.internal import ratelimit
from django.core.cache import cache
from django.http import HttpRequest

from accounts.errors import RateLimited

_APP = "allauth.account"
_SIGN_UP = "signup"
_FAILURE = "login_failed"


def key_of(email: str) -> str:
    """Name an e-mail address for its limit."""
    return email.strip().lower()


def count_sign_up(request: HttpRequest) -> None:
    """Count a sign-up of the caller's address. Raises RateLimited."""
    if ratelimit.consume(request, app=_APP, action=_SIGN_UP) is None:
        raise _refusal(request, _SIGN_UP, None)


def check_failures(request: HttpRequest, email: str) -> None:
    """Raise RateLimited where too many sign-ins have failed."""
    if ratelimit.consume(request, app=_APP, action=_FAILURE, key=key_of(email), dry_run=True) is None:
        raise _refusal(request, _FAILURE, email)


def count_failure(request: HttpRequest, email: str) -> None:
    """Count a sign-in that has failed."""
    ratelimit.consume(request, app=_APP, action=_FAILURE, key=key_of(email))


def begin_attempt(request: HttpRequest, email: str) -> ratelimit.RateLimitUsage:
    """Count an attempt beforehand, to be rolled back if it succeeds: for what can be guessed quickly. Raises RateLimited."""
    usage = ratelimit.consume(request, app=_APP, action=_FAILURE, key=key_of(email))
    if usage is None:
        raise _refusal(request, _FAILURE, email)
    return usage


def _refusal(request: HttpRequest, action: str, email: str | None) -> RateLimited:
    """Tell of the rate that lasts longest of those that are used up."""
    key = None if email is None else key_of(email)
    now = time.time()
    limit, wait = 0, 1
    for rate in ratelimit.get_rates(app=_APP, action=action):
        name = ratelimit.get_cache_key(request, app=_APP, action=action, rate=rate, key=key)
        within = [moment for moment in cache.get(name, []) if moment > now - rate.duration]
        if len(within) >= rate.amount:
            # Newest first: once this one is too long ago, there is room again.
            seconds = ceil(within[rate.amount - 1] + rate.duration - now)
            if seconds >= wait:
                limit, wait = rate.amount, seconds
    what = "sign-ups" if action == _SIGN_UP else "failed sign-ins"
    return RateLimited(f"Too many {what}. Try again in {wait} seconds.", limit=limit, seconds=wait)
