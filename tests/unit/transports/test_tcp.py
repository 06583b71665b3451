"""Opening a TCP connection: one deadline for all addresses, and an end that comes before the TLS handshake."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import ExitStack
from typing import Any

import pytest

from hivemind_core_client import Deadlines
from hivemind_core_client.config.settings import Address
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.errors import SecureConnectionFailed
from hivemind_core_client.transports.addresses import connect_tcp
from hivemind_core_client.transports.tcp import dial, quick, shut
from tests.unit import servers


def test_a_name_with_many_silent_addresses_has_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as sockets:
        full = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = full.getsockname()
        for _ in range(4):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        one = (socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [one] * 8)
        start = time.monotonic()
        with pytest.raises((TimeoutError, socket.timeout)):
            connect_tcp("many.invalid", address[1], 0.2)
        assert time.monotonic() - start < 1.5  # less than one deadline for each


def test_a_connection_that_is_shut_before_its_tls_handshake_is_a_failure_of_tls() -> None:
    """On a busy machine a deadline may end it before it comes to the handshake: the socket has no TLS object then."""

    def keep(opened: socket.socket) -> None:
        if isinstance(opened, ssl.SSLSocket):
            shut(opened)

    with servers.server(servers.silent) as port, pytest.raises(SecureConnectionFailed):
        dial(Address("127.0.0.1", port, True), Tls(), Deadlines(), keep)


def test_a_socket_that_was_reset_at_once_is_closed() -> None:
    class Reset(socket.socket):
        def setsockopt(self, *arguments: Any) -> None:  # type: ignore[override]  # as macOS does it
            raise OSError("it was reset")

    made = Reset()
    with pytest.raises(OSError, match="it was reset"):
        quick(made)
    assert made.fileno() == -1
