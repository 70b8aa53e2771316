"""What tests of accounts share: mails that are sent at once, and limits that are on."""

from uuid import uuid4

import pytest

from accounts.tests.mails import mails

__all__ = ["mails"]


@pytest.fixture
def _limited(settings):
    """Limit sign-ups and sign-ins, as in earnest; nothing is counted yet, and nothing that others count."""
    settings.ACCOUNT_RATE_LIMITS = settings.SIGN_IN_LIMITS
    settings.CACHES = {"default": settings.CACHES["default"] | {"KEY_PREFIX": uuid4().hex}}
