"""A hub that takes a message slowly gets it, and one that takes nothing is given up: the same over every transport."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
import threading
import time
from typing import Any, Callable, Optional

import pytest

from hivemind_core_client.config.settings import Address, HttpAddress
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.errors import ConnectionLost
from hivemind_core_client.kernel.policy import Deadlines, Polling
from hivemind_core_client.testing.certificates import self_signed
from hivemind_core_client.transports.http import HttpHistory, HttpTransport
from hivemind_core_client.transports.websocket import WebSocketTransport
from tests.unit import servers

#: How long a write may stand still, how long the slow hub takes for all of it, and how often it takes some.
BOUND_S, SLOW_S, PIECES = 0.6, 1.4, 32
MESSAGE = "x" * (2 * 2**20)
SMALL_BUFFER_BYTES = 32 * 1024

Sends = Callable[[int, list[str]], None]
Reads = Callable[[socket.socket, int], None]


class SmallSocket(socket.socket):
    """A socket that the system keeps little for, so that a peer that does not read is noticed soon."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self.setsockopt(socket.SOL_SOCKET, name, SMALL_BUFFER_BYTES)


@pytest.fixture(autouse=True)
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", SmallSocket)


def by_threads(port: int, messages: list[str], scheme: str = "ws") -> None:
    address = Address.read(f"{scheme}://127.0.0.1", port, 5678)
    transport = WebSocketTransport(address, Tls(), Deadlines(write=BOUND_S), 1000, None, 20)
    transport.open(f"{scheme}://127.0.0.1:{port}/")
    try:
        for message in messages:
            transport.send([message])
    finally:
        transport.release()


def by_threads_with_tls(port: int, messages: list[str]) -> None:
    by_threads(port, messages, "wss")


def by_http(port: int, messages: list[str]) -> None:
    address = HttpAddress.read("http://127.0.0.1", port, 5679)
    rest = (1000, Polling(), 1.0, HttpHistory())
    transport = HttpTransport(address, Tls(), Deadlines(write=BOUND_S), *rest)
    transport.open("ws://127.0.0.1/?authorization=eA==")
    try:
        for message in messages:
            transport.send([message])
    finally:
        transport.release()


def by_asyncio(port: int, messages: list[str], scheme: str = "ws") -> None:
    from hivemind_core_client.transports.websocket_asyncio import AsyncWebSocketTransport

    async def main() -> None:
        address = Address.read(f"{scheme}://127.0.0.1", port, 5678)
        transport = AsyncWebSocketTransport(address, Tls(), Deadlines(write=BOUND_S), 1000, None, 20)
        await transport.open(f"{scheme}://127.0.0.1:{port}/")
        try:
            for message in messages:
                await transport.send([message])
        finally:
            await transport.release()

    asyncio.run(main())


def by_asyncio_with_tls(port: int, messages: list[str]) -> None:
    by_asyncio(port, messages, "wss")


TRANSPORTS = [by_threads, by_threads_with_tls, by_http]
if sys.version_info >= (3, 10):  # the asyncio client needs it
    TRANSPORTS += [by_asyncio, by_asyncio_with_tls]


class SlowHub:
    """A hub for one transport. What it has read of messages, as bytes, is counted in `taken`."""

    def __init__(self, sends: Sends) -> None:
        self.taken = 0
        self.done = threading.Event()
        self.went_first = False
        self._is_http = sends is by_http
        self._tls: Optional[ssl.SSLContext] = None
        if sends in (by_threads_with_tls, by_asyncio_with_tls):
            self._tls, _ = self_signed("127.0.0.1")

    def script(self, read: Reads) -> servers.Script:
        """Serves a connection; `read(connection, size)` takes the bytes of messages."""

        def serve(connection: socket.socket, stop: threading.Event) -> None:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            if self._is_http:
                while not stop.is_set():
                    self._answer(connection, read)
                return
            servers.upgrade(connection)
            while not stop.is_set():
                read(connection, len(MESSAGE))

        return serve

    def _answer(self, connection: socket.socket, read: Reads) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(1)
            if not data:
                raise OSError("the client went")
            head += data
        lines = head.decode().lower().split("\r\n")
        size = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length")), 0)
        is_message = " /send_message" in lines[0]
        if is_message:
            read(connection, size)
        body = json.dumps({"status": "message sent" if is_message else "Connected"}).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def read_slowly(self, connection: socket.socket, size: int) -> None:
        """Take it piece by piece, each well within the bound, but all of it not."""
        for _ in range(PIECES):
            time.sleep(SLOW_S / PIECES)
            self._read(connection, size // PIECES)
        self._read(connection, size % PIECES)

    def read_a_little(self, connection: socket.socket, size: int) -> None:
        """Take a part, and then no more."""
        self._read(connection, size // 8)
        self.went_first = not self.done.wait(30)
        raise OSError("the hub goes")

    def _read(self, connection: socket.socket, size: int) -> None:
        while size > 0:
            data = connection.recv(min(size, 65536))
            if not data:
                raise OSError("the client went")
            size -= len(data)
            self.taken += len(data)


@pytest.fixture(params=TRANSPORTS)
def sends(request: pytest.FixtureRequest) -> Sends:
    sends: Sends = request.param
    return sends


def test_a_hub_that_takes_a_message_slowly_gets_it(sends: Sends) -> None:
    hub = SlowHub(sends)
    with servers.server(hub.script(hub.read_slowly)) as port:
        began = time.monotonic()
        sends(port, [MESSAGE])
        assert time.monotonic() - began > 2 * BOUND_S
    assert hub.taken > 0.8 * len(MESSAGE)  # the rest was with the system when the client went


def test_a_hub_that_takes_no_more_is_given_up(sends: Sends) -> None:
    hub = SlowHub(sends)
    with servers.server(hub.script(hub.read_a_little)) as port:
        began = time.monotonic()
        with pytest.raises(ConnectionLost, match=f"takes no more messages: .* for {BOUND_S:g} s, .* cut off"):
            sends(port, [MESSAGE])
        assert time.monotonic() - began >= BOUND_S
        assert not hub.went_first
        hub.done.set()
