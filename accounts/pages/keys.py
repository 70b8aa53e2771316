"""Let a trader make, list and revoke API keys.

The law: a secret is on the page that answers the form, this once, and nowhere else: no message, session or redirect has it, and nothing
caches the page. Making a key, whatever its scopes, wants the password again (allauth's reauthentication). Shape and limits are those of
the API (accounts/addresses.py, signatures.py, issuing.py).
"""

from typing import Any

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from accounts.addresses import read_networks
from accounts.errors import DomainError
from accounts.issuing import issue_key, keys_of, revoke_key
from accounts.models import ApiKeyKind, Scope
from accounts.pages.signed_in import account_of
from accounts.signatures import read_public_key

_SCOPES = {
    Scope.READ: "Read: balances, orders, fills",
    Scope.TRADE: "Trade: place and cancel orders",
    Scope.WITHDRAW: "Withdraw",
}


class ApiKeyForm(forms.Form):
    name = forms.CharField(max_length=64, help_text="For yourself.")
    scopes = forms.MultipleChoiceField(
        choices=[(str(scope), label) for scope, label in _SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        initial=[str(Scope.READ)],
        label="What it may do",
    )
    allowed_ips = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Allowed addresses",
        help_text="IPv4 and IPv6 addresses and networks, one a line. None: from anywhere.",
    )
    kind = forms.ChoiceField(
        choices=ApiKeyKind.choices,
        widget=forms.RadioSelect,
        initial=ApiKeyKind.HMAC.value,
        help_text="With Ed25519 the venue keeps nothing that signs.",
    )
    public_key = forms.CharField(
        required=False,
        label="Your public key",
        help_text="Ed25519 only: 32 raw bytes in base64. Without it, a pair is made.",
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not name.isprintable():
            raise forms.ValidationError("Only printable characters, please.")
        return name

    def clean_allowed_ips(self) -> list[str]:
        try:
            return read_networks("allowed_ips", self.cleaned_data["allowed_ips"].replace(",", " ").split())
        except DomainError as error:
            raise forms.ValidationError(error.detail) from error

    def clean_public_key(self) -> bytes | None:
        text: str = self.cleaned_data["public_key"].strip()
        if not text:
            return None
        if self.cleaned_data.get("kind") != ApiKeyKind.ED25519:
            raise forms.ValidationError("A public key is for Ed25519 keys.")
        try:
            key: bytes = read_public_key("public_key", text)
        except DomainError as error:
            raise forms.ValidationError(error.detail) from error
        return key


@require_safe
@login_required
def keys_page(request: HttpRequest) -> HttpResponse:
    keys = list(keys_of(account_of(request).id))
    return render(request, "accounts/keys.html", {"nav": "account", "keys": keys})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
@reauthentication_required
@sensitive_variables("issued", "context")
def new_key_page(request: HttpRequest) -> HttpResponse:
    account = account_of(request)
    form = ApiKeyForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"nav": "account", "form": form}
    if request.method == "POST" and form.is_valid():
        fields = form.cleaned_data
        try:
            issued = issue_key(
                account_id=account.id,
                name=fields["name"],
                scopes=[Scope(scope) for scope in fields["scopes"]],
                allowed_ips=fields["allowed_ips"],
                kind=ApiKeyKind(fields["kind"]),
                public_key=fields["public_key"],
            )
        except DomainError as error:
            form.add_error(None, error.detail)
        else:
            return render(request, "accounts/key_made.html", {**context, "key": issued.row, "secret": issued.secret})
    return render(request, "accounts/key_new.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def revoke_key_page(request: HttpRequest, key_id: int) -> HttpResponse:
    account = account_of(request)
    key = keys_of(account.id).filter(id=key_id).first()
    if key is None:
        raise Http404
    if request.method == "POST":
        try:
            revoke_key(account_id=account.id, key_id=key_id)
        except DomainError as error:
            raise Http404 from error
        messages.success(request, f"The key {key.name} is revoked.")
        return redirect("api-keys-page")
    return render(request, "accounts/key_revoke.html", {"nav": "account", "key": key})
