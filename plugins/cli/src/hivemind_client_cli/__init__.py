"""The command line of hivemind-core-client: `hivemind-client`, and what subcommands of plugins are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivemind_client_cli.options import Connection, connected, connecting, connection_options, reporting
    from hivemind_client_cli.output import Output

__all__ = ["Connection", "Output", "connected", "connecting", "connection_options", "reporting"]


def __getattr__(name: str) -> Any:
    """Import click when a subcommand is made, not whenever a client looks for plugins."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hivemind_client_cli import options

    return getattr(options, name)
