"""A proxy on loopback that may change, drop, repeat or reorder the frames between a client and a hub over MQTT."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Optional

from .hubs import HOST
from .meddler import Change, Frame, as_it_is

_END_SECONDS = 10.0
_PIECE = 65536
#: The first four bits of a packet (MQTT 3.1.1, section 2.2.1).
_PUBLISH, _PUBACK = 3, 4


class MqttMeddler:
    """As Meddler, between a client and its broker. What holds when a client connects holds for that connection."""

    def __init__(self, broker_port: int) -> None:
        self.down: Change = as_it_is
        self.up: Change = as_it_is
        self.connections = 0
        self._broker_port = broker_port
        self._server = socket.create_server((HOST, 0))
        self._accepted: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, name="meddler", daemon=True)
        self.port: int = self._server.getsockname()[1]

    def __enter__(self) -> MqttMeddler:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        """Stop."""
        self._server.shutdown(socket.SHUT_RDWR)  # closing alone does not wake a thread that waits in accept()
        self._server.close()
        self._thread.join(_END_SECONDS)
        for side in self._accepted:
            _hang_up(side)
            side.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            broker = socket.create_connection((HOST, self._broker_port), timeout=_END_SECONDS)
            self._accepted += [client, broker]
            for way in (_Way(client, broker, "/in", self.up), _Way(broker, client, "/out", self.down)):
                threading.Thread(target=way.run, name="meddler", daemon=True).start()


class _Way:
    """One direction of one connection: the frames on topics with this end are changed, all else is passed on."""

    def __init__(self, source: socket.socket, target: socket.socket, topics: str, change: Change) -> None:
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
        size = int.from_bytes(body[:2], "big") + 2
        if first >> 4 != _PUBLISH or not body[2:size].endswith(self._topics):
            yield _packet(first, body)
            return
        acknowledged = bool(first & 0b110)
        start = size + 2 * acknowledged
        frames = self._change(self._number, _frame(body[start:]))
        self._number += 1
        for frame in frames:
            yield _packet(first, body[:start] + (frame.encode() if isinstance(frame, str) else frame))
        if acknowledged and not frames:
            # It is lost behind the proxy: its sender is told that it came through, and does not send it again.
            self._source.sendall(_packet(_PUBACK << 4, body[size:start]))


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
    size = 0
    for at in range(1, min(5, len(buffer))):
        size |= (buffer[at] & 127) << 7 * (at - 1)
        if buffer[at] < 128:
            end = at + 1 + size
            return (buffer[0], buffer[at + 1 : end], buffer[end:]) if len(buffer) >= end else None
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
