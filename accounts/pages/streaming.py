"""Send what may be long while it is being read.

The law: memory is bounded by one chunk, whichever kind of server runs: an asynchronous one would gather a plain generator whole
before it sends anything, so there each chunk is made in the request's thread.
"""

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse


def stream_csv(request: HttpRequest, name: str, chunks: Iterator[str]) -> StreamingHttpResponse:
    """Answer with a file to be saved under that name."""
    body = in_threads(chunks) if isinstance(request, ASGIRequest) else chunks
    response = StreamingHttpResponse(body, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


async def in_threads(chunks: Iterator[str]) -> AsyncIterator[str]:
    """Give each chunk when it is asked for; reading it is for the request's thread, as it waits for the database."""
    step = sync_to_async(lambda: next(chunks, None))
    while (chunk := await step()) is not None:
        yield chunk
