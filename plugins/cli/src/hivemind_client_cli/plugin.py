"""The entry point `cli`: brings the hook for subcommands of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivemind_core_client.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    import pluggy


@hookimpl
def hivemind_addhooks(pluginmanager: pluggy.PluginManager) -> None:
    """Make `hivemind_cli_commands` a hook."""
    from hivemind_client_cli import hookspecs

    caller = getattr(pluginmanager.hook, "hivemind_cli_commands", None)
    if caller is None or not caller.has_spec():
        pluginmanager.add_hookspecs(hookspecs)
