"""The reference client's module name for `http.py`."""

from __future__ import annotations

from hivemind_core_client.callbacks import BinaryDataCallbacks
from hivemind_core_client.http import HiveMindHTTPClient

__all__ = ["BinaryDataCallbacks", "HiveMindHTTPClient"]
