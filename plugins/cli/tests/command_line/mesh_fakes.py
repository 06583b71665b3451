"""A client whose hive is a function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any, Callable

from attrs import frozen

from hivemind_core_client.errors import HiveMindError
from hivemind_core_client.hive_map import HiveMapper
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.wire.json_text import Json, json_text

from .fakes import FakeClient

#: Steers a terminal, breaks the line, and reads from right to left.
EVIL = "\x1b[2J\x9b1mred\nalert \u202eexe"


@frozen
class FakeAnswer:
    message: Any
    responder: str


def spoke(text: str, responder: str = "attic::1") -> FakeAnswer:
    return FakeAnswer(SimpleNamespace(msg_type="speak", data={"utterance": text}, context={}), responder)


def said(msg_type: str, responder: str, **data: Any) -> FakeAnswer:
    return FakeAnswer(SimpleNamespace(msg_type=msg_type, data=data, context={}), responder)


def node(peer: str, **facts: Any) -> HiveMessage:
    """The PING that a node answers a flood with, as it comes from the hub."""
    return HiveMessage("ping", {"flood_id": "flood", "peer": peer, **facts}, route=[])


def mapped(*pings: HiveMessage) -> HiveMapper:
    mapper = HiveMapper()
    for each in pings:
        mapper.on_ping(each, root_peer="fake::1")
    return mapper


class MeshClient(FakeClient):
    """`outcome` is what the verbs return, yield or raise; `mapper` is what the flood tells."""

    peer = "fake::1"
    state = "connected"

    def __init__(self, *outcome: FakeAnswer | HiveMindError) -> None:
        super().__init__()
        self.outcome = outcome
        self.mapper: HiveMapper | HiveMindError = mapped()
        self.asked: list[tuple[HiveMessage, float]] = []
        self.whispered: list[tuple[HiveMessage, str]] = []
        self.floods = 0
        self.patience: tuple[float, float] | None = None
        self.identity = NodeIdentity()
        self.on_listening: Callable[[MeshClient], None] = lambda client: None
        self._listeners: list[Callable[[str], None]] = []

    def query(self, packet: HiveMessage, timeout: float) -> Iterable[FakeAnswer]:
        self.asked.append((packet, timeout))
        if self.outcome and isinstance(self.outcome[0], Exception):
            raise self.outcome[0]
        return self._stream()

    def cascade(self, packet: HiveMessage, timeout: float) -> list[FakeAnswer]:
        self.asked.append((packet, timeout))
        return list(self._stream())

    def ping(self, timeout: float, settle: float = 1.0) -> HiveMapper:
        self.floods += 1
        self.patience = (timeout, settle)
        if isinstance(self.mapper, Exception):
            raise self.mapper
        return self.mapper

    def emit_intercom(self, packet: HiveMessage, pubkey: str) -> None:
        self.whispered.append((packet, pubkey))
        for each in self.answer(packet):
            self.hear(each)

    def on_mycroft(self, name: str, handler: Callable[[str], None]) -> None:
        assert name == "message"
        self._listeners.append(handler)
        self.on_listening(self)

    def whisper(self, message: Json) -> None:
        """Say a message on the internal bus."""
        for handler in self._listeners:
            handler(json_text(message))

    def _stream(self) -> Iterator[FakeAnswer]:
        for each in self.outcome:
            if isinstance(each, Exception):
                raise each
            yield each
