"""Web servers that attack by what they answer to the HTTP client: whatever they send, the deadlines hold."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from hivemind_core_client.config.settings import HttpAddress
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.errors import HiveMindError
from hivemind_core_client.kernel.policy import Deadlines, Polling
from hivemind_core_client.transports.http import HttpHistory, HttpTransport
from tests.unit import servers
from tests.unit.transports.hostile_support import PATIENCE_S, nothing_left

PHASE_S = 0.4


def answers(first: bytes, unit: bytes) -> servers.Script:
    """Answer every request over HTTP with this, and then with the unit again and again."""

    def script(connection: socket.socket, stop: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(first)
        many = unit * (65536 // len(unit))
        while not stop.is_set():
            connection.sendall(many)

    return script


def connects_and_then(first: bytes, unit: bytes) -> servers.Script:
    """Give a session, and answer the first poll with this, and then with the unit again and again."""
    connected = b'{"status": "Connected"}'

    def script(connection: socket.socket, stop: threading.Event) -> None:
        while b"get_messages" not in (request := connection.recv(65536)):
            if not request:
                return
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(connected), connected)
            )
        connection.sendall(first)
        many = unit * (65536 // len(unit))
        while not stop.is_set():
            connection.sendall(many)

    return script


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_AGAIN, _CHUNK = b"HTTP/1.1 100 Continue\r\n\r\n", b"1;%s\r\nx\r\n" % bytes(200).replace(b"\0", b"y")
HTTP_MODES: dict[str, servers.Script] = {
    "interim answers without end": answers(b"", _AGAIN),
    "headers without end": answers(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "a header without end": answers(b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "a body without end": answers(b"HTTP/1.1 200 OK\r\n\r\n", b"y"),
    "chunks of a byte without end": answers(_CHUNKED, _CHUNK),
    "a poll with interim answers without end": connects_and_then(b"", _AGAIN),
    "a poll with chunks of a byte without end": connects_and_then(_CHUNKED, _CHUNK),
}


@pytest.mark.parametrize("script", HTTP_MODES.values(), ids=HTTP_MODES.keys())
def test_a_hostile_web_server_costs_no_more_than_its_deadline(script: servers.Script) -> None:
    deadlines, rest = Deadlines(upgrade=PHASE_S, write=PHASE_S), (2**20, Polling(), PHASE_S, HttpHistory())
    with nothing_left(), servers.server(script) as port:
        transport = HttpTransport(HttpAddress.read("127.0.0.1", port, 5679), Tls(), deadlines, *rest)
        began = time.monotonic()
        try:
            with pytest.raises(HiveMindError) as caught:
                _session_and_poll(transport)
        finally:
            transport.release()
    assert str(caught.value)
    assert time.monotonic() - began < PATIENCE_S


def _session_and_poll(transport: HttpTransport) -> None:
    transport.open("ws://127.0.0.1/?authorization=eA==")
    transport.within("first frame", 20, transport.receive)  # one poll has a deadline of its own
