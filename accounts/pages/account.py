"""Show a user who they are here: the account, and what protects it."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.issuing import keys_of
from accounts.pages.signed_in import user_of
from accounts.selectors import trading_account_of


@require_safe
@login_required
def account_page(request: HttpRequest) -> HttpResponse:
    """Show the overview; an operator without a trading account sees what there is."""
    user = user_of(request)
    account = trading_account_of(user)
    methods = list(Authenticator.objects.filter(user=user).order_by("id"))
    context = {
        "nav": "account",
        "account": account,
        "key_count": keys_of(account.id).count() if account else 0,
        "is_confirmed": EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists(),
        "has_app": any(method.type == Authenticator.Type.TOTP for method in methods),
        "passkeys": [method for method in methods if method.type == Authenticator.Type.WEBAUTHN],
    }
    return render(request, "accounts/account.html", context)
