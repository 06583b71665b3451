"""Binary frames by the function names of the reference client; the code is builtins/binary_serializer.py."""

from __future__ import annotations

from typing import Any, Optional, Union

from hivemind_core_client.builtins.binary_serializer import FRAME_VERSION, decode, encode
from hivemind_core_client.kernel.policy import Limits
from hivemind_core_client.wire.errors import InvalidMessage, UnsupportedProtocolVersion
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType

__all__ = ["Bitstring", "decode_bitstring", "get_bitstring"]


class Bitstring(bytes):
    """A binary frame. It is bytes already; `bytes` is there for callers who ask a bit string for them."""

    @property
    def bytes(self) -> Bitstring:
        """This frame."""
        return self


def get_bitstring(
    hive_type: Union[HiveMessageType, str] = HiveMessageType.BUS,
    payload: Any = None,
    compressed: Optional[bool] = None,
    hivemeta: Optional[Json] = None,
    binary_type: HiveMindBinaryPayloadType = HiveMindBinaryPayloadType.UNDEFINED,
    proto_version: int = FRAME_VERSION,
    versioned: bool = False,
) -> Bitstring:
    """The binary frame of a payload; see `builtins.binary_serializer.encode`.

    Raises InvalidMessage for a payload that has no binary form, and UnsupportedProtocolVersion.
    """
    if proto_version > FRAME_VERSION:
        raise UnsupportedProtocolVersion(f"frames of version {proto_version}; the newest is {FRAME_VERSION}")
    message = HiveMessage(hive_type, payload, bin_type=binary_type, metadata=hivemeta)
    frame = encode(message, compressed, versioned)
    if frame is None:
        raise InvalidMessage(f"a {message.msg_type.name} message with this metadata has no binary form")
    return Bitstring(frame)


def decode_bitstring(bitstr: Union[bytes, bytearray, memoryview]) -> HiveMessage:
    """The message in a binary frame. Raises FrameError."""
    return decode(bytes(bitstr), Limits().inflated)
