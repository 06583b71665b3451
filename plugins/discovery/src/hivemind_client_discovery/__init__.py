"""Hubs that are found in the local network by mDNS: `discover:kitchen` as an address, `hivemind-client discover`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivemind_client_discovery.finding import find_hubs

__version__ = "0.2.0"

__all__ = ["find_hubs"]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the plugin is imported for every client, mostly to find nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.finding"), name)
