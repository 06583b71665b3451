"""The types of messages, and of what a BINARY message carries.

The built-in types are enums. Those that plugins bring are objects of MessageType and BinaryType, with the same
attributes. The name of a message type means one thing in a process: `define` says what. Which types a client takes and
sends is said by its own plugins (`Registry.message_types` and `Registry.binary_types`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import Any, Union

from hivemind_core_client.wire.errors import (
    Command,
    FrameError,
    InvalidMessage,
    Mend,
    Setting,
    UnknownMessageType,
)


class Payload(str, Enum):
    """What a message of some type carries."""

    OBJECT = "object"
    TEXT = "text"
    OVOS = "ovos"
    HIVE = "hive"
    BYTES = "bytes"

    @property
    def form(self) -> type:
        """The type of the payload as it travels."""
        return {Payload.TEXT: str, Payload.BYTES: bytes}.get(self, dict)


class HiveMessageType(str, Enum):
    """The wire name of each message type; a member equals its wire name."""

    #: What its messages carry, and the type of that as it travels.
    carries: Payload
    form: type

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
#: Types that speak for the connection itself: always text, and for the client alone to send.
HANDSHAKE_TYPES = frozenset({HiveMessageType.HELLO, HiveMessageType.HANDSHAKE})
#: Types whose code in binary frames is unassigned in a session of a protocol version: they are text there.
_CODE_ENDS_AT: dict[HiveMessageType, int] = {HiveMessageType.THIRDPRTY: 3}

_CARRIED = {
    **dict.fromkeys(OVOS_TYPES, Payload.OVOS),
    **dict.fromkeys(WRAPPER_TYPES, Payload.HIVE),
    HiveMessageType.BINARY: Payload.BYTES,
}
for _member in HiveMessageType:
    _member.carries = _CARRIED.get(_member, Payload.OBJECT)
    _member.form = _member.carries.form
del _member

#: Names that a type of a plugin cannot have: those of the built-in ones, and those that `client.on` knows otherwise.
RESERVED = frozenset(
    {
        *(name.lower() for member in HiveMessageType for name in (member.value, member.name)),
        *("open", "close", "error", "reconnecting", "doubt", "denied", "dropped", "message"),
    }
)
_NAME = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,63}", re.ASCII)
_BIN_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII)
#: SHOW_PLUGINS of `wire/mends.py`, which would make the chain of imports longer.
_SHOW_PLUGINS = Command(("plugins",), takes_identity=False)
#: The bin types that the protocol leaves free.
_FREE_BIN_TYPES = range(7, 16)


class MessageType(str):
    """A message type of a plugin; it equals its wire name, as a HiveMessageType does.

    `payload` says what its messages carry: "object" is a dict, "text" a str, "ovos" an OVOS Message, and "hive" another
    HiveMessage, which makes it a wrapper. It has no code, so it goes as text in every session. Raises ValueError for a
    name that is taken, or is not made of up to 64 of `a-z 0-9 _ . : -`, and for another payload.
    """

    value: str
    name: str
    carries: Payload
    form: type

    def __new__(cls, name: str, payload: Union[Payload, str] = Payload.OBJECT) -> MessageType:
        """Check what is given."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a message type: up to 64 of a-z 0-9 _ . : -")
        if name in RESERVED:
            raise ValueError(f"{name!r} is the name of a built-in message type or event: give it another")
        carries = Payload(payload)
        if carries is Payload.BYTES:
            raise ValueError(f"{name!r} cannot carry bytes: those go as BINARY, with a BinaryType")
        made = super().__new__(cls, name)
        vars(made).update(value=str(made), name=str(made), carries=carries, form=carries.form)
        return made

    def __init_subclass__(cls) -> None:
        """Refuse: it is by its very class that a type is told from the built-in ones."""
        raise TypeError("MessageType cannot be a base: make an object of it for each type")

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]  # a str is made of its text alone
        """What makes a copy."""
        return self.value, self.carries.value

    def __repr__(self) -> str:
        """Name and payload."""
        return f"MessageType({self.value!r}, {self.carries.value!r})"


