"""The names of the reference client `hivemind_bus_client`, on hivemind_core_client.

AsyncHiveMessageBusClient is imported when it is first used, as there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hivemind_bus_client.client import HiveMessageBusClient
from hivemind_bus_client.message import HiveMessage, HiveMessageType

if TYPE_CHECKING:
    from hivemind_bus_client.async_client import AsyncHiveMessageBusClient as AsyncHiveMessageBusClient

__all__ = ["HiveMessage", "HiveMessageBusClient", "HiveMessageType"]

_LAZY = ("AsyncHiveMessageBusClient", "AsyncHiveMessageWaiter", "AsyncHivePayloadWaiter")


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hivemind_bus_client import async_client

    return getattr(async_client, name)
