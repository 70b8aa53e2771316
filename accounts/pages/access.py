"""Let traders to their own pages.

The law: whoever is not signed in is asked to; whoever has no trading account is told so, and sees nobody's.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from accounts.models import User
from accounts.selectors import trading_account_of


def trader_required(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Give the view the trading account of who is signed in, after the request."""

    @login_required
    @wraps(view)
    def let_in(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        account = trading_account_of(cast("User", request.user))
        if account is None:
            return render(request, "accounts/no_account.html", status=403)
        return view(request, account, *args, **kwargs)

    return let_in
