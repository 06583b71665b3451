"""For satellite authors: a hub within the test's process, and pytest fixtures around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivemind_core_client.testing.http_gateway import HttpGateway
    from hivemind_core_client.testing.hub import Account, EmbeddedHub

__all__ = ["Account", "EmbeddedHub", "HttpGateway"]


def __getattr__(name: str) -> Any:
    """Import a server when it is first used: it is not needed to load the fixtures."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "HttpGateway":
        from hivemind_core_client.testing.http_gateway import HttpGateway

        return HttpGateway
    from hivemind_core_client.testing import hub

    return getattr(hub, name)
