"""HiveMessage: the packet that satellites and hubs exchange (docs/protocol.md, "The envelope")."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Any, Union

from hivemind_core_client.wire.errors import FrameError, InvalidMessage, UnknownMessageType
from hivemind_core_client.wire.json_text import Json, json_object, json_text
from hivemind_core_client.wire.ovos import to_message


class HiveMessageType(str, Enum):
    """The wire name of each message type; a member equals its wire name."""

    HANDSHAKE = "shake"
    BUS = "bus"
    SHARED_BUS = "shared_bus"
    BROADCAST = "broadcast"
    PROPAGATE = "propagate"
    ESCALATE = "escalate"
    HELLO = "hello"
    QUERY = "query"
    CASCADE = "cascade"
    PING = "ping"
    RENDEZVOUS = "rendezvous"
    THIRDPRTY = "3rdparty"
    BINARY = "bin"
    INTERCOM = "intercom"

    __str__ = str.__str__

    def __format__(self, format_spec: str) -> str:
        """The wire name, on every Python."""
        return str.__format__(self.value, format_spec)


class HiveMindBinaryPayloadType(IntEnum):
    """What the payload of a BINARY message is (4 bits on the wire)."""

    UNDEFINED = 0
    RAW_AUDIO = 1
    NUMPY_IMAGE = 2
    FILE = 3
    STT_AUDIO_TRANSCRIBE = 4
    STT_AUDIO_HANDLE = 5
    TTS_AUDIO = 6


#: Types whose payload is an OVOS Message.
OVOS_TYPES = frozenset({HiveMessageType.BUS, HiveMessageType.SHARED_BUS})
#: Types whose payload is another HiveMessage.
WRAPPER_TYPES = frozenset(
    {
        HiveMessageType.BROADCAST,
        HiveMessageType.PROPAGATE,
        HiveMessageType.ESCALATE,
        HiveMessageType.QUERY,
        HiveMessageType.CASCADE,
    }
)

_BY_NAME: dict[str, HiveMessageType] = {member.value: member for member in HiveMessageType}
_UNDEFINED = HiveMindBinaryPayloadType.UNDEFINED
#: What the optional fields of a message must be.
_FIELD_KINDS: tuple[tuple[str, type], ...] = (
    ("node", str),
    ("source_peer", str),
    ("target_site_id", str),
    ("target_pubkey", str),
    ("route", list),
    ("metadata", dict),
)


def read_message_type(name: Any) -> HiveMessageType:
    """The member for a wire name. Raises UnknownMessageType for anything else."""
    try:
        return _BY_NAME[name]
    except (KeyError, TypeError):
        raise UnknownMessageType(f"unknown message type {str(name)[:40]!r}") from None


def is_ovos_message(value: Any) -> bool:
    """True for an OVOS Message, told by its shape so that OVOS need not be imported."""
    return (
        isinstance(getattr(value, "msg_type", None), str)
        and isinstance(getattr(value, "data", None), dict)
        and isinstance(getattr(value, "context", None), dict)
    )


class HiveMessage:
    """One packet of the hive.

    `msg_type` is a HiveMessageType or its wire name. `payload` is an OVOS Message or its dict (BUS,
    SHARED_BUS), a HiveMessage or its dict (the wrappers), bytes (BINARY), else a dict; None means `{}`.
    It is taken as given or refused: text is never parsed. `bin_type` is for BINARY only. `route`
    is a list of hops `{"source": peer, "targets": [peer, …]}`.

    Raises InvalidMessage (a ValueError) for a payload or bin_type that does not fit the type, and
    UnknownMessageType (a ValueError) for an unknown type.
    """

    __slots__ = (
        "_bin_type",
        "_metadata",
        "_msg_type",
        "_node",
        "_payload",
        "_route",
        "_source_peer",
        "_target_peers",
        "_target_pubkey",
        "_target_site_id",
    )

    def __init__(
        self,
        msg_type: Union[HiveMessageType, str],
        payload: Any = None,
        node: str | None = None,
        source_peer: str | None = None,
        route: list[Json] | None = None,
        target_peers: list[str] | None = None,
        target_site_id: str | None = None,
        target_pubkey: str | None = None,
        bin_type: HiveMindBinaryPayloadType = _UNDEFINED,
        metadata: Json | None = None,
    ) -> None:
        self._msg_type = read_message_type(msg_type)
        self._bin_type = _checked_bin_type(self._msg_type, bin_type)
        self._payload = _checked_payload(self._msg_type, payload)
        self._metadata: Json = metadata if metadata is not None else {}
        self._node = node
        self._source_peer = source_peer
        self._route: list[Json] = route if route is not None else []
        self._target_peers: list[str] = target_peers if target_peers is not None else []
        self._target_site_id = target_site_id
        self._target_pubkey = target_pubkey

    @property
    def msg_type(self) -> HiveMessageType:
        """The message type."""
        return self._msg_type

    @property
    def bin_type(self) -> HiveMindBinaryPayloadType:
        """What a BINARY payload is; UNDEFINED on every other type."""
        return self._bin_type

    @property
    def metadata(self) -> Json:
        """Facts about the payload, such as `lang` or `file_name`."""
        return self._metadata

    @property
    def node_id(self) -> str | None:
        """The node that the sender names, if any."""
        return self._node

    @property
    def source_peer(self) -> str | None:
        """The peer this message came from, as the receiver names it."""
        return self._source_peer

    @property
    def target_peers(self) -> list[str]:
        """Peers this message is for; the source itself where none was named."""
        if self._source_peer and not self._target_peers:
            return [self._source_peer]
        return self._target_peers

    @property
    def target_site_id(self) -> str | None:
        """The site this message is for, or None."""
        return self._target_site_id

    @property
    def target_public_key(self) -> str | None:
        """PEM text of the RSA key this message is for, or None."""
        return self._target_pubkey

    @property
    def route(self) -> list[Json]:
        """The hops so far; hops without a source or targets are left out."""
        return [hop for hop in self._route if _is_hop(hop)]

    @property
    def raw_route(self) -> list[Any]:
        """The route as it came, malformed hops included. Not a copy."""
        return self._route

    @property
    def payload(self) -> Any:
        """An OVOS Message (BUS, SHARED_BUS), a HiveMessage (wrappers), bytes (BINARY), else a dict."""
        if self._msg_type in OVOS_TYPES:
            return to_message(self._payload)
        if self._msg_type in WRAPPER_TYPES:
            return HiveMessage.deserialize(self._payload)
        return self._payload

    @payload.setter
    def payload(self, value: Any) -> None:
        self._payload = _checked_payload(self._msg_type, value)

    @property
    def raw_payload(self) -> Any:
        """The payload as it travels: a dict, or bytes for BINARY. Not a copy."""
        return self._payload

    @property
    def as_dict(self) -> Json:
        """The object of a text frame. Raises InvalidMessage for BINARY, which has none."""
        if self._msg_type is HiveMessageType.BINARY:
            raise InvalidMessage("a BINARY message has no JSON form; it travels as a binary frame")
        return {
            "msg_type": self._msg_type.value,
            "payload": self._payload,
            "metadata": self._metadata,
            "route": self.route,
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
        """Read JSON text, or the object it holds. Raises FrameError for anything that is no HiveMessage."""
        fields = payload if isinstance(payload, dict) else json_object(payload)
        msg_type = read_message_type(fields.get("msg_type"))
        if msg_type is HiveMessageType.BINARY:
            raise FrameError("a BINARY message cannot travel as text")
        body = fields.get("payload")
        if type(body) is not dict:
            raise FrameError(f"the payload of {msg_type.name} is a {type(body).__name__}, not an object")
        for key, kind in _FIELD_KINDS:
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
        fields = {
            "msg_type": self._msg_type,
            "payload": self._payload,
            "node": self._node,
            "source_peer": self._source_peer,
            "route": list(self._route),
            "target_peers": list(self._target_peers),
            "target_site_id": self._target_site_id,
            "target_pubkey": self._target_pubkey,
            "bin_type": self._bin_type,
            "metadata": self._metadata,
        }
        return HiveMessage(**{**fields, **changes})

    def __getitem__(self, key: str) -> Any:
        """A field of a dict payload, or None where it is missing."""
        return self._fields().get(key)

    def __setitem__(self, key: str, value: Any) -> None:
        """Set a field of a dict payload."""
        self._fields()[key] = value

    def __eq__(self, other: object) -> bool:
        """Equal when everything that travels is equal."""
        if not isinstance(other, HiveMessage):
            return NotImplemented
        return self._identity() == other._identity()

    __hash__ = None  # type: ignore[assignment]  # messages are mutable

    def __repr__(self) -> str:
        """Type and size only: payloads hold speech and secrets, and this text ends up in logs."""
        kind = f":{self._bin_type.name}" if self._bin_type else ""
        return f"<HiveMessage {self._msg_type.name}{kind}, {len(self._payload)} {self._unit()}>"

    def __str__(self) -> str:
        """JSON text, or the short form for BINARY."""
        return repr(self) if self._msg_type is HiveMessageType.BINARY else self.as_json

    def update_hop_data(self, data: Json | None = None, **extra: Any) -> None:
        """Note this node's hop in the route, and merge `data` into the last hop."""
        last: Any = self._route[-1] if self._route else None
        if not _is_hop(last) or last.get("source") != self._source_peer:
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

    def _fields(self) -> Json:
        if not isinstance(self._payload, dict):
            raise TypeError("a BINARY payload has no fields")
        return self._payload

    def _unit(self) -> str:
        return "bytes" if isinstance(self._payload, (bytes, bytearray, memoryview)) else "fields"

    def _identity(self) -> tuple[Any, ...]:
        return (
            self._msg_type,
            self._bin_type,
            self._payload,
            self._metadata,
            self.route,
            self._node,
            self._target_site_id,
            self._target_pubkey,
            self._source_peer,
        )


