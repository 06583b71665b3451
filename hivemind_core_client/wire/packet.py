"""What a user sends, as a HiveMessage."""

from __future__ import annotations

from typing import Any

from hivemind_core_client.wire.message import (
    AnyBinaryType,
    HiveMessage,
    HiveMessageType,
    HiveMindBinaryPayloadType,
)

_UNDEFINED = HiveMindBinaryPayloadType.UNDEFINED


def as_packet(message: Any, bin_type: AnyBinaryType = _UNDEFINED) -> HiveMessage:
    """A HiveMessage as it is, an OVOS Message as BUS. A `bin_type` that is given wins over the message's own."""
    if not isinstance(message, HiveMessage):
        return HiveMessage(HiveMessageType.BUS, message)
    if bin_type is _UNDEFINED or bin_type == _UNDEFINED:
        return message
    return message.copy(bin_type=bin_type)
