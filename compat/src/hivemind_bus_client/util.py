"""Turning messages into one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.util import *
from hivemind_core_client.util import __all__ as _ours

if TYPE_CHECKING:
    from ovos_bus_client.message import Message as Message

    from hivemind_core_client.encryption import SupportedCiphers as SupportedCiphers
    from hivemind_core_client.encryption import SupportedEncodings as SupportedEncodings

__all__ = [*_ours, "HiveMessage", "HiveMessageType"]


def __getattr__(name: str) -> Any:
    """OVOS and the ciphers are imported when they are asked for."""
    if name == "Message":
        from ovos_bus_client.message import Message

        return Message
    if name in ("SupportedCiphers", "SupportedEncodings"):
        from hivemind_core_client import encryption

        return getattr(encryption, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
