"""The asyncio WebSocket over TLS: what comes together with the end of the handshake is not lost."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from typing import Callable

import pytest

from hivemind_core_client.config.settings import Address
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.errors import HubConnectionError, NotAHub, SecureConnectionFailed
from hivemind_core_client.kernel.policy import Deadlines
from hivemind_core_client.testing.certificates import self_signed
from tests.unit import servers


def greeting_with_the_handshake(connection: socket.socket, stop: threading.Event) -> None:
    """Be a mail server: its greeting is in one packet with the last message of the TLS handshake."""
    context, _ = self_signed("127.0.0.1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # in 1.3 the last message is the client's
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(65536))
    tls.write(b"* OK IMAP4rev1 ready\r\n\r\n")
    connection.sendall(outgoing.read())
    stop.wait(30)


def no_tls(connection: socket.socket, stop: threading.Event) -> None:
    """Speak first, and no TLS."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.0\r\n")
    stop.wait(30)


def hanging_up(connection: socket.socket, stop: threading.Event) -> None:
    """Take the client's first message, and go."""
    connection.recv(10)
    connection.close()


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (greeting_with_the_handshake, NotAHub),
        (no_tls, SecureConnectionFailed),
        (hanging_up, SecureConnectionFailed),
    ],
)
def test_a_server_that_speaks_first_is_told_from_a_hub_at_once(
    script: Callable[[socket.socket, threading.Event], None], error: type[HubConnectionError]
) -> None:
    from hivemind_core_client.transports.websocket_asyncio import AsyncWebSocketTransport

    async def main() -> None:
        address = Address.read("wss://127.0.0.1", port, 5678)
        transport = AsyncWebSocketTransport(address, Tls(), Deadlines(), 1000, None, 20)
        with pytest.raises(error):
            await asyncio.wait_for(transport.open(f"wss://127.0.0.1:{port}/"), 5)
        await transport.release()

    with servers.server(script) as port:
        asyncio.run(main())
