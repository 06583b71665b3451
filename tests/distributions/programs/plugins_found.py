"""Prints a line for each plugin that another distribution brings: its name, and what became of it."""

from hivemind_core_client.plugins.manager import load_plugins

for plugin in load_plugins().report:
    if not plugin.builtin:
        print(plugin.name, plugin.state)
