"""HiveMindHTTPClient: the client for a hub that is reached by HTTP alone."""

from __future__ import annotations

from typing import Any

from hivemind_bus_client._passed_on import OF_CLIENTS, passed_on
from hivemind_core_client.http_client import *
from hivemind_core_client.http_client import __all__ as __all__

_HOMES = {**OF_CLIENTS, "protocol": ("HiveMindSlaveProtocol",)}


def __getattr__(name: str) -> Any:
    return passed_on(__name__, name, _HOMES)
