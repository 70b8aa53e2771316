"""Let a user choose what to be told of by e-mail. Telling is accounts/notices.py's."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import NotificationSettings
from accounts.pages.signed_in import user_of


class NotificationsForm(forms.ModelForm):
    class Meta:
        model = NotificationSettings
        fields = ("money", "api_keys", "sign_ins")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def notifications_page(request: HttpRequest) -> HttpResponse:
    user = user_of(request)
    chosen = NotificationSettings.objects.filter(user=user).first() or NotificationSettings(user=user)
    form = NotificationsForm(request.POST or None, instance=chosen)
    # With every box empty, what is posted has but the token.
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect("notifications-page")
    return render(request, "accounts/notifications.html", {"nav": "account", "form": form})
