"""AsyncHiveMessageBusClient: the client for asyncio (docs/async.md)."""

from __future__ import annotations

from hivemind_core_client.aio.client import (
    AsyncHiveMessageBusClient,
)
from hivemind_core_client.aio.one_shot import (
    AsyncHiveMessageWaiter,
    AsyncHivePayloadWaiter,
)
from hivemind_core_client.shell.callbacks import (
    BinaryDataCallbacks,
)

__all__ = [
    "AsyncHiveMessageBusClient",
    "AsyncHiveMessageWaiter",
    "AsyncHivePayloadWaiter",
    "BinaryDataCallbacks",
]
