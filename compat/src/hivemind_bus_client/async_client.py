"""AsyncHiveMessageBusClient: the client for asyncio."""

from __future__ import annotations

from typing import Any, ClassVar, Optional

from hivemind_bus_client._passed_on import OF_CLIENTS, passed_on
from hivemind_core_client import async_client as own
from hivemind_core_client.async_client import AsyncHiveMessageWaiter as AsyncHiveMessageWaiter
from hivemind_core_client.async_client import AsyncHivePayloadWaiter as AsyncHivePayloadWaiter
from hivemind_core_client.async_client import BinaryDataCallbacks as BinaryDataCallbacks
from hivemind_core_client.async_client import __all__ as __all__


class AsyncHiveMessageBusClient(own.AsyncHiveMessageBusClient):
    """The client of hivemind_core_client; its `connect` waits for a hub that is not there yet."""

    connect_retries: ClassVar[Optional[int]] = None


_HOMES = {**OF_CLIENTS, "keepalive": ("websocket_keepalive_options",)}


def __getattr__(name: str) -> Any:
    return passed_on(__name__, name, _HOMES)
