"""Give the scripts of a page a token for the API.

The law: it takes the session's cookie and, as every form does, proof that a page of ours asks; so nobody gets one for a session that has
ended. What such a token may do is accounts/callers.py's: nothing sensitive.
"""

from allauth.usersessions.models import UserSession
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from accounts.api.problems import problem_body, request_id_of
from accounts.errors import DomainError
from accounts.models import User
from accounts.selectors import trading_account_of
from accounts.sessions import PAGE_TOKEN_LIFETIME, issue_page_token


@require_POST
@never_cache
@csrf_protect
def page_token(request: HttpRequest) -> JsonResponse:
    """Answer {access, account_id, expires_in}, or a problem: 401 when nobody is signed in, 403 for who has no account."""
    if not isinstance(request.user, User):
        return _refuse(request, DomainError("unauthenticated", "Nobody is signed in."))
    account = trading_account_of(request.user)
    if account is None:
        return _refuse(request, DomainError("forbidden", "This user has no trading account."))
    seconds = int(PAGE_TOKEN_LIFETIME.total_seconds())
    # ActivityMiddleware has noted the session.
    session = UserSession.objects.get(session_key=request.session.session_key)
    access = issue_page_token(account, session=session.id)
    return JsonResponse({"access": access, "account_id": account.id, "expires_in": seconds})


def _refuse(request: HttpRequest, error: DomainError) -> JsonResponse:
    body = problem_body(error, request_id_of(request))
    return JsonResponse(body, status=error.status, content_type="application/problem+json")
