"""For satellite authors: a hub within the test's process, and pytest fixtures around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivemind_core_client.testing.hub import Account, EmbeddedHub

__all__ = ["Account", "EmbeddedHub"]


def __getattr__(name: str) -> Any:
    """Import the hub when it is first used: its WebSocket server is not needed to load the fixtures."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hivemind_core_client.testing import hub

    return getattr(hub, name)