class BinaryType(int):
    """A bin type of a plugin, for one of the numbers 7 to 15 that the protocol leaves free; it equals its number.

    Raises ValueError for another number, and for a name that is taken or is not of the form `SOME_NAME`.
    """

    value: int
    name: str

    def __new__(cls, number: int, name: str) -> BinaryType:
        """Check what is given."""
        if type(number) is not int or number not in _FREE_BIN_TYPES:
            raise ValueError(f"{number!r} is no bin type that a plugin can have: those are 7 to 15")
        taken = HiveMindBinaryPayloadType.__members__
        if not isinstance(name, str) or not _BIN_NAME.fullmatch(name) or name in taken:
            raise ValueError(
                f"{name!r} is no name for a bin type: one like CLOUD_OF_POINTS, not a built-in's"
            )
        made = super().__new__(cls, number)
        vars(made).update(value=number, name=name)
        return made

    def __init_subclass__(cls) -> None:
        """Refuse, for the same reason."""
        raise TypeError("BinaryType cannot be a base: make an object of it for each number")

    def __getnewargs__(self) -> tuple[int, str]:  # type: ignore[override]  # an int is made of its number alone
        """What makes a copy."""
        return self.value, self.name

    def __repr__(self) -> str:
        """Number and name."""
        return f"BinaryType({self.value}, {self.name!r})"


AnyMessageType = Union[HiveMessageType, MessageType]
AnyBinaryType = Union[HiveMindBinaryPayloadType, BinaryType]

#: The type of each wire name in this process, and of each bin type's number.
BY_NAME: dict[str, AnyMessageType] = {member.value: member for member in HiveMessageType}
BY_NUMBER: dict[int, AnyBinaryType] = {
    **{member.value: member for member in HiveMindBinaryPayloadType},
    # Nothing depends on the name of a bin type, so each client has its own for a number (`Registry.recognised`).
    **{number: BinaryType(number, f"FREE_{number}") for number in _FREE_BIN_TYPES},
}
#: The types that loaded plugins have defined, by name: those cannot mean anything else.
_settled: dict[str, MessageType] = {}


def define(kind: MessageType) -> MessageType:
    """Let this name mean this in this process; returns what it means, which is what came first."""
    BY_NAME[kind.value] = meant = _settled.setdefault(kind.value, kind)
    return meant


def unsettle() -> None:
    """Let what plugins have defined be defined otherwise, as it is when plugins are loaded anew."""
    _settled.clear()


def same(one: Union[MessageType, BinaryType], other: Union[MessageType, BinaryType]) -> bool:
    """Whether two types are the same, and not called alike only."""
    return repr(one) == repr(other)


def types_without_code(version: int) -> frozenset[HiveMessageType]:
    """The types whose code means nothing in binary frames of this protocol version, whatever it meant before."""
    return frozenset(msg_type for msg_type, end in _CODE_ENDS_AT.items() if version >= end)


def check_has_code(msg_type: AnyMessageType, without: frozenset[HiveMessageType]) -> None:
    """Raises UnknownMessageType for a type that came in a binary frame, and is among those `without` a code."""
    if msg_type in without:
        raise UnknownMessageType(f"the code of {msg_type.name} is unassigned in this protocol version")


def read_message_type(name: Any) -> AnyMessageType:
    """The type of a wire name; a type is taken as it is. Raises UnknownMessageType for anything else."""
    if type(name) is MessageType:
        return name
    try:
        return BY_NAME[name]
    except (KeyError, TypeError):
        raise UnknownMessageType(
            f"unknown message type {str(name)[:40]!r}",
            Mend(
                "a type that a plugin brings is known once a client with that plugin is made; see ",
                _SHOW_PLUGINS,
            ),
        ) from None


def read_binary_type(number: Any) -> AnyBinaryType:
    """The bin type of a number; a type is taken as it is. Raises ValueError for anything else."""
    if type(number) is BinaryType:
        return number
    try:
        return BY_NUMBER[number]
    except (KeyError, TypeError):
        raise ValueError(f"{number!r} is no bin type") from None


