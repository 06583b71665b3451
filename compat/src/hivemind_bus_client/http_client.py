"""HiveMindHTTPClient: the client for a hub that is reached by HTTP alone."""

from __future__ import annotations

from typing import Any, ClassVar, Optional

from hivemind_bus_client._passed_on import OF_CLIENTS, passed_on
from hivemind_core_client import http_client as own
from hivemind_core_client.http_client import BinaryDataCallbacks as BinaryDataCallbacks
from hivemind_core_client.http_client import Polling as Polling
from hivemind_core_client.http_client import __all__ as __all__


class HiveMindHTTPClient(own.HiveMindHTTPClient):
    """The client of hivemind_core_client; its `connect` tries five times more."""

    connect_retries: ClassVar[Optional[int]] = 5


_HOMES = {**OF_CLIENTS, "protocol": ("HiveMindSlaveProtocol",)}


def __getattr__(name: str) -> Any:
    return passed_on(__name__, name, _HOMES)
