"""Read the body of a request as strict JSON.

The law: a body is bounded before it is read whole, and means one thing only.
What its fields must be is the views' readers' (accounts/bodies.py, orders/requests.py).
"""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from accounts.bodies import decode_json, read_raw


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Read the body. Raises DomainError malformed or too_large."""
        assert parser_context is not None
        return decode_json(read_raw(parser_context["request"]._request))
