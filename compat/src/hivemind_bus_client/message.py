"""HiveMessage and its types: the packet that satellites and hubs exchange."""

from hivemind_core_client.exceptions import MalformedWirePayload
from hivemind_core_client.message import *
from hivemind_core_client.message import __all__ as _ours

__all__ = [*_ours, "MalformedWirePayload"]
