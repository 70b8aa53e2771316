"""Ask operators, before what they want is done, whether they mean it, and why.

The law: nothing is done before it is confirmed on a page that says what will happen to which rows, with a reason.
What is done, and how it is logged, is each admin module's.
"""

from collections.abc import Callable, Sequence

from django import forms
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget, help_text="Kept with what is done.")


def ask_first(
    model_admin: ModelAdmin,
    request: HttpRequest,
    rows: Sequence[Model],
    *,
    action: str,
    effect: str,
    button: str,
    do: Callable[[str], None],
) -> HttpResponse | None:
    """Do it with the reason given, once the operator has confirmed; until then, show what is about to happen to these rows."""
    form = ReasonForm(request.POST if "confirmed" in request.POST else None)
    if form.is_valid():
        do(form.cleaned_data["reason"])
        return None
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": button,
        "action": action,
        "effect": effect,
        "button": button,
        "rows": rows,
        "form": form,
    }
    return TemplateResponse(request, "accounts/ask_first.html", context)
