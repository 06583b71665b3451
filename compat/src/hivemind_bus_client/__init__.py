"""The names of the reference client `hivemind_bus_client`, on hivemind_core_client.

Each name is imported when it is first used, so that a program that wants a message does not load a client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hivemind_bus_client._passed_on import passed_on

if TYPE_CHECKING:
    from hivemind_bus_client.async_client import AsyncHiveMessageBusClient as AsyncHiveMessageBusClient
    from hivemind_bus_client.client import HiveMessageBusClient
    from hivemind_bus_client.message import HiveMessage, HiveMessageType

#: What needs Python 3.10 is not among these, or `import *` would fail before that.
__all__ = ["HiveMessage", "HiveMessageBusClient", "HiveMessageType"]

_HOMES = {
    "async_client": ("AsyncHiveMessageBusClient", "AsyncHiveMessageWaiter", "AsyncHivePayloadWaiter"),
    "client": ("HiveMessageBusClient",),
    "message": ("HiveMessage", "HiveMessageType"),
}


def __getattr__(name: str) -> Any:
    return passed_on(__name__, name, _HOMES)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for names in _HOMES.values() for name in names)})
