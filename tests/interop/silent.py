"""Peers that answer too little: what a satellite meets when the port is not a hub's."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# RFC 6455, section 1.3.
_WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@contextmanager
def silent_port(upgrades: bool = False) -> Iterator[int]:
    """A loopback port that accepts connections and says nothing.

    With `upgrades` it answers the WebSocket upgrade, and is silent from there on.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=_accept, args=(server, accepted, upgrades), daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            # Closing alone does not wake a thread that waits in accept().
            server.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)
            for connection in accepted:
                connection.close()


def _accept(server: socket.socket, accepted: list[socket.socket], upgrades: bool) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        accepted.append(connection)
        if upgrades:
            _upgrade(connection)


def _upgrade(connection: socket.socket) -> None:
    connection.settimeout(5)
    request = b""
    try:
        while b"\r\n\r\n" not in request:
            piece = connection.recv(4096)
            if not piece:
                return
            request += piece
        connection.sendall(_upgrade_answer(request.decode("latin-1")))
    except OSError:
        return


def _upgrade_answer(request: str) -> bytes:
    headers = dict(line.split(": ", 1) for line in request.split("\r\n") if ": " in line)
    key = next(value for name, value in headers.items() if name.lower() == "sec-websocket-key")
    digest = hashlib.sha1((key + _WEBSOCKET_GUID).encode()).digest()
    accept = base64.b64encode(digest).decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
