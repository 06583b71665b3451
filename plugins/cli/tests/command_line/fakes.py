"""A client whose hub is a function."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, Callable

from hivemind_client_cli.ovos_messages import utterance
from hivemind_core_client.errors import HiveMindError
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.plugins.contract import HubFacts, Negotiated, Transport
from hivemind_core_client.wire.denials import DENIED, denial_of
from hivemind_core_client.wire.json_text import Json

Answer = Callable[[HiveMessage], Iterable[Json]]


def message(msg_type: str, /, **data: Any) -> Json:
    return {"type": msg_type, "data": data, "context": {}}


def spoken(sent: HiveMessage) -> list[Json]:
    """What a hub says to an utterance; nothing to anything else."""
    lines = sent.raw_payload.get("data", {}).get("utterances", [])
    return [message("speak", utterance=f"you said: {line}") for line in lines]


class FakeClient:
    key = "key-of-the-fake"
    password = "password-of-the-fake"
    useragent = "fake"
    host = "hub.invalid"
    port = 5678
    session_id = "session-of-the-fake"
    profile = SimpleNamespace(transport=Transport("ws", blocking=repr), transport_options=dict)

    def __init__(self, answer: Answer = lambda sent: (), refusal: Exception | None = None) -> None:
        self.answer = answer
        self.refusal = refusal
        self.sent: list[HiveMessage] = []
        self.site_id: str | None = None
        self.closed = False
        self.hub = HubFacts("hub-1", "peer-1")
        self.negotiated = Negotiated(1, "password", "AES-GCM", "JSON-B64", False)
        self.last_error: HiveMindError | None = None
        self.connected_event = threading.Event()
        self.handshake_event = threading.Event()
        self.trips: list[float | Exception] = []
        self._handlers: list[Callable[[HiveMessage], None]] = []
        self._lifecycle: dict[str, list[Callable[..., None]]] = {
            "close": [],
            "denied": [],
            "error": [],
            "open": [],
        }

    def connect(self, site_id: str | None = None) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.site_id = site_id
        self.connected_event.set()
        self.handshake_event.set()

    def on(self, name: str, handler: Callable[..., None]) -> None:
        assert name == "bus" or name in self._lifecycle
        (self._handlers if name == "bus" else self._lifecycle[name]).append(handler)

    def emit(self, sent: HiveMessage) -> None:
        self.sent.append(sent)
        for each in self.answer(sent):
            self.hear(each)

    def say(self, text: str, lang: str | None = None) -> None:
        self.emit(utterance(text, lang))

    def hear(self, payload: Json) -> None:
        for handler in self._handlers:
            handler(HiveMessage("bus", payload))
        for handler in self._lifecycle["denied"] if payload["type"] == DENIED else []:
            handler(denial_of(payload.get("data")))

    def drop(self, cause: HiveMindError | None = None) -> None:
        """End the connection, as the hub does."""
        self.last_error = cause
        self.connected_event.clear()
        self.handshake_event.clear()
        for handler in self._lifecycle["close"]:
            handler()

    def reconnect(self) -> None:
        self.connect(self.site_id)
        for handler in self._lifecycle["open"]:
            handler()

    def round_trip(self, timeout: float) -> float:
        trip = self.trips.pop(0) if self.trips else 0.001
        if isinstance(trip, Exception):
            raise trip
        return trip

    def close(self) -> None:
        self.closed = True
