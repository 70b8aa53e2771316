"""Build users, accounts, assets and signed-in clients for tests, by the services that build them in earnest.

The law: every argument has a default, every value made up is unique within the run.
Markets and orders are orders/tests/builders.py.
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import count

from allauth.account.models import EmailAddress
from rest_framework.test import APIClient

from accounts.assets import create_asset
from accounts.ledger import deposit
from accounts.models import Account, AccountKind, Asset, User
from accounts.sessions import issue_tokens

_numbers = count(1)


def make_user(*, email: str | None = None, password: str | None = None) -> User:
    """Create a user; without a password, one who cannot sign in (hashing one takes half a second)."""
    return User.objects.create_user(email or f"trader-{next(_numbers)}@example.com", password)


def make_asset(code: str = "BTC", *, scale: int = 8, name: str = "") -> Asset:
    """Return the asset of that code, made if it is not there."""
    return Asset.objects.filter(code=code).first() or create_asset(code=code, scale=scale, name=name)


def make_trader(
    *,
    user: User | None = None,
    email: str | None = None,
    password: str | None = None,
    funds: Mapping[str, str] | None = None,
) -> Account:
    """Create a trading account that owns so much of each asset, e.g. funds={"USD": "1000"}; without a user, for a new one."""
    owner = user or make_user(email=email, password=password)
    account = Account.objects.create(user=owner, kind=AccountKind.TRADER)
    for code, amount in (funds or {}).items():
        deposit(account=account, asset=make_asset(code), amount=Decimal(amount))
    return account


def confirm_email(account: Account) -> Account:
    """Let the account's user have shown that the e-mail address is theirs."""
    assert account.user is not None
    EmailAddress.objects.update_or_create(
        user=account.user, email=account.user.email, defaults={"primary": True, "verified": True}
    )
    return account


def make_client(account: Account) -> APIClient:
    """Make a client that is signed in to the account."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_tokens(account).access}")
    return client
