"""A proxy on loopback that breaks connections in the middle of what goes over them."""

from __future__ import annotations

import random
import socket
import struct
import threading
from types import TracebackType

from attrs import frozen

HOST = "127.0.0.1"
_PIECE_BYTES = 16 * 1024
#: What the system keeps between the two sides is small, as it is on a slow network.
_BUFFER_BYTES = 8 * 1024
_END_S = 5.0


@frozen
class Plan:
    """What becomes of one connection: after `up` or `down` bytes it is cut; `swallowed` more are taken and lost."""

    up: int
    down: int
    swallowed: int


class Breaker:
    """Passes bytes on between clients and a server, and cuts each connection where chance wants it.

    It cuts at any byte, so in the middle of frames, in either direction. In half of the cases it takes some more bytes
    first, which never arrive: whoever wrote them was told by the system that all is well. `calm` lets new connections
    live; those that are open get their cut.
    """

    def __init__(self, port: int, seed: int, up: tuple[int, int], down: tuple[int, int]) -> None:
        self.calm = False
        self.cuts = 0
        self._target = port
        self._chance = random.Random(seed)
        self._up = up
        self._down = down
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._listener.bind((HOST, 0))
        self._listener.listen()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopping = False
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Breaker:
        """Listen."""
        threading.Thread(target=self._accept, name="breaker", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and end what is open."""
        self._stopping = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                _reset(each)

    def _accept(self) -> None:
        while not self._stopping:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection((HOST, self._target), _END_S)
            except OSError:
                continue
            server.settimeout(None)
            pair = (client, server)
            for each in pair:
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            with self._lock:
                self._open.update(pair)
            plan = self._plan()
            ways = ((client, server, plan.up, plan.swallowed), (server, client, plan.down, 0))
            for source, sink, budget, swallowed in ways:
                work = (source, sink, budget, swallowed, pair)
                threading.Thread(target=self._pump, args=work, daemon=True).start()

    def _plan(self) -> Plan:
        if self.calm:
            return Plan(2**62, 2**62, 0)
        swallowed = self._chance.choice((0, self._chance.randrange(1, 4_000)))
        return Plan(self._chance.randrange(*self._up), self._chance.randrange(*self._down), swallowed)

    def _pump(
        self,
        source: socket.socket,
        sink: socket.socket,
        budget: int,
        swallowed: int,
        pair: tuple[socket.socket, socket.socket],
    ) -> None:
        left = budget
        try:
            while data := source.recv(_PIECE_BYTES):
                _acknowledge(source)
                sink.sendall(data[: max(0, left)])
                left -= len(data)
                if left < -swallowed:
                    self.cuts += 1
                    break
        except OSError:
            pass  # the other direction was cut, or a side has gone
        with self._lock:
            for each in pair:
                self._open.discard(each)
                _reset(each)


def _acknowledge(connected: socket.socket) -> None:
    """Let a peer that waits for that write on at once, where the system has it."""
    if hasattr(socket, "TCP_QUICKACK"):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _reset(connected: socket.socket) -> None:
    """Cut it off: no farewell, and what waits in the buffers is lost, as when a router forgets a connection."""
    try:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended by itself
    connected.close()
