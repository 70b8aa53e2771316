"""Notice when somebody signs in from where they never have.

The law: what is kept of an address and a browser is a digest, of the latest PLACES_MAX; a user's first place is no news. By page or API,
a sign-in is a sign-in.
"""

from hashlib import sha256

from django.db.models.functions import Now
from django.http import HttpRequest

from accounts.addresses import address_of_request
from accounts.models import SignInPlace, User
from accounts.notices import Notice, tell

PLACES_MAX = 50
BROWSER_MAX = 200


def note_sign_in(request: HttpRequest, user: User) -> None:
    """Remember the place, and tell the user of one that is new. Two queries for one that is not."""
    address = str(address_of_request(request.META) or "unknown")
    browser = request.META.get("HTTP_USER_AGENT", "")[:BROWSER_MAX]
    digest = sha256(f"{address}\n{browser}".encode()).hexdigest()
    places = SignInPlace.objects.filter(user=user)
    if places.filter(digest=digest).update(last_used_at=Now()):
        return
    is_first = not places.exists()
    SignInPlace.objects.bulk_create([SignInPlace(user=user, digest=digest)], ignore_conflicts=True)
    kept = places.order_by("-last_used_at", "-id").values_list("id", flat=True)[:PLACES_MAX]
    places.exclude(id__in=list(kept)).delete()
    if not is_first:
        tell(user.id, Notice.SIGN_IN, address=address, browser=browser or "unknown")