def check_is_among(
    msg_type: AnyMessageType,
    bin_type: AnyBinaryType,
    types: Mapping[str, MessageType],
    binary_types: Mapping[int, BinaryType],
) -> None:
    """Raises UnknownMessageType, or FrameError for a bin type, for what is neither built in nor among these."""
    if type(msg_type) is MessageType and msg_type not in types:
        raise UnknownMessageType(f"no plugin of this client brings the message type {msg_type}", _SELECT)
    if type(bin_type) is BinaryType and bin_type not in binary_types:
        raise FrameError(f"no plugin of this client brings the bin type {bin_type:d}", _SELECT)


def checked_bin_type(msg_type: AnyMessageType, bin_type: int) -> AnyBinaryType:
    """The bin type, if it fits the type. Raises InvalidMessage."""
    if msg_type is not HiveMessageType.BINARY:
        if bin_type:
            raise InvalidMessage(f"bin_type is for BINARY messages, not for {msg_type.name}")
        return HiveMindBinaryPayloadType.UNDEFINED
    try:
        return read_binary_type(bin_type)
    except ValueError:
        raise InvalidMessage(f"unknown bin_type {bin_type!r}") from None


def checked_data(msg_type: AnyMessageType, payload: Any) -> Union[bytes, str]:
    """The bytes or the text of a payload that is no dict. Raises InvalidMessage."""
    if msg_type.carries is Payload.TEXT:
        if payload is None or isinstance(payload, str):
            return payload or ""
        raise InvalidMessage(f"the payload of {msg_type.name} is a str, not {type(payload).__name__}")
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return bytes(payload)
    raise InvalidMessage(f"a BINARY payload is bytes, not {type(payload).__name__}")


def checked_fields(msg_type: AnyMessageType, fields: dict[str, Any]) -> Any:
    """The dict of a payload, if it fits the type; that of a Message inside a wrapper becomes a BUS message's.

    Raises InvalidMessage.
    """
    carries = msg_type.carries
    if carries is Payload.OVOS:
        if not isinstance(fields.get("type"), str):
            raise InvalidMessage(f"the payload of {msg_type.name} is no Message: it has no type")
        for key in ("data", "context"):
            value = fields.get(key)
            if value is not None and not isinstance(value, dict):
                raise InvalidMessage(f"{key!r} of the Message in {msg_type.name} is no object")
    elif carries is Payload.HIVE:
        if not isinstance(fields.get("msg_type"), str):
            if not isinstance(fields.get("type"), str):
                raise InvalidMessage(f"the payload of {msg_type.name} is no HiveMessage: it has no msg_type")
            return wrapped_as_bus(fields)
    elif carries is not Payload.OBJECT:
        return checked_data(msg_type, fields)
    return fields


def wrapped_as_bus(fields: dict[str, Any]) -> dict[str, Any]:
    """The dict of the BUS message that carries the Message of this dict. Raises InvalidMessage for no Message's."""
    return {
        "msg_type": HiveMessageType.BUS.value,
        "payload": checked_fields(HiveMessageType.BUS, fields),
        "metadata": {},
        "route": [],
        "node": None,
        "target_site_id": None,
        "target_pubkey": None,
        "source_peer": None,
    }


def enveloped(fields: dict[str, Any]) -> dict[str, Any]:
    """The same for a bare Message that has fields of a HiveMessage beside its own: those go into the HiveMessage."""
    around = {key: fields[key] for key in _AROUND if key in fields}
    return {**wrapped_as_bus({key: fields[key] for key in fields if key not in around}), **around}


#: What a bare Message may have beside its own fields.
_AROUND = ("metadata", "target_site_id", "target_pubkey")
_SELECT = Mend(
    "install the plugin that brings it, or select it with ",
    Setting("HIVEMIND_CLIENT_PLUGINS"),
    "; see ",
    _SHOW_PLUGINS,
)
