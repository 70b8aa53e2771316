"""Note when and from where a session was last used, for the list of sessions, and forget those that have ended.

The law: a request to the API costs nothing here, and of a page's requests one a minute writes; a change of address or browser is written
at once.
The list itself, and ending sessions, are allauth's (allauth.usersessions).
"""

from datetime import timedelta
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.usersessions.middleware import UserSessionsMiddleware
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone

NOTED_EVERY = timedelta(minutes=1)


class ActivityMiddleware(UserSessionsMiddleware):
    """The last of MIDDLEWARE, so that it runs in the view's thread."""

    def __call__(self, request: HttpRequest) -> Any:
        # Who has no session cookie is nobody.
        is_page = not request.path_info.startswith("/api/") and settings.SESSION_COOKIE_NAME in request.COOKIES
        if not is_page or not request.session.session_key or not request.user.is_authenticated or _is_noted(request):
            return self.get_response(request)
        return super().__call__(request)


def _is_noted(request: HttpRequest) -> bool:
    size = UserSession._meta.get_field("user_agent").max_length
    return UserSession.objects.filter(
        session_key=request.session.session_key,
        user_id=request.user.pk,
        ip=get_adapter().get_client_ip(request),
        user_agent=request.META.get("HTTP_USER_AGENT", "")[:size],
        last_seen_at__gt=timezone.now() - NOTED_EVERY,
    ).exists()


def clear_ended() -> None:
    """Delete sessions that have run out, and what was noted of sessions that are no more."""
    Session.objects.filter(expire_date__lt=Now()).delete()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
