"""HiveMessage: the packet that satellites and hubs exchange (docs/protocol.md, "The envelope")."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Final, Union

from hivemind_core_client.wire.errors import FrameError, InvalidMessage, Mend
from hivemind_core_client.wire.json_text import Json, json_object, json_text
from hivemind_core_client.wire.message_fields import COPIED, DROPPED, FIELD_KINDS, KEPT, UNCHECKED, is_hop
from hivemind_core_client.wire.message_types import (
    BY_NAME,
    HANDSHAKE_TYPES,
    OVOS_TYPES,
    WRAPPER_TYPES,
    AnyBinaryType,
    AnyMessageType,
    BinaryType,
    HiveMessageType,
    HiveMindBinaryPayloadType,
    MessageType,
    Payload,
    checked_bin_type,
    checked_data,
    checked_fields,
    enveloped,
    read_binary_type,
    read_message_type,
)
from hivemind_core_client.wire.ovos import is_ovos_message, to_message
from hivemind_core_client.wire.payloads import MESSAGE_FIELDS, Opened, OpenedMessage, Plain, shared, size_of

__all__ = [
    "HANDSHAKE_TYPES",
    "OVOS_TYPES",
    "WRAPPER_TYPES",
    "AnyBinaryType",
    "AnyMessageType",
    "BinaryType",
    "HiveMessage",
    "HiveMessageType",
    "HiveMindBinaryPayloadType",
    "MessageType",
    "Payload",
    "is_ovos_message",
    "read_binary_type",
    "read_message_type",
]

_UNDEFINED = HiveMindBinaryPayloadType.UNDEFINED
_BINARY = HiveMessageType.BINARY


def _reads(slot: str, meaning: str) -> Any:
    """A read-only property that makes no Python call: each message is asked for its type many times."""
    return property(attrgetter(slot), doc=meaning)


class HiveMessage:
    """One packet of the hive.

    `msg_type` is a HiveMessageType, a MessageType of a plugin, or a wire name. `payload` is an OVOS Message or its dict
    (BUS, SHARED_BUS), a HiveMessage or its dict (the wrappers), bytes (BINARY), else a dict. None means `{}`. A type of
    a plugin says what it carries. A dict may be JSON text. A Message in a wrapper becomes a BUS message in it. A
    payload that does not fit is refused. `bin_type` is for BINARY only.
    `route` is a list of hops `{"source": peer, "targets": [peer, …]}`.

    Raises InvalidMessage (a ValueError) for a payload or bin_type that does not fit the type, and
    UnknownMessageType (a ValueError) for an unknown type.
    """

    __slots__ = (
        "_bin_type",
        "_body",
        "_dropped",
        "_metadata",
        "_msg_type",
        "_node",
        "_route",
        "_source_peer",
        "_target_peers",
        "_target_pubkey",
        "_target_site_id",
        "weight",
    )

    def __init__(
        self,
        msg_type: Union[AnyMessageType, str],
        payload: Any = None,
        node: str | None = None,
        source_peer: str | None = None,
        route: list[Json] | None = None,
        target_peers: list[str] | None = None,
        target_site_id: str | None = None,
        target_pubkey: str | None = None,
        bin_type: Union[AnyBinaryType, int] = _UNDEFINED,
        metadata: Json | None = None,
    ) -> None:
        kind = msg_type if type(msg_type) is HiveMessageType else read_message_type(msg_type)
        self._msg_type = kind
        self._bin_type = checked_bin_type(kind, bin_type) if bin_type or kind is _BINARY else _UNDEFINED
        #: The payload as it travels, or the object that was made of it and all that has become of that.
        self._body: Union[Plain, Opened] = Plain(
            ((checked_fields if type(payload) is dict else _checked_payload)(kind, payload),)
        )
        self._metadata: Json = metadata if metadata is not None else {}
        self._node = node
        self._source_peer = source_peer
        self._route: list[Json] = route if route is not None else []
        self._target_peers: list[str] = target_peers if target_peers is not None else []
        self._target_site_id = target_site_id
        self._target_pubkey = target_pubkey
        #: What a message that arrived takes in memory, in bytes, as far as its serializer tells; 0 for one made here.
        self.weight = 0

    msg_type: Final[AnyMessageType] = _reads("_msg_type", "The message type.")
    bin_type: Final[AnyBinaryType] = _reads(
        "_bin_type", "What a BINARY payload is; UNDEFINED on every other type."
    )
    metadata: Final[Json] = _reads("_metadata", "Facts about the payload, such as `lang` or `file_name`.")
    node_id: Final[Union[str, None]] = _reads("_node", "The node that the sender names, if any.")
    source_peer: Final[Union[str, None]] = _reads(
        "_source_peer", "The peer this message came from, as the receiver names it."
    )
    target_site_id: Final[Union[str, None]] = _reads(
        "_target_site_id", "The site this message is for, or None."
    )
    target_public_key: Final[Union[str, None]] = _reads(
        "_target_pubkey", "PEM text of the RSA key this message is for, or None."
    )
    raw_route: Final[list[Any]] = _reads(
        "_route", "The route as it came, malformed hops included. Not a copy."
    )
    raw_payload: Final[Any] = _reads(
        "_body.fields",
        "The payload as it travels: a dict, bytes for BINARY, or the text of a type that carries text. Not a copy.",
    )
    dropped = DROPPED
    _payload = raw_payload  # hivescope reads it by its name in the reference client

    @property
    def target_peers(self) -> list[str]:
        """Peers this message is for; the source itself where none was named."""
        if self._source_peer and not self._target_peers:
            return [self._source_peer]
        return self._target_peers

    @property
    def route(self) -> list[Json]:
        """The hops so far; hops without a source are left out."""
        return [hop for hop in self._route if is_hop(hop)] if self._route else []

    @property
    def payload(self) -> Any:
        """An OVOS Message (BUS, SHARED_BUS), a HiveMessage (wrappers), bytes (BINARY), else a dict, or a text.

        It is the same object each time. What you change in it travels when the message is sent.
        """
        body = self._body
        if isinstance(body, Opened):
            return body.handed_out
        carries, fields = self._msg_type.carries, body.fields
        if carries is Payload.OVOS:
            made = OpenedMessage((to_message(fields), fields, self._msg_type, checked_fields))
            return shared(self, body, made)
        if carries is Payload.HIVE:
            inner = HiveMessage.from_wire(fields)
            return shared(self, body, Opened((inner, fields, self._msg_type, checked_fields)))
        return fields

    @payload.setter
    def payload(self, value: Any) -> None:
        self._body = Plain((_checked_payload(self._msg_type, value),))

    @property
    def as_dict(self) -> Json:
        """The object of a text frame. Raises InvalidMessage for BINARY, which has none."""
        if self._msg_type is _BINARY:
            raise InvalidMessage("a BINARY message has no JSON form; it travels as a binary frame")
        return {
            "msg_type": str(self._msg_type),
            "payload": self._body.fields,
            "metadata": self._metadata,
            "route": [hop for hop in self._route if is_hop(hop)] if self._route else [],
            "node": self._node,
            "target_site_id": self._target_site_id,
            "target_pubkey": self._target_pubkey,
            "source_peer": self._source_peer,
        }

    @property
    def as_json(self) -> str:
        """JSON text of `as_dict`."""
        return json_text(self.as_dict)

    def serialize(self) -> str:
        """Same as `as_json`."""
        return self.as_json

    @staticmethod
    def deserialize(payload: Union[str, bytes, Json]) -> HiveMessage:
        """Read JSON text, or the object it holds; that of an OVOS Message becomes a BUS message.

        Raises FrameError for anything else.
        """
        fields = payload if isinstance(payload, dict) else json_object(payload)
        if "msg_type" in fields or not isinstance(fields.get("type"), str):
            return HiveMessage.from_wire(fields)
        try:
            return HiveMessage.from_wire(enveloped(fields))
        except InvalidMessage as error:
            raise FrameError(str(error)) from error

    @staticmethod
    def from_wire(frame: Union[str, bytes, Json]) -> HiveMessage:
        """Read a HiveMessage's JSON text, or the object it holds. Raises FrameError for anything that is none."""
        fields = frame if isinstance(frame, dict) else json_object(frame)
        name = fields.get("msg_type")
        msg_type = (BY_NAME.get(name) if type(name) is str else None) or read_message_type(name)
        if msg_type is _BINARY:
            raise FrameError("a BINARY message cannot travel as text")
        body = fields.get("payload")
        if type(body) is not msg_type.form:
            wanted = "an object" if msg_type.form is dict else "a text"
            raise FrameError(f"the payload of {msg_type.name} is a {type(body).__name__}, not {wanted}")
        for key, kind in FIELD_KINDS:
            value = fields.get(key)
            if value is not None and type(value) is not kind:
                raise FrameError(f"{key!r} is a {type(value).__name__}, not a {kind.__name__}")
        try:
            return HiveMessage(
                msg_type,
                body,
                node=fields.get("node"),
                source_peer=fields.get("source_peer"),
                route=fields.get("route"),
                target_site_id=fields.get("target_site_id"),
                target_pubkey=fields.get("target_pubkey"),
                metadata=fields.get("metadata"),
            )
        except InvalidMessage as error:
            raise FrameError(str(error)) from error

    def copy(self, **changes: Any) -> HiveMessage:
        """The same message with some arguments of the constructor changed. The payload is shared, not copied."""
        if not changes.keys() <= COPIED:
            return self._made_anew(changes)
        copied = object.__new__(HiveMessage)
        copied._msg_type = self._msg_type
        copied._bin_type = self._bin_type
        copied._body = self._body
        copied._metadata = self._metadata
        copied._node = self._node
        copied._source_peer = self._source_peer
        copied._route = list(self._route)
        copied._target_peers = list(self._target_peers)
        copied._target_site_id = self._target_site_id
        copied._target_pubkey = self._target_pubkey
        copied.weight = self.weight
        for name, value in changes.items():
            if name == "payload":
                checked = checked_fields if type(value) is dict else _checked_payload
                copied._body = Plain((checked(self._msg_type, value),))
            else:
                setattr(copied, f"_{name}", UNCHECKED[name]() if value is None else value)
        return copied

    def forward(
        self,
        payload: Any = KEPT,
        msg_type: Any = KEPT,
        metadata: Any = KEPT,
        route: Any = KEPT,
        source_peer: Any = KEPT,
        target_peers: Any = KEPT,
        target_site_id: Any = KEPT,
        target_pubkey: Any = KEPT,
        node: Any = KEPT,
        bin_type: Any = KEPT,
    ) -> HiveMessage:
        """A message to send on: this one with what is given changed; None empties.

        It has a route, metadata and target peers of its own. The payload is shared. Raises InvalidMessage where a
        payload or a bin type does not fit the type.
        """
        given = {name: value for name, value in locals().items() if name != "self" and value is not KEPT}
        return self.copy(**{"metadata": dict(self._metadata), **given})

    def __getitem__(self, key: str) -> Any:
        """A field of a dict payload, or None where it is missing."""
        return self._fields().get(key)

    def __setitem__(self, key: str, value: Any) -> None:
        """Set a field of a dict payload. Raises InvalidMessage where it does not fit the type."""
        fields, body = self._fields(), self._body
        if isinstance(body, Plain):
            checked_fields(self._msg_type, {**fields, key: value})
            fields[key] = value
        elif isinstance(body, OpenedMessage) and key in MESSAGE_FIELDS:
            setattr(body.handed_out, MESSAGE_FIELDS[key], value)
        else:
            self.payload = {**fields, key: value}

    def __eq__(self, other: object) -> bool:
        """Equal when everything that travels is equal."""
        if not isinstance(other, HiveMessage):
            return NotImplemented
        return self._identity() == other._identity()

    __hash__ = None  # type: ignore[assignment]  # messages are mutable

    def __repr__(self) -> str:
        """Type and size only: payloads hold speech and secrets, and this text ends up in logs."""
        kind = self._msg_type.name + (f":{self._bin_type.name}" if self._bin_type else "")
        return f"<HiveMessage {kind}, {size_of(self._body.as_given)}>"

    def __str__(self) -> str:
        """JSON text, or the short form for BINARY."""
        return repr(self) if self._msg_type is _BINARY else self.as_json

    def update_hop_data(self, data: Json | None = None, **extra: Any) -> None:
        """Note this node's hop in the route, and merge `data` into the last hop."""
        last: Any = self._route[-1] if self._route else None
        # Older hubs leave out a hop without targets, so one that stands there already is none of ours.
        if not is_hop(last) or not last.get("targets") or last["source"] != self._source_peer:
            self._route.append({"source": self._source_peer, "targets": list(self.target_peers)})
        self._route[-1].update(data or {}, **extra)

    def replace_route(self, route: list[Json]) -> None:
        """Set the route."""
        self._route = route

    def update_source_peer(self, peer: str | None) -> HiveMessage:
        """Set the source peer; returns this message."""
        self._source_peer = peer
        return self

    def add_target_peer(self, peer: str) -> None:
        """Name one more peer this message is for."""
        self._target_peers.append(peer)

    def remove_target_peer(self, peer: str) -> None:
        """Name one peer less; a peer that was not named is no error."""
        if peer in self._target_peers:
            self._target_peers.remove(peer)

    def _made_anew(self, changes: Json) -> HiveMessage:
        """The same with another type, so that everything is checked again. Raises TypeError for an unknown argument."""
        unchecked = {name: getattr(self, f"_{name}") for name in UNCHECKED}
        checked = {"msg_type": self._msg_type, "payload": self.raw_payload, "bin_type": self._bin_type}
        return HiveMessage(**{**checked, **unchecked, **changes})

    def _fields(self) -> Json:
        fields = self._body.fields
        if not isinstance(fields, dict):
            raise TypeError(f"a {self._msg_type.name} payload has no fields")
        return fields

    def _identity(self) -> tuple[Any, ...]:
        return (
            self._msg_type,
            self._bin_type,
            self._body.fields,
            self._metadata,
            self.route,
            self._node,
            self._target_site_id,
            self._target_pubkey,
            self._source_peer,
        )


def _checked_payload(msg_type: AnyMessageType, payload: Any) -> Any:
    """The payload as it travels, of what the constructor takes."""
    if msg_type.form is not dict:
        return checked_data(msg_type, payload)
    if isinstance(payload, dict):
        return checked_fields(msg_type, payload)
    if isinstance(payload, HiveMessage):
        return checked_fields(msg_type, payload.as_dict)
    if payload is None:
        return checked_fields(msg_type, {})
    if isinstance(payload, str):
        return checked_fields(msg_type, _read(msg_type, payload))
    if not is_ovos_message(payload):
        raise InvalidMessage(
            f"the payload of {msg_type.name} is a {type(payload).__name__}",
            Mend("pass a dict, a Message, a HiveMessage or JSON text", joint="; "),
        )
    fields = {"type": payload.msg_type, "data": payload.data, "context": payload.context}
    return fields if msg_type.carries is Payload.OVOS else checked_fields(msg_type, fields)


def _read(msg_type: AnyMessageType, text: str) -> Json:
    """The object of JSON text. Raises InvalidMessage."""
    try:
        return json_object(text, f"the payload of {msg_type.name}")
    except FrameError as error:
        raise InvalidMessage.because("a payload cannot be read", error) from error
