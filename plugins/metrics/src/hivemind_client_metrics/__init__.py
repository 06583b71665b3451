"""Metrics of hivemind-core-client: for OpenTelemetry, and as an endpoint for Prometheus. Off until it is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivemind_client_metrics.endpoint import Endpoint
    from hivemind_client_metrics.plugin import disable, enable, serve

__version__ = "0.2.0"

__all__ = ["Endpoint", "disable", "enable", "serve"]

_HOMES = {"Endpoint": "endpoint", "disable": "plugin", "enable": "plugin", "serve": "plugin"}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the plugin is imported for every client, mostly to stay off."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
