"""Binary frames by function."""

from hivemind_core_client.exceptions import (
    MalformedBinaryFrame,
    MalformedWirePayload,
    MetadataTooLarge,
    UnsupportedProtocolVersion,
)
from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.serialization import *
from hivemind_core_client.serialization import __all__ as _ours
from hivemind_core_client.util import bytes2str, cast2bytes, compress_payload, decompress_payload

# Satellites with a microphone import the types from here.
__all__ = [
    *_ours,
    "HiveMessage",
    "HiveMessageType",
    "HiveMindBinaryPayloadType",
    "MalformedBinaryFrame",
    "MalformedWirePayload",
    "MetadataTooLarge",
    "UnsupportedProtocolVersion",
    "bytes2str",
    "cast2bytes",
    "compress_payload",
    "decompress_payload",
]
