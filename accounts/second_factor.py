"""Tell whether a user has a second factor, and check its codes.

The law: a code works once, whoever takes it, page or API: that is settled in the database, under a lock, and with Redis away too. Of an
authenticator app only codes count that are newer than the last one used. How often one may try is accounts/limits.py's.
Setting factors up, and passkeys, are allauth's.
"""

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.mfa.utils import decrypt
from django.db import transaction

from accounts.models import User

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
_LAST = "last_counter"


def has_second_factor(user: User) -> bool:
    """Tell whether a password alone does not sign the user in. One query."""
    return Authenticator.objects.filter(user=user, type__in=FACTORS).exists()


@transaction.atomic
def accept_code(user: User, code: str) -> Authenticator | None:
    """Use up a code of the user's app, or a recovery code, in any spacing; None for one that is wrong or used."""
    methods = Authenticator.objects.select_for_update(no_key=True).filter(user=user)
    for method in methods.exclude(type=Authenticator.Type.WEBAUTHN).order_by("id"):
        if _accepts(method, code):
            return method
    return None


def _accepts(method: Authenticator, code: str) -> bool:
    if method.type == Authenticator.Type.TOTP:
        return _accepts_totp(method, code)
    return bool(method.wrap().validate_code(code))


def _accepts_totp(method: Authenticator, code: str) -> bool:
    secret = decrypt(method.data["secret"])
    used = method.data.get(_LAST, 0)
    for counter in yield_hotp_counters_from_time():
        expected = format_hotp_value(hotp_value(secret, counter))
        if counter > used and compare_user_code(actual=code, expected=expected):
            method.data[_LAST] = counter
            method.save(update_fields=["data"])
            return True
    return False
