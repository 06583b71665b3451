"""The types of messages, and of what a BINARY message carries.

A new type needs a handler too, and a code to go as a binary frame (docs/where-does-my-line-go.md).
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Any

from hivemind_core_client.wire.errors import UnknownMessageType


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
#: Types that speak for the connection itself: always text, and for the client alone to send.
HANDSHAKE_TYPES = frozenset({HiveMessageType.HELLO, HiveMessageType.HANDSHAKE})
#: Types whose code in binary frames is unassigned in a session of a protocol version: they are text there.
_CODE_ENDS_AT: dict[HiveMessageType, int] = {HiveMessageType.THIRDPRTY: 3}
#: The type of each wire name.
BY_NAME: dict[str, HiveMessageType] = {member.value: member for member in HiveMessageType}


def types_without_code(version: int) -> frozenset[HiveMessageType]:
    """The types whose code means nothing in binary frames of this protocol version, whatever it meant before."""
    return frozenset(msg_type for msg_type, end in _CODE_ENDS_AT.items() if version >= end)


def check_has_code(msg_type: HiveMessageType, without: frozenset[HiveMessageType]) -> None:
    """Raises UnknownMessageType for a type that came in a binary frame, and is among those `without` a code."""
    if msg_type in without:
        raise UnknownMessageType(f"the code of {msg_type.name} is unassigned in this protocol version")


def read_message_type(name: Any) -> HiveMessageType:
    """The member for a wire name. Raises UnknownMessageType for anything else."""
    try:
        return BY_NAME[name]
    except (KeyError, TypeError):
        raise UnknownMessageType(f"unknown message type {str(name)[:40]!r}") from None
