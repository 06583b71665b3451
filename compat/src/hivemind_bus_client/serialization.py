"""Binary frames by function."""

from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
from hivemind_core_client.serialization import *
from hivemind_core_client.serialization import __all__ as _ours

# Satellites with a microphone import the types from here.
__all__ = [*_ours, "HiveMessage", "HiveMessageType", "HiveMindBinaryPayloadType"]
