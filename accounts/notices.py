"""Tell a user by e-mail what has happened to their account.

The law: a notice is told after the commit of what it tells, by a task, and only of what its user wants to be told; whatever becomes
of it, what it tells of stands.
What each says is templates/accounts/mail/; what a user wants is the model NotificationSettings.
"""

from enum import StrEnum
from typing import Any


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


def tell(user_id: int, kind: Notice, **facts: Any) -> None:
    """Send a notice to the user once the present transaction is committed; at once where there is none. Facts are plain JSON."""
