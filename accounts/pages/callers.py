"""Let traders see their own pages.

The law: a page of one's own is shown to whoever has signed in and has a trading account, of that account alone; who has none is told so.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from accounts.selectors import trading_account_of

View = Callable[..., HttpResponseBase]


def for_traders(view: View) -> View:
    """Make a page of view(request, account_id, ...); it is never kept by anything between here and its reader."""

    @login_required
    @wraps(view)
    def show(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        account = trading_account_of(request.user)
        if account is None:
            return render(request, "accounts/no_account.html", status=403)
        response = view(request, account.id, *args, **kwargs)
        response["Cache-Control"] = "private, no-store"
        return response

    return show
