"""What clients can make the embedded hub hold: how many connect, what comes before a handshake, what is kept."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

    from websockets.sync.server import Server

    from hivemind_core_client.wire.message import HiveMessage

log = logging.getLogger(__name__)

#: How many clients may be connected at once; each has threads of its own.
MOST_CONNECTIONS = 500
#: What a client may send before there is a key, and what one message may be later, in bytes.
MOST_EARLY_BYTES, MOST_FRAME_BYTES = 2**20, 96 * 2**20
#: How many messages are kept of those that came, and what they may hold, in bytes.
MOST_RECEIVED, MOST_RECEIVED_BYTES = 10_000, 256 * 2**20
#: Messages below this weight are weighed now and then.
_HEAVY_BYTES, _NOW_AND_THEN = 2**20, 64


def bound_connections(server: Server, most: int) -> None:
    """Hang up on those who come while `most` are connected. To be called before the server serves."""
    handle, room = server.handler, threading.Semaphore(most)

    def handler(connected: socket.socket, address: Any) -> None:
        if not room.acquire(blocking=False):
            log.debug("hung up on a client: %d are connected already", most)
            connected.close()
            getattr(server, "handler_threads", set()).discard(threading.current_thread())
            return
        try:
            handle(connected, address)
        finally:
            room.release()

    server.handler = handler


def keep(received: list[HiveMessage], message: HiveMessage) -> None:
    """Add a message to those that came; the oldest go where they are too many, or hold too much."""
    received.append(message)
    del received[:-MOST_RECEIVED]
    if message.weight < _HEAVY_BYTES and len(received) % _NOW_AND_THEN:
        return
    surplus = sum(each.weight for each in received) - MOST_RECEIVED_BYTES
    while surplus > 0 and len(received) > 1:
        surplus -= received.pop(0).weight
