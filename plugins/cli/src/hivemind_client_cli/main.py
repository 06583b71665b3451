"""The console script `hivemind-client`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from hivemind_client_cli import plugin
from hivemind_client_cli.group import HiveMindGroup, output_for
from hivemind_client_cli.logs import logging_to_stderr
from hivemind_client_cli.output_options import output_options
from hivemind_client_cli.program import PLUGINS, is_completing

if TYPE_CHECKING:
    import pluggy

    from hivemind_core_client.plugins.manager import Plugins

_EPILOG = "Example: hivemind-client demo"


def main() -> None:
    """Run `hivemind-client` with the arguments of this process, and leave with its exit code."""
    _prepare_streams()
    args = sys.argv[1:]
    output = output_for(args)
    output.quiet |= (
        is_completing()
    )  # what is printed while a line is being completed would stand in the midst of it
    with logging_to_stderr(output):
        code = build_cli().run(output, args, prog_name="hivemind-client")
    sys.exit(code)


def _prepare_streams() -> None:
    """Let no socket take the number of a standard stream that is closed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one


def build_cli(plugins: Plugins | None = None) -> HiveMindGroup:
    """The command with the subcommands of `plugins` (default: those that are found and not blocked).

    The built-in subcommands are always there, even where the selection leaves this plugin out: the command
    that lists the plugins is one of them.
    """
    if plugins is None:
        from hivemind_core_client.plugins.manager import load_plugins

        plugins = load_plugins()
    manager = plugins.pm
    plugin.hivemind_addhooks(manager)
    if not manager.is_registered(plugin):
        manager.register(plugin, name=plugin.__name__ if manager.has_plugin("cli") else "cli")
    cli = _root(plugins)
    # One by one: a call through pluggy would end at the first plugin that raises.
    for each in reversed(manager.hook.hivemind_cli_commands.get_hookimpls()):
        with cli.commands_of(each.plugin_name):
            _add_commands(cli, each)
    return cli


def _add_commands(cli: HiveMindGroup, implementation: pluggy.HookImpl) -> None:
    if set(implementation.argnames) - {"cli"}:
        raise TypeError(f"hivemind_cli_commands takes cli, not {', '.join(implementation.argnames)}")
    implementation.function(*[cli] * len(implementation.argnames))


def _root(plugins: Plugins) -> HiveMindGroup:
    @click.group(
        cls=HiveMindGroup,
        name="hivemind-client",
        epilog=_EPILOG,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    @click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_version,
        help="Show the versions and leave.",
    )
    @output_options
    @click.pass_context
    def cli(ctx: click.Context) -> None:
        """Pair with a HiveMind hub and talk to it.

        Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by the hub, 4 unreachable or timed out, 130
        Ctrl-C.
        """
        ctx.meta[PLUGINS] = plugins
        if ctx.invoked_subcommand is None:
            click.echo(ctx.get_help(), err=True)
            raise click.UsageError("no command given")

    assert isinstance(cli, HiveMindGroup)
    return cli


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the versions of the command and of the library, and leave."""
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    for distribution in ("hivemind-client-cli", "hivemind-core-client"):
        try:
            click.echo(f"{distribution} {version(distribution)}")
        except PackageNotFoundError:
            click.echo(f"{distribution} (not installed as a distribution)")
    ctx.exit()
