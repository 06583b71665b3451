"""The hooks this plugin brings: subcommands of `hivemind-client`, and checks of its doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivemind_core_client.plugins.hookspecs import hookspec

if TYPE_CHECKING:
    import click

    from hivemind_client_cli.doctor_checks import DoctorCheck
    from hivemind_client_cli.group import HiveMindGroup


@hookspec
def hivemind_cli_commands(cli: HiveMindGroup) -> None:
    """Add subcommands to `cli` with `cli.add_command` or `@cli.command()`.

    Both take `section`: the part of the help in which the command stands. It is "talk", "look", "set up", or a name of
    your own. Commands without one stand under "From plugins".

    A command under the name of a built-in one takes its place. Of two plugins that claim one name the
    one that pluggy calls first wins; `hivemind-client plugins` shows both. Import what is heavy inside the
    command, not beside it: this hook is called for every subcommand, and for the first `--help` after something
    was installed. The names and texts that help shows are kept until then.

    Called: before a subcommand runs, and for help that is not kept.
    Example: cli.add_command(my_command, section="look")
    """


@hookspec
def hivemind_cli_ready(group: click.Group) -> None:
    """Have a last word on `group`, the `hivemind-client`, now that every plugin has added its commands.

    This is the place to add an option to a command that somebody else brought. It is called when a command is to
    run, not for help that is kept from an earlier run.

    Called: when all plugins have added their commands, before one runs.
    Example: group.commands["hello"].params.append(click.Option(["--loud"], is_flag=True))
    """


@hookspec
def hivemind_doctor_checks() -> list[DoctorCheck]:  # type: ignore[empty-body]
    """Return the checks that `hivemind-client doctor` makes for this plugin, after its own.

    Called: by `hivemind-client doctor`, once.
    Example: return [DoctorCheck("disk", run, needs_session=False)]
    """
