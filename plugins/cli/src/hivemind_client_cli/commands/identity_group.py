"""`hivemind-client identity`: the commands about the identity file, under one noun."""

from __future__ import annotations

import copy

import click

from hivemind_client_cli.commands.check_identity import test_identity
from hivemind_client_cli.commands.identity import reset_pgp, set_identity, show_identity
from hivemind_client_cli.help_sections import group
from hivemind_client_cli.output_options import output_options
from hivemind_client_cli.program import PROGRAM


@group("identity", no_args_is_help=False, epilog="Example: hivemind-client identity show")
@output_options
def identity() -> None:
    """Set, show and test the credentials of this satellite.

    They are in the identity file: access key, password, address of the hub, site, and the keys of this satellite.
    """


def _renamed(command: click.Command, name: str) -> click.Command:
    """The same command, called `identity NAME`."""
    renamed = copy.copy(command)
    renamed.name, renamed.short_help = name, None
    renamed.epilog = (command.epilog or "").replace(
        f"{PROGRAM} {command.name}", f"{PROGRAM} {identity.name} {name}"
    )
    return renamed


identity.add_command(_renamed(set_identity, "set"))
identity.add_command(_renamed(show_identity, "show"))
identity.add_command(_renamed(test_identity, "test"))
identity.add_command(_renamed(reset_pgp, "reset-keys"))
