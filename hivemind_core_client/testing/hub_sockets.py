"""What the embedded hub does with the sockets of its clients, past the WebSocket library."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections import deque
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.sync.server import ServerConnection

from hivemind_core_client.testing.hub_bounds import MOST_FRAME_BYTES
from hivemind_core_client.testing.hub_likeness import NO_CODE, Farewell
from hivemind_core_client.transports.log_filter import hide_logins
from hivemind_core_client.transports.tcp import shut

hide_logins("websockets.server", "websockets.client")


def bound_writing(link: socket.socket, seconds: float) -> None:
    """Let a write fail that makes no progress for so long, where the system has it (Windows counts otherwise)."""
    if os.name == "posix":
        whole = int(seconds)
        patience = struct.pack("ll", whole, int((seconds - whole) * 1_000_000))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)


def part(connection: ServerConnection, farewell: Farewell) -> None:
    """End a connection in this way."""
    if farewell.code is None:
        shut(connection.socket)
    elif farewell.code == NO_CODE:
        connection.close(None)  # type: ignore[arg-type]  # it hands it on to what takes it
    else:
        connection.close(farewell.code, farewell.reason)


class InOrder(ServerConnection):
    """A connection that answers a ping once what came before it has been dealt with, as real hubs do.

    Left to itself the library answers at once, beside the thread that reads: a client could not tell from its pong
    that the hub has taken a message. Whoever reads calls `dealt_with` after each one.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._order = threading.Lock()
        self._come = self._dealt_with = 0
        self._held: deque[tuple[int, bytes]] = deque()
        self._take = self.protocol.recv_frame
        self.protocol.recv_frame = self._taken  # type: ignore[method-assign]

    def dealt_with(self) -> None:
        """One more message needs no more attention."""
        with self._order:
            self._dealt_with += 1
            ready = []
            while self._held and self._held[0][0] <= self._dealt_with:
                ready.append(self._held.popleft()[1])
        for payload in ready:
            self.pong(payload)

    def _take_longer_messages(self) -> None:
        """The first message is short. What follows may be one of the session, before the first was dealt with."""
        for name in ("max_message_size", "max_size"):  # as websockets 16 calls it, and as 15 does
            if hasattr(self.protocol, name):
                setattr(self.protocol, name, MOST_FRAME_BYTES)

    def _taken(self, frame: Frame) -> None:
        with self._order:
            if frame.opcode is Opcode.PING and self._dealt_with < self._come:
                self._held.append((self._come, bytes(frame.data)))
                return
            if frame.fin and frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._come += 1
                if self._come == 1:
                    self._take_longer_messages()
        self._take(frame)
