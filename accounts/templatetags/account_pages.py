"""Draw the menu of the account's own pages, ours and allauth's alike."""

from typing import Any

from django import template
from django.urls import reverse
from django.utils.safestring import mark_safe

register = template.Library()

TABS = (
    ("Overview", "account-page"),
    ("API keys", "api-keys-page"),
    ("E-mail", "account_email"),
    ("Password", "account_change_password"),
    ("Two-factor", "mfa_index"),
    ("Sessions", "usersessions_list"),
    ("Notifications", "notifications-page"),
)


@register.inclusion_tag("accounts/tabs.html", takes_context=True)
def account_tabs(context: template.Context) -> dict[str, Any]:
    here = context["request"].path
    tabs = []
    for name, view in TABS:
        path = reverse(view)
        is_current = here == path or (view != "account-page" and here.startswith(path.rstrip("/") + "/"))
        tabs.append({"name": name, "path": path, "is_current": is_current})
    return {"tabs": tabs}


@register.filter
def sentence(text: str) -> str:
    """Write one of allauth's headings, which have Capitals Everywhere, as a sentence."""
    stripped = text.strip()
    return mark_safe(stripped[:1].upper() + stripped[1:].lower())  # noqa: S308  it is the template's own text
