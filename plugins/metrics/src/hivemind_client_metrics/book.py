"""The figures of all clients of this process, which both OpenTelemetry and Prometheus are told."""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from typing import Any, Optional

from hivemind_core_client import HiveMessage, HiveMessageType

#: What a direction is called.
RECEIVED, SENT = "received", "sent"
#: Figures of `client.metrics` that only grow, with what they count.
TOTALS = {
    "confirmed": "messages that the hub is known to have read",
    "raised": "messages whose emit raised an error",
    "in_doubt": "messages that were sent before a connection ended and may not have arrived",
    "rejected": "frames of the hub that were dropped because they broke the protocol",
    "dropped": "calls of handlers and observers that found no room",
    "outbox_dropped": "messages that an outbox dropped",
    "reconnects": "sessions after the first one of a client",
}


class Book:
    """Counts messages by direction and type, and adds up what each client counts by itself. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: Counter[tuple[str, str]] = Counter()
        self._bytes: Counter[tuple[str, str]] = Counter()
        #: The clients that are alive, each with its figures as they were last read.
        self._clients: dict[int, tuple[weakref.ref[Any], Any]] = {}
        #: Those of clients that are gone.
        self._gone: Counter[str] = Counter()

    def message(self, direction: str, kind: str, size: Optional[int]) -> None:
        """Count a message."""
        with self._lock:
            self._messages[direction, kind] += 1
            self._bytes[direction, kind] += size or 0

    def client(self, client: Any) -> None:
        """Know a client, and read its figures."""
        with self._lock:
            self._forget_gone()
            self._clients[id(client)] = (weakref.ref(client), client.metrics)

    def messages(self) -> dict[tuple[str, str], int]:
        """How many messages there were, by direction and type."""
        with self._lock:
            return dict(self._messages)

    def sizes(self) -> dict[tuple[str, str], int]:
        """How many bytes they had, by direction and type."""
        with self._lock:
            return dict(self._bytes)

    def totals(self) -> dict[str, int]:
        """The figures of `TOTALS`, of all clients there ever were."""
        with self._lock:
            self._read()
            return {
                name: self._gone[name] + sum(getattr(each, name) for each in self._figures())
                for name in TOTALS
            }

    def connected(self) -> int:
        """How many clients have a session."""
        with self._lock:
            alive = [ref() for ref, _ in self._clients.values()]
        return sum(client.connected_event.is_set() for client in alive if client is not None)

    def round_trip(self) -> Optional[float]:
        """The longest of the last round trips of all clients, in seconds; None before the first."""
        with self._lock:
            self._read()
            return max(
                (each.round_trip for each in self._figures() if each.round_trip is not None), default=None
            )

    def _figures(self) -> list[Any]:
        return [figures for _, figures in self._clients.values()]

    def _read(self) -> None:
        self._forget_gone()
        for key, (ref, _) in list(self._clients.items()):
            client = ref()
            if client is not None:
                self._clients[key] = (ref, client.metrics)

    def _forget_gone(self) -> None:
        for key, (ref, figures) in list(self._clients.items()):
            if ref() is None:
                del self._clients[key]
                self._gone.update({name: getattr(figures, name) for name in TOTALS})


def kind_of(message: HiveMessage) -> str:
    """The type of a message as a label: one of the protocol's, or `other`. Nothing from the wire becomes a label."""
    kind = message.msg_type
    return str(kind.value) if isinstance(kind, HiveMessageType) else "other"


#: That of this process.
BOOK = Book()
