"""The hub's part in a test without a hub, sans IO: what was sent to it, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

from attrs import field, frozen

from hivemind_core_client.errors import HiveMindError, InvalidMessage
from hivemind_core_client.kernel.questions import answers_to
from hivemind_core_client.message import OVOS_TYPES, WRAPPER_TYPES, HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import HubFacts
from hivemind_core_client.satellite import Satellite
from hivemind_core_client.waiters import Names, is_hive_type, message_named, names_of
from hivemind_core_client.waiting import as_packet

#: What the fake hub calls itself.
NODE_ID = "fake-hub"
_ASKING = (HiveMessageType.QUERY, HiveMessageType.CASCADE)


@frozen
class Rule:
    """What `responder` answers to messages called `name`: a value, or a function that makes one."""

    name: str
    responder: str
    reply: Any = field(repr=False)

    def answers(self, packet: HiveMessage) -> Optional[list[HiveMessage]]:
        """The messages that answer this one; None for none. Raises what the function raises."""
        subject = _subject(packet, self.name)
        said = None if subject is None else self.reply(subject) if callable(self.reply) else self.reply
        if said is None:
            return None
        messages = list(said) if isinstance(said, (list, tuple)) else [said]
        if packet.msg_type not in _ASKING:
            return [as_packet(message) for message in messages]
        packets = [message for message in messages if isinstance(message, HiveMessage)]
        spoken = tuple(message for message in messages if not isinstance(message, HiveMessage))
        return packets if packets and not spoken else packets + answers_to(packet, self.responder, spoken)


class FakeHub:
    """Takes what a client sends, and answers by rules. `outage` is why no session can be had, or None."""

    def __init__(self) -> None:
        self.emitted: list[HiveMessage] = []
        self.outage: Optional[HiveMindError] = None
        self.public_key = ""
        self._rules: dict[tuple[str, str], Rule] = {}

    def facts(self, satellite: Satellite) -> HubFacts:
        """What this hub says of itself to a satellite."""
        return HubFacts(NODE_ID, f"{satellite.settings.useragent}::default", self.public_key)

    def respond(self, message_type: Names, reply: Any, responder: str) -> None:
        """Answer messages of these types from now on, in place of what this responder answered before."""
        for name in names_of(message_type):
            self._rules[name, responder] = Rule(name, responder, reply)

    def emitted_of(self, message_type: Names) -> list[HiveMessage]:
        """What came of a hive type, or as BUS of an OVOS type."""
        matches = message_named(message_type)
        return [packet for packet in self.emitted if matches(packet)]

    def take(self, packet: HiveMessage) -> list[HiveMessage]:
        """Note what arrived; returns the answers: of everybody to a CASCADE, else of the first who has one."""
        self.emitted.append(packet)
        answers: list[HiveMessage] = []
        if packet.metadata.get("is_response"):
            return answers
        for rule in list(self._rules.values()):
            given = rule.answers(packet)
            answers += given or ()
            if given is not None and packet.msg_type is not HiveMessageType.CASCADE:
                break
        return answers


def carried(satellite: Satellite, message: HiveMessage) -> HiveMessage:
    """The message as it comes out at the other end of the wire.

    Raises InvalidMessage for one that has no form on it, and ProtocolError for one that cannot be read there.
    """
    serializers, options = satellite.registry.serializers, satellite.options
    serializer = serializers["binary" if message.msg_type is HiveMessageType.BINARY else "text"]
    frame = serializer.encode(message, options.compress)
    if frame is None:
        raise InvalidMessage(f"a {message.msg_type.name} message has no {serializer.name} form")
    return serializer.decode(frame, options.limits.inflated)


def _layers(packet: HiveMessage) -> Iterator[HiveMessage]:
    """A message, and the messages inside it."""
    yield packet
    while packet.msg_type in WRAPPER_TYPES:
        packet = packet.payload
        yield packet


def _subject(packet: HiveMessage, name: str) -> Any:
    """The HiveMessage or OVOS Message in a packet that is called `name`, or None."""
    for layer in _layers(packet):
        if layer.msg_type.value == name:
            return layer
        if layer.msg_type in OVOS_TYPES and layer["type"] == name and not is_hive_type(name):
            return layer.payload
    return None
