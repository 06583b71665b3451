"""The names of the reference client `hivemind_bus_client`, on hivemind_core_client.

Each name is imported when it is first used, so that a program that wants a message does not load a client.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivemind_bus_client.async_client import AsyncHiveMessageBusClient as AsyncHiveMessageBusClient
    from hivemind_bus_client.client import HiveMessageBusClient
    from hivemind_bus_client.message import HiveMessage, HiveMessageType

#: What needs Python 3.10 is not among these, or `import *` would fail before that.
__all__ = ["HiveMessage", "HiveMessageBusClient", "HiveMessageType"]

_HOMES = {
    "AsyncHiveMessageBusClient": "async_client",
    "AsyncHiveMessageWaiter": "async_client",
    "AsyncHivePayloadWaiter": "async_client",
    "HiveMessage": "message",
    "HiveMessageBusClient": "client",
    "HiveMessageType": "message",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_HOMES})
