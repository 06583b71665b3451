"""Servers on loopback that misbehave in one way each."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable

Script = Callable[[socket.socket, threading.Event], None]


@contextmanager
def server(script: Script) -> Iterator[int]:
    """Run `script(connection, stop)` for each connection; yields the port."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def accept() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            thread = threading.Thread(target=run, args=(connection,), daemon=True)
            threads.append(thread)
            thread.start()

    def run(connection: socket.socket) -> None:
        try:
            script(connection, stop)
        except OSError:
            return

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            connection.close()
        for thread in [accepting, *threads]:
            thread.join(2)


def silent(connection: socket.socket, stop: threading.Event) -> None:
    """Accept, and say nothing."""
    stop.wait(30)


def ssh(connection: socket.socket, stop: threading.Event) -> None:
    """Speak another protocol."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.0\r\n\r\n")
    stop.wait(30)


def not_found(connection: socket.socket, stop: threading.Event) -> None:
    """Be a web server without WebSockets."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    stop.wait(30)


def forbidden(connection: socket.socket, stop: threading.Event) -> None:
    """Refuse the key by HTTP."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    stop.wait(30)


def odd_status(connection: socket.socket, stop: threading.Event) -> None:
    """Send the client elsewhere."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n")
    stop.wait(30)


def dripping(connection: socket.socket, stop: threading.Event) -> None:
    """Answer the upgrade a byte at a time, for ever."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nX-Endless: ")
    while not stop.wait(0.02):
        connection.sendall(b"a")


def upgraded_then_silent(connection: socket.socket, stop: threading.Event) -> None:
    """Upgrade to a WebSocket, and say nothing more."""
    upgrade(connection)
    stop.wait(30)


def upgraded_then_drips(connection: socket.socket, stop: threading.Event) -> None:
    """Upgrade, and send the first frame a byte at a time, for ever."""
    upgrade(connection)
    connection.sendall(b"\x81\x7e\xff\xff")
    while not stop.wait(0.02):
        connection.sendall(b"{")


def stalling_proxy(port: int, flow: threading.Event) -> Script:
    """Pass bytes on both ways while `flow` is set; else leave them unread, and the connections open."""

    def script(connection: socket.socket, done: threading.Event) -> None:
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            down = threading.Thread(target=pump, args=(upstream, connection), daemon=True)
            down.start()
            pump(connection, upstream)

    def pump(source: socket.socket, sink: socket.socket) -> None:
        while flow.wait(30):
            try:
                data = source.recv(65536)
                if not data or not flow.wait(30):
                    return
                sink.sendall(data)
            except OSError:
                return

    return script


def upgrade(connection: socket.socket) -> None:
    """The server's half of the WebSocket upgrade (RFC 6455, 4.2.2)."""
    from base64 import b64encode
    from hashlib import sha1

    request = connection.recv(4096).decode()
    key = next(line for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key"))
    nonce = key.partition(":")[2].strip()
    magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = b64encode(sha1((nonce + magic).encode()).digest()).decode()
    connection.sendall(
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ).encode()
    )
