"""What the embedded hub does with the sockets of its clients, past the WebSocket library."""

from __future__ import annotations

import logging
import os
import socket
import struct

log = logging.getLogger(__name__)


def shut(link: socket.socket) -> None:
    """End a connection without a close frame, which wakes whoever reads from it."""
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        log.debug("already shut: %s", error)


def bound_writing(link: socket.socket, seconds: float) -> None:
    """Let a write fail that makes no progress for so long, where the system has it (Windows counts otherwise)."""
    if os.name == "posix":
        whole = int(seconds)
        patience = struct.pack("ll", whole, int((seconds - whole) * 1_000_000))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
