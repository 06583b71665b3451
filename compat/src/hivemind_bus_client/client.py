"""HiveMessageBusClient and what belongs to it; docs/library.md tells how to use it."""

from __future__ import annotations

from typing import Any

from hivemind_bus_client._passed_on import OF_CLIENTS, passed_on
from hivemind_core_client.client import *
from hivemind_core_client.client import __all__ as __all__

_HOMES = {**OF_CLIENTS, "keepalive": ("websocket_keepalive_options",)}


def __getattr__(name: str) -> Any:
    return passed_on(__name__, name, _HOMES)
