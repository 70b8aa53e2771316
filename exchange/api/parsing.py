"""Read the body of a request as strict JSON.

The law: a body is bounded before it is read whole, and means one thing only.
What its fields must be is the views' readers' (accounts/bodies.py, orders/requests.py).
"""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.parsers import BaseParser

from accounts.bodies import decode_json
from accounts.errors import DomainError


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Read the body. Raises DomainError malformed or too_large."""
        assert parser_context is not None
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        try:
            # Django refuses by Content-Length before it reads anything.
            raw = parser_context["request"]._request.body
        except RequestDataTooBig as error:
            raise _too_large(limit) from error
        if len(raw) > limit:
            raise _too_large(limit)
        return decode_json(raw)


def _too_large(limit: int) -> DomainError:
    return DomainError("too_large", f"The body must have at most {limit} bytes.")
