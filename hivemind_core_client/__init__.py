"""Connect a satellite to a HiveMind hub, with everything but transport and handshake as a plugin.

Nothing heavy is imported before a name is used: neither the OVOS bus client nor a crypto library.

`from hivemind_core_client import *` brings what needs no extra. Import AsyncHiveMessageBusClient,
AsyncFakeHiveMessageBus, HiveMindHTTPClient and Polling by name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivemind_core_client.async_client import AsyncHiveMessageBusClient as AsyncHiveMessageBusClient
    from hivemind_core_client.client import BinaryDataCallbacks, HiveMessageBusClient
    from hivemind_core_client.errors import HiveMindError
    from hivemind_core_client.fakebus import AsyncFakeHiveMessageBus as AsyncFakeHiveMessageBus
    from hivemind_core_client.fakebus import FakeHiveMessageBus
    from hivemind_core_client.http_client import HiveMindHTTPClient as HiveMindHTTPClient
    from hivemind_core_client.http_client import Polling as Polling
    from hivemind_core_client.identity import NodeIdentity
    from hivemind_core_client.kernel.delivery import Metrics, UnconfirmedMessages
    from hivemind_core_client.kernel.policy import Backoff, Deadlines, Limits, Outbox
    from hivemind_core_client.message import HiveMessage, HiveMessageType, HiveMindBinaryPayloadType
    from hivemind_core_client.wire.answer import Answer

__version__ = "0.2.0"

#: What needs an extra is not among these, or `import *` would fail where that is not installed.
__all__ = [
    "Answer",
    "Backoff",
    "BinaryDataCallbacks",
    "Deadlines",
    "FakeHiveMessageBus",
    "HiveMessage",
    "HiveMessageBusClient",
    "HiveMessageType",
    "HiveMindBinaryPayloadType",
    "HiveMindError",
    "Limits",
    "Metrics",
    "NodeIdentity",
    "Outbox",
    "UnconfirmedMessages",
    "__version__",
]

_HOMES = {
    "Answer": "wire.answer",
    "AsyncFakeHiveMessageBus": "fakebus",
    "AsyncHiveMessageBusClient": "async_client",
    "Backoff": "kernel.policy",
    "BinaryDataCallbacks": "client",
    "Deadlines": "kernel.policy",
    "FakeHiveMessageBus": "fakebus",
    "HiveMessage": "message",
    "HiveMessageBusClient": "client",
    "HiveMessageType": "message",
    "HiveMindBinaryPayloadType": "message",
    "HiveMindError": "errors",
    "HiveMindHTTPClient": "http_client",
    "Limits": "kernel.policy",
    "Metrics": "kernel.delivery",
    "NodeIdentity": "identity",
    "Outbox": "kernel.policy",
    "Polling": "http_client",
    "UnconfirmedMessages": "kernel.delivery",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*__all__, *_HOMES})
