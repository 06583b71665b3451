"""HiveMessageBusClient: the OVOS bus client whose bus is a hive."""

from __future__ import annotations

from hivemind_core_client.shell.callbacks import (
    BinaryDataCallbacks,
)
from hivemind_core_client.sync.client import (
    HiveMessageBusClient,
)

__all__ = [
    "BinaryDataCallbacks",
    "HiveMessageBusClient",
]
