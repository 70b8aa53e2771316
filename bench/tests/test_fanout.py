"""Test that the fan-out bench counts what came, and when."""

import asyncio
from array import array

import pytest

from bench.fanout import Listeners, _sample, echo_server, measure_echo
from bench.listeners import Listener, masked


def frame(text: bytes) -> bytes:
    head = bytes([0x81, len(text)]) if len(text) < 126 else bytes([0x81, 126]) + len(text).to_bytes(2, "big")
    return head + text


@pytest.mark.parametrize("part", [1, 2, 3, 7, 1000])
def test_listener_notes_each_sequence_however_its_bytes_are_cut(part):
    stream = b"HTTP/1.1 101 Switching Protocols\r\nx: y\r\n\r\n" + b"".join(
        frame(text)
        for text in (
            b'{"op":"subscribed"}',
            b'{"previous_sequence":1,"sequence":7,"bids":[]}',
            b'{"sequence":12345,"x":"' + b"y" * 300 + b'"}',
        )
    )

    async def listen() -> Listener:
        listener = Listener(b"")
        for at in range(0, len(stream), part):
            listener.data_received(stream[at : at + part])
        return listener

    listener = asyncio.run(listen())

    assert list(listener.sequences) == [7, 12345]
    assert len(listener.times) == 2


def test_lag_is_that_of_the_first_frame_that_has_a_commit():
    came = [(array("d", [10.5, 11.5]), array("q", [3, 5])), (array("d", [10.25]), array("q", [3]))]

    sample = _sample("stream", Listeners(came), [(10.0, 2), (10.25, 3), (11.0, 5)], 2.0, 0.5, 100.0)

    assert sample.lags == [0.5, 0.25, 0.5, 0.25, 0.0]
    assert (sample.missing, sample.updates, sample.frames, sample.memory) == (1, 1.5, 1.5, 50.0)


def test_short_message_is_masked_as_the_protocol_wants_it():
    assert masked(b"hi") == b"\x81\x82\0\0\0\0hi"
    assert masked(b"x" * 200) == b"\x81\xfe\x00\xc8\0\0\0\0" + b"x" * 200


def test_bare_echo_brings_each_frame_to_each_socket():
    with echo_server() as port:
        sample = measure_echo(port, 20, 0.5)

    assert sample.missing == 0
    assert sample.sockets == 20
    assert sample.frames * len(sample.lags) > 0
