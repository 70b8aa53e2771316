"""Write replies as JSON.

The law: numbers that count money are strings by the time they come here; nothing is rounded or guessed.
Shapes are the views'; problems get their own media type in exchange/api/problems.py.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from rest_framework.renderers import BaseRenderer


class MsgspecRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    # JSON is UTF-8 by definition: the media type takes no charset.
    charset = None
    render_style = "binary"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Write the data; None is an empty body."""
        return b"" if data is None else msgspec.json.encode(data)
