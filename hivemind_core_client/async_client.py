"""The reference client's module name for `aio.py`."""

from __future__ import annotations

from hivemind_core_client.aio import AsyncHiveMessageBusClient
from hivemind_core_client.callbacks import BinaryDataCallbacks

__all__ = ["AsyncHiveMessageBusClient", "BinaryDataCallbacks"]
