"""HiveMessage and its types: the packet that satellites and hubs exchange."""

from __future__ import annotations

from hivemind_core_client.wire.message import (
    OVOS_TYPES,
    WRAPPER_TYPES,
    AnyBinaryType,
    AnyMessageType,
    HiveMessage,
    HiveMessageType,
    HiveMindBinaryPayloadType,
    is_ovos_message,
    read_message_type,
)

__all__ = [
    "OVOS_TYPES",
    "WRAPPER_TYPES",
    "AnyBinaryType",
    "AnyMessageType",
    "HiveMessage",
    "HiveMessageType",
    "HiveMindBinaryPayloadType",
    "is_ovos_message",
    "read_message_type",
]
