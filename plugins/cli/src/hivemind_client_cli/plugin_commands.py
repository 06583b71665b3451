"""The subcommands that plugins bring or change, by the hooks `hivemind_cli_commands` and `hivemind_cli_ready`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from hivemind_client_cli import plugin

if TYPE_CHECKING:
    import click
    import pluggy

    from hivemind_core_client.plugins.manager import Plugins

_OURS = ("hivemind_core_client", "hivemind_client_cli")


#: The hooks that get the root of the command, and what that argument is called.
ARGUMENTS = {"hivemind_cli_commands": "cli", "hivemind_cli_ready": "group"}


def implementations(plugins: Plugins, hook: str) -> list[pluggy.HookImpl]:
    """The implementations of a hook of ours, in the order in which they are called."""
    plugin.hivemind_addhooks(plugins.pm)
    return list(reversed(getattr(plugins.pm.hook, hook).get_hookimpls()))


def call(hook: str, implementation: pluggy.HookImpl, cli: click.Group) -> None:
    """Call one implementation alone: whose commands are added depends on who is called."""
    argument = ARGUMENTS[hook]
    if set(implementation.argnames) - {argument}:
        raise TypeError(f"{hook} takes {argument}, not {', '.join(implementation.argnames)}")
    implementation.function(*[cli] * len(implementation.argnames))


def builtin_owner(plugins: Plugins) -> str:
    """The name of the plugin that the built-in subcommands belong to: its entry point, if that was loaded."""
    taken = plugins.pm.has_plugin("cli")
    return plugins.pm.get_name(plugin) or (plugin.__name__ if taken else "cli")


def module_files(plugins: Plugins) -> Iterator[str]:
    """The files of everyone's plugins but our own: of all modules in their packages that are imported."""
    packages = {_package(each) for each in plugins.pm.get_plugins()}.difference(_OURS)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in packages and getattr(module, "__file__", None):
            yield str(module.__file__)


def _package(registered: object) -> str:
    name: str = registered.__name__ if isinstance(registered, ModuleType) else registered.__module__
    return name.partition(".")[0]
