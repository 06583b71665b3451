"""A proxy on loopback that may change, drop, repeat or reorder the frames between a client and a hub over MQTT."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Optional

from .hubs import HOST
from .meddler import END_SECONDS, Change, Frame, Proxy

_PIECE = 65536
#: The first four bits of a packet (MQTT 5, section 2.1.2).
_CONNECT, _PUBLISH, _PUBACK = 1, 3, 4
#: Where a CONNECT says its version, and the one from which on a PUBLISH has properties.
_VERSION_AT, _WITH_PROPERTIES = 6, 5


class MqttMeddler(Proxy):
    """Between a client and its broker. What holds when a client connects holds for that connection."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._server = socket.create_server((HOST, 0))
        self._accepted: list[socket.socket] = []
        super().__init__(self._server.getsockname()[1], self._serve, self._end)

    def _end(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)  # closing alone does not wake a thread that waits in accept()
        self._server.close()

    def _serve(self) -> None:
        try:
            while (client := self._next()) is not None:
                self._pass_on(client)
        finally:
            for side in self._accepted:
                _hang_up(side)
                side.close()

    def _next(self) -> Optional[socket.socket]:
        """The next client; None when nobody is waited for any more."""
        try:
            return self._server.accept()[0]
        except OSError:
            return None

    def _pass_on(self, client: socket.socket) -> None:
        self.connections += 1
        broker = socket.create_connection((HOST, self._broker_port), timeout=END_SECONDS)
        self._accepted += [client, broker]
        up = _Way(client, broker, "/in", self.up)
        for way in (up, _Way(broker, client, "/out", self.down, up)):
            threading.Thread(target=way.run, name="meddler", daemon=True).start()


class _Way:
    """One direction of one connection: the frames on topics with this end are changed, all else is passed on."""

    def __init__(
        self,
        source: socket.socket,
        target: socket.socket,
        topics: str,
        change: Change,
        up: Optional[_Way] = None,
    ) -> None:
        #: The way up of the same connection, on which its version is said.
        self._up = up or self
        self.version = 0
        self._source = source
        self._target = target
        self._topics = topics.encode()
        self._change = change
        self._number = 0
        for side in (source, target):
            side.settimeout(None)
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self) -> None:
        """Until one side hangs up; then the other is hung up on."""
        try:
            for first, body in _packets(self._source):
                for packet in self._passed_on(first, body):
                    self._target.sendall(packet)
        except OSError:
            return
        finally:
            _hang_up(self._source)
            _hang_up(self._target)

    def _passed_on(self, first: int, body: bytes) -> Iterator[bytes]:
        if first >> 4 == _CONNECT:
            self.version = body[_VERSION_AT]
        size = int.from_bytes(body[:2], "big") + 2
        if first >> 4 != _PUBLISH or not body[2:size].endswith(self._topics):
            yield _packet(first, body)
            return
        acknowledged = bool(first & 0b110)
        start = numbered = size + 2 * acknowledged
        if self._up.version >= _WITH_PROPERTIES:
            length, start = _length(body, numbered) or (0, numbered)
            start += length
        frames = self._change(self._number, _frame(body[start:]))
        self._number += 1
        for frame in frames:
            yield _packet(first, body[:start] + (frame.encode() if isinstance(frame, str) else frame))
        if acknowledged and not frames:
            # It is lost behind the proxy: its sender is told that it came through, and does not send it again.
            self._source.sendall(_packet(_PUBACK << 4, body[size:numbered]))


def _frame(payload: bytes) -> Frame:
    """As a hub reads it: what is JSON is text."""
    try:
        json.loads(payload)
    except ValueError:
        return payload
    return payload.decode()


def _packets(source: socket.socket) -> Iterator[tuple[int, bytes]]:
    """The first byte and the body of each packet that comes, until the peer hangs up."""
    buffer = b""
    while True:
        while (found := _first_packet(buffer)) is not None:
            first, body, buffer = found
            yield first, body
        piece = source.recv(_PIECE)
        if not piece:
            return
        buffer += piece


def _first_packet(buffer: bytes) -> Optional[tuple[int, bytes, bytes]]:
    found = _length(buffer, 1)
    if found is None or len(buffer) < sum(found):
        return None
    size, start = found
    return buffer[0], buffer[start : start + size], buffer[start + size :]


def _length(buffer: bytes, start: int) -> Optional[tuple[int, int]]:
    """A length of one to four bytes that stands at `start`, and where it ends; None while it is not whole."""
    size = 0
    for at in range(start, min(start + 4, len(buffer))):
        size |= (buffer[at] & 127) << 7 * (at - start)
        if buffer[at] < 128:
            return size, at + 1
    return None


def _packet(first: int, body: bytes) -> bytes:
    size, length = len(body), bytearray()
    while True:
        size, low = divmod(size, 128)
        length.append(low | (128 if size else 0))
        if not size:
            return bytes([first]) + bytes(length) + body


def _hang_up(side: socket.socket) -> None:
    try:
        side.shutdown(socket.SHUT_RDWR)
    except OSError:  # the peer was faster
        return
