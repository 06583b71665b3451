"""The hub's part in a test without a hub, sans IO: what was sent to it, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import Parameter, Signature
from typing import Any, Optional

from attrs import field, frozen

from hivemind_core_client.config.identity import NodeIdentity
from hivemind_core_client.config.profile import ClientProfile
from hivemind_core_client.config.settings import Address
from hivemind_core_client.kernel.progress import Progress, ProgressReporter
from hivemind_core_client.kernel.questions import answers_to
from hivemind_core_client.plugins.contract import HubFacts, Negotiated
from hivemind_core_client.shell.waiters import Names, TypeNames, is_hive_type, message_named, names_of
from hivemind_core_client.wire.errors import HiveMindError, InvalidMessage
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType, Payload
from hivemind_core_client.wire.packet import as_packet

#: What the fake hub calls itself.
NODE_ID = "fake-hub"
_ASKING = (HiveMessageType.QUERY, HiveMessageType.CASCADE)


@frozen
class Rule:
    """What `responder` answers to messages called `name`: a value, or a function that makes one.

    `is_hive` says that this is the name of a hive type, not of OVOS Messages.
    """

    name: str
    is_hive: bool
    responder: str
    reply: Any = field(repr=False)

    def answers(self, packet: HiveMessage) -> Optional[list[HiveMessage]]:
        """The messages that answer this one; None for none. Raises what the function raises."""
        subject = _subject(packet, self.name, self.is_hive)
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
    """Takes what a client sends, and answers by rules. `outage` is why no session can be had, or None.

    `confirms` tells whether it shows at once that it has read what was sent, `echoes` whether who sent it hears it too.
    `types` are the names of the message types that plugins bring.
    """

    def __init__(self) -> None:
        self.emitted: list[HiveMessage] = []
        self.outage: Optional[HiveMindError] = None
        self.public_key = ""
        self.confirms = True
        self.echoes = False
        self.types: TypeNames = ()
        self._rules: dict[tuple[str, str], Rule] = {}

    def facts(self, profile: ClientProfile) -> HubFacts:
        """What this hub says of itself to a satellite."""
        return HubFacts(NODE_ID, f"{profile.settings.useragent}::default", self.public_key)

    def respond(self, message_type: Names, reply: Any, responder: str) -> None:
        """Answer messages of these types from now on, in place of what this responder answered before."""
        for name in names_of(message_type):
            self._rules[name, responder] = Rule(name, is_hive_type(name, self.types), responder, reply)

    def emitted_of(self, message_type: Names) -> list[HiveMessage]:
        """What came of a hive type, or as BUS of an OVOS type."""
        matches = message_named(message_type, self.types)
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


def with_keywords(signature: Signature, *names: str) -> Signature:
    """The signature of a client with more keywords, which are texts or None."""
    more = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation="Optional[str]") for name in names
    ]
    return signature.replace(parameters=[*signature.parameters.values(), *more])


def completed(given: dict[str, Any]) -> dict[str, Any]:
    """The options of a client, with something for each that it would look up elsewhere."""
    identity = given.get("identity")
    identity = NodeIdentity({}) if identity is None else identity
    host = given.get("host") or identity.default_master or NODE_ID
    port = Address.read(host, given.get("port"), identity.default_port).port
    key = given.get("key") or identity.access_key or "fake-key"
    profile = given.get("profile") or ""  # else that of the environment
    return {
        "trace": False,
        **given,
        "identity": identity,
        "key": key,
        "host": host,
        "port": port,
        "profile": profile,
    }


def agreed(profile: ClientProfile) -> Negotiated:
    """What a handshake with the fake hub comes to: this satellite's first choices."""
    options, registry = profile.options, profile.registry
    cipher, encoding = options.ciphers or registry.unasked_ciphers(), options.encodings or registry.encodings
    return Negotiated(options.max_version, "fake", next(iter(cipher)), next(iter(encoding)), options.binarize)


def exchanged(
    profile: ClientProfile, hub: FakeHub, sent: HiveMessage, progress: Optional[Progress]
) -> list[HiveMessage]:
    """Hand the hub what was sent, telling `progress`; returns the answers as they come out at the satellite."""
    if progress is not None:
        binary = sent.msg_type is HiveMessageType.BINARY
        size = len(sent.raw_payload if binary else sent.as_json.encode())
        ProgressReporter(progress)(size, size)
    return [carried(profile, answer) for answer in hub.take(sent)]


def carried(profile: ClientProfile, message: HiveMessage) -> HiveMessage:
    """The message as it comes out at the other end of the wire.

    Raises InvalidMessage for one that has no form on it, and ProtocolError for one that cannot be read there.
    """
    serializers, options = profile.registry.serializers, profile.options
    serializer = serializers["binary" if message.msg_type is HiveMessageType.BINARY else "text"]
    frame = serializer.encode(message, options.compress)
    if frame is None:
        raise InvalidMessage(f"a {message.msg_type.name} message has no {serializer.name} form")
    return serializer.decode(frame, options.limits.inflated)


def _layers(packet: HiveMessage) -> Iterator[HiveMessage]:
    """A message, and the messages inside it."""
    yield packet
    while packet.msg_type.carries is Payload.HIVE:
        packet = packet.payload
        yield packet


def _subject(packet: HiveMessage, name: str, is_hive: bool) -> Any:
    """The HiveMessage or OVOS Message in a packet that is called `name`, or None."""
    for layer in _layers(packet):
        if is_hive and layer.msg_type.value == name:
            return layer
        if not is_hive and layer.msg_type.carries is Payload.OVOS and layer["type"] == name:
            return layer.payload
    return None
