"""Coming back to a hub that was away, behind what answers in its place, or that drops its satellites."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from attrs import field, frozen

from hivemind_core_client import Backoff, HiveMessageBusClient
from hivemind_core_client import errors as err
from hivemind_core_client.testing import EmbeddedHub
from tests.unit import servers
from tests.unit.client_support import Log, Make, ask, until
from tests.unit.support import PASSWORD

#: What a proxy does in place of a hub that is away: an HTTP status, or a close code after the upgrade.
STATUSES = {401: b"HTTP/1.1 401 Unauthorized", 403: b"HTTP/1.1 403 Forbidden"}
CODES = (1000, 1008, 4000)


class Proxy:
    """A proxy before a hub; `answer` is 0, or how it refuses everybody."""

    def __init__(self) -> None:
        self.answer = 0
        self.hub_port = 0
        self.refused = 0
        self._open: list[socket.socket] = []

    def cut(self, answer: int) -> None:
        """Refuse from now on, and end what is open."""
        self.answer = answer
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def script(self, connection: socket.socket, stop: threading.Event) -> None:
        if self.answer:
            self._refuse(connection)
            self.refused += 1
            return
        with socket.create_connection(("127.0.0.1", self.hub_port)) as upstream:
            self._open += [connection, upstream]
            threading.Thread(target=self._pump, args=(upstream, connection), daemon=True).start()
            self._pump(connection, upstream)

    def _refuse(self, connection: socket.socket) -> None:
        if self.answer in STATUSES:
            connection.recv(4096)
            connection.sendall(STATUSES[self.answer] + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            servers.upgrade(connection)
            connection.sendall(b"\x88\x02" + self.answer.to_bytes(2, "big"))
        connection.shutdown(socket.SHUT_RDWR)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


@contextmanager
def behind(proxy: Proxy, make: Make) -> Iterator[HiveMessageBusClient]:
    """A client that reaches its hub through the proxy."""
    with EmbeddedHub({"k": PASSWORD}) as hub, servers.server(proxy.script) as port:
        address = make(hub).profile.settings.address
        proxy.hub_port = address.port
        client = make(hub, host=f"{address.schemes[0]}://localhost:{port}")
        yield client
        client.close()


def check_comes_back(answer: int, make: Make) -> None:
    proxy, errors, opened = Proxy(), Log(), Log()
    with behind(proxy, make) as client:
        client.connect()
        client.on("error", errors)
        proxy.cut(answer)
        refusals = [error for error in errors.wait(3) if isinstance(error, err.NotAHub)]
        assert refusals and "accepted before" in str(refusals[0])
        assert client.state == "reconnecting"
        client.on("open", opened)
        proxy.cut(0)
        opened.wait(1)
        assert ask(client) == "you said: hello"


def check_is_final(answer: int, make: Make) -> None:
    proxy = Proxy()
    proxy.answer = answer
    with behind(proxy, make) as client, pytest.raises(err.KeyRefused):
        client.connect(handshake_max_retries=2)
    assert proxy.refused < 3  # over HTTP one attempt asks twice


@pytest.mark.parametrize("status", STATUSES)
def test_a_proxy_that_refuses_while_the_hub_is_away_stops_nobody(status: int, make: Make) -> None:
    check_comes_back(status, make)


@pytest.mark.otherwise("http", why="HTTP has no close codes")
@pytest.mark.parametrize("code", CODES)
def test_a_close_before_hello_while_the_hub_is_away_stops_nobody(code: int, make: Make) -> None:
    check_comes_back(code, make)


@pytest.mark.parametrize("status", STATUSES)
def test_before_a_first_session_a_status_that_refuses_is_final(status: int, make: Make) -> None:
    check_is_final(status, make)


@pytest.mark.otherwise("http", why="HTTP has no close codes")
@pytest.mark.parametrize("code", CODES)
def test_before_a_first_session_a_close_before_hello_is_final(code: int, make: Make) -> None:
    check_is_final(code, make)


def test_a_client_that_connects_anew_remembers_that_its_key_was_accepted(make: Make) -> None:
    proxy = Proxy()
    with behind(proxy, make) as client:
        client.connect()
        client.close()
        proxy.cut(403)
        with pytest.raises(err.NotAHub, match="accepted before"):
            client.connect()


@frozen
class Asked(Backoff):
    """Notes for which attempts it is asked."""

    attempts: list[int] = field(factory=list)

    def delay(self, attempt: int) -> float:
        self.attempts.append(attempt)
        return 0.001


@pytest.mark.parametrize(("reset_after", "attempts"), [(60.0, [0, 1, 2]), (0.0, [0, 0, 0])])
def test_a_hub_that_drops_each_session_is_asked_ever_more_seldom(
    reset_after: float, attempts: list[int], make: Make
) -> None:
    backoff = Asked(reset_after=reset_after)
    with EmbeddedHub({"k": PASSWORD}) as hub, make(hub, backoff=backoff) as client:
        for number in range(1, 4):
            assert until(lambda: client.state == "connected")
            hub.drop()
            assert until(lambda: len(backoff.attempts) >= number)  # noqa: B023  # asked in this turn only
    assert backoff.attempts == attempts