def _is_hop(hop: Any) -> bool:
    return isinstance(hop, dict) and bool(hop.get("source")) and bool(hop.get("targets"))


def _checked_bin_type(msg_type: HiveMessageType, bin_type: int) -> HiveMindBinaryPayloadType:
    if msg_type is not HiveMessageType.BINARY:
        if bin_type:
            raise InvalidMessage(f"bin_type is for BINARY messages, not for {msg_type.name}")
        return _UNDEFINED
    try:
        return HiveMindBinaryPayloadType(bin_type)
    except ValueError:
        raise InvalidMessage(f"unknown bin_type {bin_type!r}") from None


def _checked_payload(msg_type: HiveMessageType, payload: Any) -> Any:
    if msg_type is HiveMessageType.BINARY:
        if isinstance(payload, (bytes, bytearray, memoryview)):
            return bytes(payload)
        raise InvalidMessage(f"a BINARY payload is bytes, not {type(payload).__name__}")
    if isinstance(payload, HiveMessage):
        payload = payload.as_dict
    elif payload is None:
        payload = {}
    elif not isinstance(payload, dict) and is_ovos_message(payload):
        payload = {"type": payload.msg_type, "data": payload.data, "context": payload.context}
    if not isinstance(payload, dict):
        raise InvalidMessage(
            f"the payload of {msg_type.name} is a {type(payload).__name__}; pass a dict, a Message or a HiveMessage"
        )
    if msg_type in OVOS_TYPES:
        _check_ovos_payload(msg_type, payload)
    elif msg_type in WRAPPER_TYPES and not isinstance(payload.get("msg_type"), str):
        raise InvalidMessage(f"the payload of {msg_type.name} is no HiveMessage: it has no msg_type")
    return payload


def _check_ovos_payload(msg_type: HiveMessageType, payload: Json) -> None:
    if not isinstance(payload.get("type"), str):
        raise InvalidMessage(f"the payload of {msg_type.name} is no Message: it has no type")
    for key in ("data", "context"):
        if not isinstance(payload.get(key, {}), (dict, type(None))):
            raise InvalidMessage(f"{key!r} of the Message in {msg_type.name} is no object")
