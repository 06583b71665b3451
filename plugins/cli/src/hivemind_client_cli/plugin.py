"""The entry point `cli`: brings the hook for subcommands of plugins."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hivemind_core_client.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    import pluggy


@hookimpl
def hivemind_addhooks(pluginmanager: pluggy.PluginManager) -> None:
    """Make `hivemind_cli_commands` a hook."""
    from pluggy import PluginValidationError

    from hivemind_client_cli import hookspecs

    caller = getattr(pluginmanager.hook, "hivemind_cli_commands", None)
    if caller is None or not caller.has_spec():
        # An implementation with wrong arguments must not take this plugin down: it fails when it is
        # called, alone and under its own name.
        with contextlib.suppress(PluginValidationError):
            pluginmanager.add_hookspecs(hookspecs)
