"""Tell what of a request is signed: method, path with query, body.

The law: two requests that mean different things are never signed alike, and a request is signed alike whichever process gets it. So a
path is signed in its plain form, escaped only where it must be (a server may tell only what an escape stands for); a query as it was sent;
and since nothing stands between query and body, a body begins with a brace or blank, which no query does.
"""

from urllib.parse import quote

from django.http import HttpRequest

from accounts.bodies import read_raw
from accounts.errors import DomainError

# RFC 3986: what a path may have as it stands.
_PLAIN_IN_PATHS = "/:@!$&'()*+,;=-._~"
_STARTS_OF_BODIES = b"{ \t\r\n"


def signed_target(request: HttpRequest) -> bytes:
    """Put together what follows the timestamp. Raises DomainError malformed for what nobody could sign, or too_large."""
    path = quote(request.path, safe=_PLAIN_IN_PATHS)
    query = request.META.get("QUERY_STRING", "")
    body = read_raw(request)
    if body and body[0] not in _STARTS_OF_BODIES:
        raise DomainError("malformed", "With an API key, a body must be a JSON object.")
    if not query.isascii() or "{" in query:
        raise DomainError("malformed", "With an API key, a query must be percent-encoded.")
    return f"{request.method}{path}{'?' if query else ''}{query}".encode() + body
