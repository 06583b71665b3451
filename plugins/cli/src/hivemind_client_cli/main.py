"""The console script `hivemind-client`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

import hivemind_client_cli
import hivemind_core_client
from hivemind_client_cli.group import HiveMindGroup
from hivemind_client_cli.output_options import app_option, output_options
from hivemind_client_cli.profile_names import complete_profile
from hivemind_client_cli.program import PROGRAM

if TYPE_CHECKING:
    from hivemind_core_client.plugins.manager import Plugins


def main() -> None:
    """Run `hivemind-client` with the arguments of this process, and leave with its exit code."""
    _prepare_streams()
    build_cli().main(prog_name=PROGRAM)


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
    cli = _root()
    if plugins is not None:
        cli.use(plugins)
    return cli


def _root() -> HiveMindGroup:
    @click.group(
        cls=HiveMindGroup,
        name=PROGRAM,
        epilog="Example: hivemind-client demo",
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
    @app_option
    @click.option(
        "--profile",
        metavar="NAME",
        expose_value=False,
        callback=_use_profile,
        shell_complete=complete_profile,
        help="Use the profile NAME, as HIVEMIND_PROFILE does.",
    )
    @output_options
    @click.pass_context
    def cli(ctx: click.Context) -> None:
        """Pair with a HiveMind hub and talk to it.

        Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused or denied by the hub, 4 unreachable or timed out, 130
        Ctrl-C.
        """
        if ctx.invoked_subcommand is None:
            click.echo(ctx.get_help(), err=True)
            raise click.UsageError("no command given")

    return cli


def _use_profile(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Have the command use a profile, whether it connects or only reads the identity."""
    if value == "":
        raise click.BadParameter("the name of the profile is empty")
    if value is not None and not ctx.resilient_parsing:
        ctx.with_resource(_variable("HIVEMIND_PROFILE", value))


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the versions of the command and of the library, and leave."""
    if not value or ctx.resilient_parsing:
        return
    click.echo(f"hivemind-client-cli {hivemind_client_cli.__version__}")
    click.echo(f"hivemind-core-client {hivemind_core_client.__version__}")
    ctx.exit()
