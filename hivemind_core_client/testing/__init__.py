"""For authors: a hub within the test's process, pytest fixtures around it, and checks of what a plugin offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivemind_core_client.testing.conformance import (
        check_cipher,
        check_encoding,
        check_handler,
        check_serializer,
    )
    from hivemind_core_client.testing.http_gateway import HttpGateway
    from hivemind_core_client.testing.hub import Account, EmbeddedHub

__all__ = [
    "Account",
    "EmbeddedHub",
    "HttpGateway",
    "check_cipher",
    "check_encoding",
    "check_handler",
    "check_serializer",
]


def __getattr__(name: str) -> Any:
    """Import a server, or the checks, when first used: they are not needed to load the fixtures."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "HttpGateway":
        from hivemind_core_client.testing.http_gateway import HttpGateway

        return HttpGateway
    if name.startswith("check_"):
        from hivemind_core_client.testing import conformance

        return getattr(conformance, name)
    from hivemind_core_client.testing import hub

    return getattr(hub, name)
