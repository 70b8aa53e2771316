"""Listen to one stream on very many sockets, and note when which sequence came.

The law: it costs as little as it can, in a process of its own, for it shares the cores with what is measured. Frames are not parsed beyond
the number after "sequence"; what they say is for the tests to check.

`python -m bench.listeners PORT SOCKETS FIRST_MESSAGE`: says `ready` once all are connected, and `{"frames", "bytes"}` when its input
ends, after a line a socket of [seconds since the epoch, sequence] pairs in the file named by LISTENERS_FILE.
"""

import asyncio
import json
import os
import struct
import sys
import time
from array import array
from typing import BinaryIO

MARK = b'"sequence":'
CONNECT_TOGETHER = 50
HANDSHAKE = (
    b"GET /ws/v1 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bm90aGluZyBzZWNyZXQhIQ==\r\n\r\n"
)


class Listener(asyncio.Protocol):
    def __init__(self, first: bytes) -> None:
        self.times = array("d")
        self.sequences = array("q")
        self.bytes = 0
        self._first = first
        self._buffer = b""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self.ready.done():
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = buffer
                return
            assert b" 101 " in buffer[:20], buffer[:200]
            self.ready.set_result(None)
            buffer = buffer[end + 4 :]
            if self._first:
                self._transport.write(masked(self._first))
        now, start, length = time.time(), 0, len(buffer)
        while length - start >= 2:
            size, head = buffer[start + 1] & 127, 2
            if size >= 126:
                head = 4 if size == 126 else 10
                if length - start < head:
                    break
                size = int.from_bytes(buffer[start + 2 : start + head], "big")
            if length - start < head + size:
                break
            at = buffer.find(MARK, start, start + head + size)
            if at >= 0:
                at += len(MARK)
                self.times.append(now)
                self.sequences.append(int(buffer[at : buffer.index(b",", at)]))
            self.bytes += size
            start += head + size
        self._buffer = buffer[start:]

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionError("hung up"))


def masked(text: bytes) -> bytes:
    """Make a client's text frame, whose mask is all zeros, of a short message."""
    size = len(text)
    head = struct.pack(">BB", 0x81, 0x80 | size) if size < 126 else struct.pack(">BBH", 0x81, 0xFE, size)
    return head + bytes(4) + text


async def listen(port: int, sockets: int, first: bytes, into: BinaryIO) -> None:
    loop = asyncio.get_running_loop()
    listeners: list[Listener] = []
    while len(listeners) < sockets:
        together = [Listener(first) for _ in range(min(CONNECT_TOGETHER, sockets - len(listeners)))]
        await asyncio.gather(*(_connect(one, port) for one in together))
        await asyncio.gather(*(one.ready for one in together))
        listeners += together
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    for one in listeners:
        into.write(struct.pack(">I", len(one.times)) + one.times.tobytes() + one.sequences.tobytes())
    frames = sum(len(one.times) for one in listeners)
    print(json.dumps({"frames": frames, "bytes": sum(one.bytes for one in listeners)}), flush=True)


async def _connect(listener: Listener, port: int) -> None:
    await asyncio.get_running_loop().create_connection(lambda: listener, "127.0.0.1", port)


def main() -> None:
    port, sockets, first = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
    with open(os.environ["LISTENERS_FILE"], "wb") as into:  # noqa: PTH123  a path of the parent's
        asyncio.run(listen(port, sockets, first, into))


if __name__ == "__main__":
    main()
