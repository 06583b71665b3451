"""HiveMindHTTPClient: the client for a hub that is reached by HTTP alone (docs/http.md)."""

from __future__ import annotations

from hivemind_core_client.kernel.policy import (
    Polling,
)
from hivemind_core_client.shell.callbacks import (
    BinaryDataCallbacks,
)
from hivemind_core_client.sync.http_client import (
    HiveMindHTTPClient,
)

__all__ = [
    "BinaryDataCallbacks",
    "HiveMindHTTPClient",
    "Polling",
]
