"""What clients can make the embedded hub and its HTTP gateway hold is bounded."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from base64 import b64encode
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from hivemind_core_client import HiveMessageBusClient
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.testing import EmbeddedHub, HttpGateway, http_gateway, hub_bounds
from tests.unit.client_support import PATIENCE, ask, login, until
from tests.unit.support import PASSWORD

LOGIN = b64encode(b"agent:k").decode()
ONE = "x" * (2**20 + 1)
MANY = '{"msg_type": "shake", "payload": {"a": "' + "x" * 300_000 + '"}}'


def insist(rude: ClientConnection, frames: list[str]) -> None:
    """Send all of these, and listen until the hub hangs up."""
    for frame in frames:
        rude.send(frame)
    while True:
        rude.recv(PATIENCE)


@pytest.mark.parametrize("frames", [[ONE], [MANY] * 4], ids=["one frame", "several"])
def test_what_comes_before_a_handshake_is_bounded(hub: EmbeddedHub, frames: list[str]) -> None:
    with connect(f"{hub.url}?authorization={LOGIN}", compression=None, max_size=None) as rude:
        with pytest.raises(ConnectionClosed):
            insist(rude, frames)
    with HiveMessageBusClient(**login(hub.url)) as client:
        assert ask(client) == "you said: hello"


def test_a_large_message_may_follow_the_handshake_at_once(hub: EmbeddedHub) -> None:
    with HiveMessageBusClient(**login(hub.url)) as client:
        client.emit(HiveMessage("bus", {"type": "large", "data": {"a": "x" * 3 * 2**20}}))
        assert hub.wait_for("large", PATIENCE)


def test_so_many_clients_may_be_connected_and_no_more() -> None:
    with EmbeddedHub({"k": PASSWORD}, most_clients=2) as running:
        with HiveMessageBusClient(**login(running.url)):
            with socket.create_connection((running.host, running.port), PATIENCE):
                with socket.create_connection((running.host, running.port), PATIENCE) as third:
                    third.settimeout(PATIENCE)
                    assert third.recv(1) == b""
        with HiveMessageBusClient(**login(running.url)) as client:  # there is room again
            assert ask(client) == "you said: hello"


def weighing(number: int, weight: int) -> HiveMessage:
    message = HiveMessage("ping", {"number": number})
    message.weight = weight
    return message


@pytest.mark.parametrize("weight", [2**18, 2**22, 2**30])
def test_what_is_kept_of_messages_is_bounded_in_bytes(weight: int) -> None:
    received: list[HiveMessage] = []
    for number in range(2000):
        hub_bounds.keep(received, weighing(number, weight))
    held = sum(message.weight for message in received)
    assert received[-1]["number"] == 1999
    assert held <= hub_bounds.MOST_RECEIVED_BYTES + 64 * 2**20 or len(received) == 1


@pytest.mark.parametrize("length", ["-1", "x", "9" * 5000, str(2**20 + 1), "٣"])
def test_a_gateway_reads_no_body_of_an_odd_length(hub: EmbeddedHub, length: str) -> None:
    with (
        HttpGateway(hub.url) as gateway,
        socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) as rude,
    ):
        rude.settimeout(PATIENCE)
        rude.sendall(f"POST /connect HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n".encode())
        assert rude.recv(100).startswith(b"HTTP/1.1 400")


def test_a_gateway_bounds_its_sessions_and_requests(
    hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_gateway, "_MOST_SESSIONS", 0)
    monkeypatch.setattr(http_gateway, "_MOST_REQUESTS", 1)
    with HttpGateway(hub.url) as gateway:
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"{gateway.url}/connect?authorization={LOGIN}", b"", PATIENCE)

        def refused(connection: socket.socket, seconds: float) -> bool:
            connection.settimeout(seconds)
            try:
                return connection.recv(1) == b""
            except ConnectionError:
                return True
            except socket.timeout:
                return False

        with ExitStack() as stack:

            def connected() -> socket.socket:
                return stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), PATIENCE))

            silent = connected()
            while refused(silent, 0.3):  # the request before is at its end
                silent = connected()
            second = connected()
            second.sendall(b"GET /get_messages HTTP/1.0\r\n\r\n")
            assert refused(second, PATIENCE)


def test_a_gateway_lets_the_hub_wait_for_a_client_that_does_not_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_gateway, "_MOST_FRAMES", 3)
    sent: list[Any] = []
    with EmbeddedHub({"k": PASSWORD}) as running, HttpGateway(running.url) as gateway:
        answer = gateway.answer("POST", "connect", LOGIN, {})
        assert answer[0] == 200
        for number in range(10):
            running.send_raw(f"frame {number}")
        session = gateway._sessions[LOGIN]

        def take() -> bool:
            taken = session.take(str)
            assert len(taken) <= 3
            sent.extend(taken)
            return len(sent) == 12

        assert until(take)
    frames = [
        each for each in sent if each.startswith("frame")
    ]  # the greeting may come between the first of them
    assert frames == [f"frame {number}" for number in range(10)]
