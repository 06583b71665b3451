"""HiveMessageBusClient and what belongs to it; docs/library.md tells how to use it."""

from __future__ import annotations

from typing import Any, ClassVar, Optional

from hivemind_bus_client._passed_on import OF_CLIENTS, passed_on
from hivemind_core_client import client as own
from hivemind_core_client.client import BinaryDataCallbacks as BinaryDataCallbacks
from hivemind_core_client.client import HiveMessageWaiter as HiveMessageWaiter
from hivemind_core_client.client import HivePayloadWaiter as HivePayloadWaiter
from hivemind_core_client.client import __all__ as __all__


class HiveMessageBusClient(own.HiveMessageBusClient):
    """The client of hivemind_core_client; its `connect` waits for a hub that is not there yet."""

    connect_retries: ClassVar[Optional[int]] = None


_HOMES = {**OF_CLIENTS, "keepalive": ("websocket_keepalive_options",)}


def __getattr__(name: str) -> Any:
    return passed_on(__name__, name, _HOMES)
