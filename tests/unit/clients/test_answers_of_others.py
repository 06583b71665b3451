"""What is not a hub's: servers that point elsewhere, and faults of our own."""

from __future__ import annotations

import select
import selectors
import socket
import threading
from typing import NoReturn

import pytest
from urllib3.util import wait

from hivemind_core_client import errors as err
from hivemind_core_client.testing import EmbeddedHub
from hivemind_core_client.transports import shared_socket
from tests.unit import servers
from tests.unit.client_support import Make, ask
from tests.unit.support import PASSWORD


class Pointer:
    """A server that points elsewhere, to where it repeats our login; `requests` are those it got."""

    def __init__(self, status: int, location: str) -> None:
        self.status = status
        self.location = location
        self.requests: list[bytes] = []

    def script(self, connection: socket.socket, stop: threading.Event) -> None:
        while request := connection.recv(4096):
            self.requests.append(request)
            query = request.split(b" ")[1].partition(b"?")[2].decode()
            head = f"HTTP/1.1 {self.status} Moved\r\nLocation: {self.location}?{query}\r\n"
            connection.sendall(f"{head}Content-Length: 0\r\n\r\n".encode())


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_says_where_it_points_and_is_not_followed(
    status: int, make: Make, client_kind: str
) -> None:
    elsewhere = Pointer(200, "")
    scheme = "http" if client_kind == "http" else "ws"
    with EmbeddedHub({"k": PASSWORD}) as hub, servers.server(elsewhere.script) as other:
        target = f"{scheme}://localhost:{other}/hive/"
        pointer = Pointer(status, target.replace("//", "//name:secret@"))
        with servers.server(pointer.script) as port:
            client = make(hub, host=f"{scheme}://localhost:{port}")
            with pytest.raises(err.NotAHub, match=f"{status}, a redirect to {target}: ") as caught:
                client.connect()
            client.close()
    assert pointer.requests and not elsewhere.requests
    assert "secret" not in str(caught.value) and "authorization" not in str(caught.value)


@pytest.mark.otherwise("asyncio", why="its loop waits for sockets")
@pytest.mark.parametrize("missing", ["poll", "PollSelector", "both"])
def test_a_python_without_poll_serves(missing: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, and under eventlet."""
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub)  # the hub and its gateway keep what they have
        if missing != "PollSelector":
            monkeypatch.delattr(select, "poll")
            monkeypatch.setattr(wait, "wait_for_socket", wait.select_wait_for_socket)  # urllib3 chose before
        if missing != "poll":
            monkeypatch.delattr(selectors, "PollSelector")
        client.connect()
        assert ask(client) == "you said: hello"
        client.close()


@pytest.mark.otherwise("asyncio", why="it reads through the loop")
@pytest.mark.parametrize("fault", [AttributeError, TypeError, KeyError])
def test_a_fault_of_ours_is_not_told_as_one_of_the_hub(
    fault: type[Exception], make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> NoReturn:
        raise fault("no such thing")

    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub)
        monkeypatch.setattr(shared_socket, "new_selector", broken)
        with pytest.raises(err.ConnectionLost, match=f"a fault of the client: {fault.__name__}"):
            client.connect()
        client.close()
