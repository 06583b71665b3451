"""The root of the command: who may add subcommands, and how a run ends."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

import click
from attrs import define

from hivemind_client_cli.logs import logging_to_stderr
from hivemind_client_cli.output import Guarded, Output, OutputFailed, to_stderr
from hivemind_client_cli.program import is_completing
from hivemind_core_client.errors import HiveMindError

#: Exit code after Ctrl-C, as shells have it.
INTERRUPTED = 130
_IDENTITY_FILE = "--identity-file"


@define
class CommandConflict:
    """Two plugins brought the same subcommand: the first one called, `winner`, provides it."""

    name: str
    winner: str
    loser: str


class HiveMindGroup(click.Group):
    """A click group that knows which plugin brought which command and turns errors into exit codes.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by the hub, 4 unreachable or timed out, 130 Ctrl-C.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owners: dict[str, str] = {}
        self.conflicts: list[CommandConflict] = []
        self.broken: dict[str, str] = {}
        self._plugin = ""

    @contextlib.contextmanager
    def commands_of(self, plugin: str) -> Iterator[None]:
        """Within the block, commands that are added belong to `plugin`; if it raises, none of them stay."""
        self._plugin = plugin
        try:
            yield
        except (Exception, SystemExit) as error:
            self.broken[plugin] = f"{type(error).__name__}: {error}"
            for name in [name for name, owner in self.owners.items() if owner == plugin]:
                del self.owners[name], self.commands[name]
        finally:
            self._plugin = ""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a subcommand; where another plugin has already brought the name, that one stays."""
        name = name or cmd.name or ""
        winner = self.owners.get(name)
        if winner is not None and winner != self._plugin:
            self.conflicts.append(CommandConflict(name, winner, self._plugin))
            return
        super().add_command(cmd, name)
        self.owners[name] = self._plugin

    def invoke(self, ctx: click.Context) -> None:
        """Run the subcommand. What it returns is dropped, or it would be taken for an exit code."""
        super().invoke(ctx)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line `args` (default: `sys.argv[1:]`) and leave with its exit code."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        arguments = list(sys.argv[1:] if args is None else args)
        output = output_for(arguments)
        with logging_to_stderr(output):
            code = self.run(output, arguments, prog_name, complete_var, **extra)
        sys.exit(code)

    def run(
        self,
        output: Output,
        args: list[str],
        prog_name: str | None = None,
        complete_var: str | None = None,
        **extra: Any,
    ) -> int:
        """Run the command line `args`, report errors through `output`, and return the exit code."""
        self._report_plugins(output)
        try:
            with contextlib.redirect_stdout(Guarded(output)):
                code = super().main(args, prog_name, complete_var, standalone_mode=False, obj=output, **extra)
        except Exception as error:
            # What is printed while a line is being completed would stand in the midst of it.
            return 1 if is_completing() else _report(output, error)
        return code if isinstance(code, int) else 0

    def _report_plugins(self, output: Output) -> None:
        for plugin, error in self.broken.items():
            output.warn(f"plugin {plugin!r} could not add its commands: {error}")
        if output.verbose:
            for each in self.conflicts:
                output.warn(
                    f"command {each.name!r} of plugin {each.winner!r} replaces that of {each.loser!r}"
                )


def output_for(args: list[str]) -> Output:
    """The manners of a run, known before click parses: errors in parsing and in plugins obey them too."""
    given = args[: args.index("--")] if "--" in args else args
    return Output(
        json="--json" in given,
        quiet="--quiet" in given or "-q" in given,
        verbose="--verbose" in given or "-v" in given,
        identity_file=_identity_file(given),
    )


def _identity_file(args: list[str]) -> str | None:
    """What `--identity-file` was given, the last time that it was; None where it was not."""
    found = None
    for arg, following in zip(args, [*args[1:], None]):
        name, equals, value = arg.partition("=")
        if name == _IDENTITY_FILE:
            found = value if equals else following
    return found


def _report(output: Output, error: Exception) -> int:
    """Print what went wrong; returns the exit code."""
    if isinstance(error, click.Abort):
        return INTERRUPTED
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, HiveMindError):
        text, code = str(error) or type(error).__name__, error.exit_code
    elif isinstance(error, click.ClickException):
        text, code = _usage_text(error), error.exit_code
    else:
        text, code = f"{type(error).__name__}: {error}", 1
        if output.verbose:
            to_stderr(output.masked(traceback.format_exc()).rstrip())
    with contextlib.suppress(click.exceptions.Exit, OutputFailed):
        output.error(text, type(error).__name__, code)
    return code


def _usage_text(error: click.ClickException) -> str:
    text = error.format_message()
    context = getattr(error, "ctx", None)
    return f"{text} (try '{context.command_path} --help')" if context is not None else text
