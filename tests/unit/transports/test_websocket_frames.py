"""What arrives over a WebSocket, frame by frame: messages are put together, and none is larger than is allowed."""

from __future__ import annotations

import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, Union

import pytest

from hivemind_core_client.config.settings import Address
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.errors import ConnectionLost, FrameTooLarge, HiveMindError
from hivemind_core_client.kernel.policy import Deadlines
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.transports.websocket import WebSocketTransport
from tests.unit import servers

LIMIT = 1000
TEXT, BINARY, CONTINUED, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def frame(opcode: int, data: bytes = b"", last: bool = True) -> bytes:
    size = bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big")
    return bytes([(0x80 if last else 0) | opcode]) + size + data


def header(opcode: int, size: int) -> bytes:
    """The beginning of a frame whose data does not follow."""
    return bytes([0x80 | opcode, 127]) + size.to_bytes(8, "big")


@contextmanager
def receiving(data: Union[bytes, Iterator[bytes]], **options: Any) -> Iterator[Callable[[], Any]]:
    """The `receive` of a transport whose peer sends this, and then stays."""

    def script(connection: socket.socket, stop: threading.Event) -> None:
        servers.upgrade(connection)
        for piece in [data] if isinstance(data, bytes) else data:
            connection.sendall(piece)
        stop.wait(30)

    with servers.server(script) as port:
        settings = {"ping_interval": None, "ping_timeout": 20.0, **options}
        address = Address.read("127.0.0.1", port, 5678)
        transport = WebSocketTransport(address, Tls(), Deadlines(), LIMIT, **settings)
        transport.open(f"ws://127.0.0.1:{port}/")
        try:
            yield transport.receive
        finally:
            transport.release()


FULL = b"x" * LIMIT
#: What the peer sends, and what is received.
MESSAGES: dict[str, tuple[bytes, list[Any]]] = {
    "texts and bytes": (frame(TEXT, "zwölf".encode()) + frame(BINARY, b"\xff"), ["zwölf", b"\xff"]),
    "nothing in it": (
        frame(TEXT) + frame(BINARY) + frame(BINARY, b"", False) + frame(CONTINUED),
        ["", b"", b""],
    ),
    "as large as allowed": (frame(BINARY, FULL) * 2, [FULL, FULL]),
    "in pieces": (
        frame(TEXT, b"zw\xc3", False) + frame(CONTINUED, b"\xb6l", False) + frame(CONTINUED, b"f"),
        ["zwölf"],
    ),
    "in pieces, as large as allowed": (
        (frame(BINARY, FULL[1:], False) + frame(CONTINUED, b"x")) * 2 + frame(TEXT, b"next"),
        [FULL, FULL, "next"],
    ),
    "pings between the pieces": (
        frame(BINARY, FULL[1:], False) + frame(PING, FULL[:125]) * 20 + frame(PONG) + frame(CONTINUED, b"x"),
        [FULL],
    ),
    "many pings, and then a message": (frame(PING, FULL[:125]) * 50 + frame(TEXT, b"at last"), ["at last"]),
    "a close": (frame(CLOSE, b"\x03\xf0go away"), [Closed(1008, "go away")]),
    "a close without a code, between pieces": (frame(TEXT, b"x", False) + frame(CLOSE), [Closed(1005)]),
}


@pytest.mark.parametrize(("data", "messages"), MESSAGES.values(), ids=MESSAGES.keys())
def test_messages_arrive_however_they_are_cut(data: bytes, messages: list[Any]) -> None:
    with receiving(data) as receive:
        assert [receive() for _ in messages] == messages


#: What the peer sends, and the error.
FAULTS: dict[str, tuple[bytes, type[HiveMindError], str]] = {
    "a byte too many": (frame(BINARY, FULL + b"x"), FrameTooLarge, "1001 bytes or more; the limit is 1000"),
    "announced, and never sent": (header(BINARY, 2**62), FrameTooLarge, "the limit is 1000"),
    "a byte too many in pieces": (
        frame(BINARY, FULL, False) + frame(CONTINUED, b"x"),
        FrameTooLarge,
        "1001 bytes or more",
    ),
    "too many in a later piece": (
        frame(BINARY, b"x", False) + header(CONTINUED, 5000),
        FrameTooLarge,
        "the limit is 1000",
    ),
    "pieces without end": (
        frame(BINARY, b"x", False) + frame(CONTINUED, b"x", False) * LIMIT,
        FrameTooLarge,
        "1001",
    ),
    "a ping that is none": (header(PONG, 2**40), FrameTooLarge, "the limit is 1000"),
    "a piece of nothing": (frame(CONTINUED, b"x"), ConnectionLost, "Illegal frame"),
    "a message within another": (
        frame(TEXT, b"x", False) + frame(TEXT, b"y"),
        ConnectionLost,
        "Illegal frame",
    ),
    "no UTF-8": (frame(TEXT, b"\xff"), ConnectionLost, "no UTF-8"),
    "no UTF-8 in pieces": (frame(TEXT, b"\xc3", False) + frame(CONTINUED, b"x"), ConnectionLost, "no UTF-8"),
}


@pytest.mark.parametrize(("data", "error", "why"), FAULTS.values(), ids=FAULTS.keys())
def test_what_is_too_large_or_makes_no_sense_ends_the_connection(
    data: bytes, error: type[HiveMindError], why: str
) -> None:
    with receiving(data) as receive, pytest.raises(error, match=why):
        receive()


def test_a_frame_whose_middle_is_late_is_read_on_after_a_probe() -> None:
    flow = threading.Event()

    def pieces() -> Iterator[bytes]:
        whole = frame(BINARY, FULL)
        yield whole[:500]
        flow.wait(5)
        yield whole[500:]

    with receiving(pieces(), ping_interval=0.05, ping_timeout=5) as receive:
        threading.Timer(0.2, flow.set).start()
        assert receive() == FULL


def test_memory_is_bounded_whatever_the_peer_sends() -> None:
    def pieces() -> Iterator[bytes]:
        yield frame(BINARY, b"", False)
        yield from [(frame(CONTINUED, b"", False) + frame(PING)) * 500] * 20
        yield frame(CONTINUED, b"x")

    tracemalloc.start()
    try:
        with receiving(pieces()) as receive:
            before = tracemalloc.get_traced_memory()[0]
            assert receive() == b"x"
            assert tracemalloc.get_traced_memory()[1] - before < 2**20
    finally:
        tracemalloc.stop()
