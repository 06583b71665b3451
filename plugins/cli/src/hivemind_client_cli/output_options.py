"""`--json`, `--quiet` and `--verbose`, and the `Output` of a command that has them."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable
from typing import Any

import click

from hivemind_client_cli.help_sections import GENERAL, options_of
from hivemind_client_cli.output import Output

#: What a command runs. Each command has parameters of its own.
Function = Callable[..., None]
Decorator = Callable[[Function], Function]


def stacked(*options: Decorator) -> Decorator:
    """One decorator for several, in the order in which help shall list them."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _flag(*names: str, text: str) -> Decorator:
    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            setattr(ctx.ensure_object(Output), param.name or "", True)

    return click.option(*names, is_flag=True, expose_value=False, is_eager=True, callback=remember, help=text)


#: `--trace`, of each command that connects.
trace_option = _flag("--trace", text="Show each step of the connection on stderr: phases, frames and timers.")

#: `--json`, `--quiet` and `--verbose`.
output_options = options_of(
    GENERAL,
    stacked(
        _flag("--json", text="Print JSON and nothing else on stdout."),
        _flag("-q", "--quiet", text="Print results and errors only."),
        _flag("-v", "--verbose", text="Show what the library logs."),
    ),
)


def _remember_app(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(Output).app = value


#: `--app`, of the root and of each command that uses an identity.
app_option = click.option(
    "--app",
    metavar="NAME",
    expose_value=False,
    is_eager=True,
    callback=_remember_app,
    help="Use the identity of the application NAME. It has its own folder beside yours.",
)


def reporting(function: Function) -> Function:
    """Give a command `--json`, `--quiet` and `--verbose`, and an `Output` as its first argument.

    What anything else prints to stdout while it runs goes to stderr, so that `--json` stays clean.
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        output = click.get_current_context().ensure_object(Output)
        with contextlib.redirect_stdout(sys.stderr):
            function(output, *args, **kwargs)

    return output_options(run)
