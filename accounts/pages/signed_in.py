"""Tell whose page it is that a signed-in user asks for."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.models import Account, User
from accounts.selectors import trading_account_of


def user_of(request: HttpRequest) -> User:
    """Return the user of a page that needs one (login_required)."""
    user = request.user
    if not isinstance(user, User):
        raise PermissionDenied
    return user


def account_of(request: HttpRequest) -> Account:
    """Return the trading account of the page's user. Raises PermissionDenied for an operator, who has none."""
    account = trading_account_of(user_of(request))
    if account is None:
        raise PermissionDenied("This user has no trading account.")
    return account
