"""A bare fan-out, the yardstick of the streams: what one socket sends, all sockets get.

The law: Granian and Channels, and nothing else. It stays as it is.

`granian --interface asginl bench.echo:application`; `fanout` runs it.
"""

import asyncio
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

if not settings.configured:
    settings.configure()

consumers: set["Echo"] = set()


class Echo(AsyncWebsocketConsumer):  # type: ignore[misc]  # it ships no types
    async def connect(self) -> None:
        await self.accept()
        consumers.add(self)

    async def disconnect(self, code: int) -> None:
        consumers.discard(self)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_: Any) -> None:
        await asyncio.gather(*(consumer.send(text_data=text_data) for consumer in [*consumers]), return_exceptions=True)


application = Echo.as_asgi()
