"""The hook this plugin brings: subcommands of `hivemind-client`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivemind_core_client.plugins.hookspecs import hookspec

if TYPE_CHECKING:
    import click


@hookspec
def hivemind_cli_commands(cli: click.Group) -> None:
    """Add subcommands to `cli` with `cli.add_command` or `@cli.command()`.

    A command under the name of a built-in one takes its place. Of two plugins that claim one name the
    one that pluggy calls first wins; `hivemind-client plugins` shows both. Import what is heavy inside the
    command, not beside it: this hook is called for every subcommand, and for the first `--help` after something
    was installed. The names and texts that help shows are kept until then.
    """
