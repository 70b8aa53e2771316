"""Tell a user by e-mail what has happened to their account.

The law: a notice is told after the commit of what it tells, by a task, and only of what its user wants to be told, at an address that they have
confirmed; whatever becomes of it, what it tells of stands.
What each says is templates/accounts/mail/; what a user wants is the model NotificationSettings. What allauth does (a changed password,
two-factor) it tells by itself, always.
"""

from enum import StrEnum
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.template.loader import render_to_string

from accounts.mail import after_commit
from accounts.models import NotificationSettings, User


class Notice(StrEnum):
    """What may be told of, each with the facts that it needs."""

    DEPOSIT = "deposit"
    """amount, asset: as the API writes them; status, e.g. "completed"."""

    WITHDRAWAL = "withdrawal"
    """amount, asset, status; destination if there is one."""

    KEY_MADE = "key_made"
    """name, key, scopes: a list."""

    KEY_REVOKED = "key_revoked"
    """name, key."""

    SIGN_IN = "sign_in"
    """address, browser."""


_WANTED_BY = {
    Notice.DEPOSIT: "money",
    Notice.WITHDRAWAL: "money",
    Notice.KEY_MADE: "api_keys",
    Notice.KEY_REVOKED: "api_keys",
    Notice.SIGN_IN: "sign_ins",
}
"""The setting that each follows."""


def tell(user_id: int, kind: Notice, **facts: Any) -> None:
    """Send a notice to the user once the present transaction is committed; at once where there is none. Facts are plain JSON."""
    from accounts.tasks import send_notice  # which needs this module

    after_commit(send_notice, user_id=user_id, kind=str(kind), facts=facts)


def write(user_id: int, kind: Notice, facts: dict[str, Any]) -> tuple[str, str, str] | None:
    """Write a notice: address, subject and text; None if the user does not want it, or has no address for it."""
    user = User.objects.filter(id=user_id, is_active=True).first()
    if user is None or not EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists():
        return None
    wanted = NotificationSettings.objects.filter(user=user).first() or NotificationSettings(user=user)
    if not getattr(wanted, _WANTED_BY[kind]):
        return None
    page = f"{settings.PUBLIC_URL.rstrip('/')}/account/notifications" if settings.PUBLIC_URL else ""
    written = render_to_string(f"accounts/mail/{kind}.txt", {**facts, "notifications_url": page})
    subject, _, text = written.strip().partition("\n")
    return user.email, subject, f"{text.strip()}\n"
