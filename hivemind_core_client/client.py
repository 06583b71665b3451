"""HiveMessageBusClient: the OVOS bus client whose bus is a hive."""

from __future__ import annotations

from hivemind_core_client.shell.callbacks import (
    BinaryDataCallbacks,
)
from hivemind_core_client.sync.client import (
    HiveMessageBusClient,
)
from hivemind_core_client.sync.one_shot import (
    HiveMessageWaiter,
    HivePayloadWaiter,
)

__all__ = [
    "BinaryDataCallbacks",
    "HiveMessageBusClient",
    "HiveMessageWaiter",
    "HivePayloadWaiter",
]
