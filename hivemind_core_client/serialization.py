"""Binary frames by the function names of the reference client; the code is builtins/binary_serializer.py."""

from __future__ import annotations

from typing import Any, Final, Optional, Union

from hivemind_core_client.builtins.binary_serializer import (
    CODES,
    FRAME_VERSION,
    MAX_METADATA_BYTES,
    decode,
    encode,
)
from hivemind_core_client.kernel.policy import Limits
from hivemind_core_client.wire.bitstring import Bitstring
from hivemind_core_client.wire.errors import FrameError, InvalidMessage, Mend
from hivemind_core_client.wire.frame_errors import (
    MalformedBinaryFrame,
    MetadataTooLarge,
    UnsupportedProtocolVersion,
)
from hivemind_core_client.wire.json_text import Json, json_object
from hivemind_core_client.wire.message import (
    AnyMessageType,
    HiveMessage,
    HiveMessageType,
    HiveMindBinaryPayloadType,
    is_ovos_message,
)
from hivemind_core_client.wire.message_types import types_without_code

__all__ = [
    "BINARY_ENCODABLE_TYPES",
    "MAX_METADATA_BYTES",
    "PROTOCOL_VERSION",
    "Bitstring",
    "decode_bitstring",
    "get_bitstring",
    "mycroft2bitstring",
]

#: The version of binary frames, which is none of the protocol.
PROTOCOL_VERSION: Final = FRAME_VERSION
#: The types that a binary frame can carry in every version of the protocol; the others are sent as text.
BINARY_ENCODABLE_TYPES: Final[frozenset[AnyMessageType]] = frozenset(CODES) - types_without_code(3)


def get_bitstring(
    hive_type: Union[HiveMessageType, str] = HiveMessageType.BUS,
    payload: Any = None,
    compressed: Optional[bool] = None,
    hivemeta: Optional[Json] = None,
    binary_type: HiveMindBinaryPayloadType = HiveMindBinaryPayloadType.UNDEFINED,
    proto_version: int = FRAME_VERSION,
    versioned: bool = False,
) -> Bitstring:
    """The binary frame of a payload, as a string of bits: `bytes` of it are what is sent.

    `compressed` None takes whichever form is shorter; see `builtins.binary_serializer.encode`. Raises InvalidMessage
    for a payload that does not fit its type and for a type without a binary form, MetadataTooLarge for `hivemeta`
    beyond 255 bytes, and UnsupportedProtocolVersion.
    """
    if proto_version > FRAME_VERSION:
        raise UnsupportedProtocolVersion(f"frames of version {proto_version}; the newest is {FRAME_VERSION}")
    message = HiveMessage(hive_type, payload, bin_type=binary_type, metadata=hivemeta)
    frame = encode(message, compressed, versioned)
    if frame is not None:
        return Bitstring(frame)
    if message.msg_type not in CODES:
        raise InvalidMessage(f"a {message.msg_type.name} message has no binary form", Mend("send it as text"))
    raise MetadataTooLarge(
        f"the metadata of a {message.msg_type.name} message is beyond {MAX_METADATA_BYTES} bytes",
        Mend("send it as text"),
    )


def mycroft2bitstring(msg: Any, compressed: bool = False) -> Bitstring:
    """The binary frame of a BUS message, with the Message's context as metadata.

    `msg` is an OVOS Message, its JSON text or its dict. Raises InvalidMessage, FrameError for text that is no JSON
    object, and MetadataTooLarge for a context beyond 255 bytes.
    """
    fields: Any = json_object(msg) if isinstance(msg, str) else msg
    context = fields.context if is_ovos_message(fields) else fields.get("context")
    return get_bitstring(HiveMessageType.BUS, fields, compressed, context)


def decode_bitstring(bitstr: Any) -> HiveMessage:
    """The message in a binary frame: bytes, a Bitstring, or any object with `tobytes()`.

    Raises MalformedBinaryFrame, and UnsupportedProtocolVersion.
    """
    data = bitstr if isinstance(bitstr, (bytes, bytearray)) else bitstr.tobytes()
    try:
        return decode(bytes(data), Limits().inflated)
    except UnsupportedProtocolVersion:
        raise
    except FrameError as error:
        raise MalformedBinaryFrame.because("a binary frame cannot be read", error) from error
