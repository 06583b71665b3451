"""For authors: a hub within the test's process, pytest fixtures around it, and checks of what a plugin offers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivemind_core_client.testing.conformance import (
        check_cipher,
        check_encoding,
        check_handler,
        check_handshake,
        check_serializer,
    )
    from hivemind_core_client.testing.http_gateway import HttpGateway
    from hivemind_core_client.testing.hub import Account, EmbeddedHub
    from hivemind_core_client.testing.hub_handshake import HubHandshake
    from hivemind_core_client.testing.plugin_checks import check_plugin
    from hivemind_core_client.testing.transport_check import check_transport

__all__ = [
    "Account",
    "EmbeddedHub",
    "HttpGateway",
    "HubHandshake",
    "check_cipher",
    "check_encoding",
    "check_handler",
    "check_handshake",
    "check_plugin",
    "check_serializer",
    "check_transport",
]


_HOMES = {
    "Account": "hub",
    "EmbeddedHub": "hub",
    "HttpGateway": "http_gateway",
    "HubHandshake": "hub_handshake",
    "check_cipher": "conformance",
    "check_encoding": "conformance",
    "check_handler": "conformance",
    "check_handshake": "conformance",
    "check_plugin": "plugin_checks",
    "check_serializer": "conformance",
    "check_transport": "transport_check",
}


def __getattr__(name: str) -> Any:
    """Import a server, or the checks, when first used: they are not needed to load the fixtures."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
