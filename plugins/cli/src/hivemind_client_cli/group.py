"""The root of the command: which subcommands there are, and how a run ends."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import click

from hivemind_client_cli.builtin_commands import BUILTIN_COMMANDS, LazyCommands
from hivemind_client_cli.command_cache import CommandCache
from hivemind_client_cli.command_summary import CommandSummary
from hivemind_client_cli.help_sections import (
    FROM_PLUGINS,
    LOOK,
    SET_UP,
    TALK,
    Command,
    Group,
    put_into,
    summary_of,
    write_sections,
)
from hivemind_client_cli.logs import collected_warnings, logging_to_stderr
from hivemind_client_cli.output import Guarded, Output, OutputFailed, to_stderr
from hivemind_client_cli.program import is_completing

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from hivemind_core_client.plugins.manager import Plugins

#: Exit code after Ctrl-C, as shells have it.
INTERRUPTED = 130
_IDENTITY_FILE = "--identity-file"
#: True in `click.Context.meta` when the warnings about plugins have been printed.
_PLUGINS_REPORTED = "hivemind_client_cli.plugins_reported"


class CommandConflict(NamedTuple):
    """Two plugins brought the same subcommand: the first one called, `winner`, provides it."""

    name: str
    winner: str
    loser: str


class HiveMindGroup(click.Group):
    """A click group that imports built-in subcommands when they are used, and turns errors into exit codes.

    Plugins are loaded when a subcommand is looked up. Help and completion of names do without, where they can.
    `owners` says which plugin brought which subcommand, `conflicts` which names were brought twice, and `broken`
    which plugins failed to bring theirs, and why.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused or denied by the hub, 4 unreachable or timed out, 130 Ctrl-C.
    """

    commands: LazyCommands
    command_class = Command
    group_class = Group

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name, LazyCommands(), **kwargs)
        self.owners: dict[str, str] = {}
        self.conflicts: list[CommandConflict] = []
        self.broken: dict[str, str] = {}
        self._plugin = ""
        self._plugins: Plugins | None = None

    # --- the subcommands of plugins

    def plugins(self, ctx: click.Context) -> Plugins:
        """The plugins in use: those that were given, else those that are found and not blocked."""
        if self._plugins is None:
            from hivemind_core_client.plugins.manager import load_plugins

            # What a plugin prints while it is loaded must not mix with results.
            with contextlib.redirect_stdout(sys.stderr):
                self.use(load_plugins())
        assert self._plugins is not None
        self._report_plugins(ctx)
        return self._plugins

    def use(self, plugins: Plugins) -> None:
        """Take the subcommands that these plugins bring. The built-in ones are there whatever they are."""
        from hivemind_client_cli.plugin_commands import ARGUMENTS, builtin_owner, call, implementations

        self._plugins = plugins
        for hook in ARGUMENTS:  # all commands are there before the first plugin has its last word
            for each in implementations(plugins, hook):
                with self._commands_of(each.plugin_name):
                    call(hook, each, self)
        builtin = builtin_owner(plugins)
        replaced = [name for name in BUILTIN_COMMANDS if name in self.owners]
        self.conflicts += [CommandConflict(name, self.owners[name], builtin) for name in replaced]
        self.owners.update((name, builtin) for name in BUILTIN_COMMANDS if name not in replaced)

    @contextlib.contextmanager
    def _commands_of(self, plugin: str) -> Iterator[None]:
        """Within the block, commands that are added belong to `plugin`; if it raises, none that it added stay."""
        self._plugin = plugin
        before = set(self.owners)
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may even exit
            from hivemind_core_client.wire.text import described

            self.broken[plugin] = described(error)
            for name in [
                name for name, owner in self.owners.items() if owner == plugin and name not in before
            ]:
                del self.owners[name], self.commands[name]
        finally:
            self._plugin = ""

    def add_command(self, cmd: click.Command, name: str | None = None, section: str | None = None) -> None:
        """Add a subcommand; where another plugin has already brought the name, that one stays.

        `section` is where help shows it: "talk", "look", "set up", or another one, which comes after these. Without
        one it stands under "from plugins", or where the command stood whose place it takes.
        """
        name = name or cmd.name or ""
        put_into(section, cmd)
        winner = self.owners.get(name)
        if winner is not None and winner != self._plugin:
            self.conflicts.append(CommandConflict(name, winner, self._plugin))
            return
        super().add_command(cmd, name)
        self.owners[name] = self._plugin

    @overload
    def command(self, func: Callable[..., Any], /) -> click.Command: ...

    @overload
    def command(
        self, *args: Any, section: str | None = None, **kwargs: Any
    ) -> Callable[[Callable[..., Any]], click.Command]: ...

    def command(self, *args: Any, section: str | None = None, **kwargs: Any) -> Any:
        """The decorator that adds a subcommand; `section` as `add_command` has it."""
        return self._adding(super().command(*args, **kwargs), section)

    @overload
    def group(self, func: Callable[..., Any], /) -> click.Group: ...

    @overload
    def group(
        self, *args: Any, section: str | None = None, **kwargs: Any
    ) -> Callable[[Callable[..., Any]], click.Group]: ...

    def group(self, *args: Any, section: str | None = None, **kwargs: Any) -> Any:
        """The decorator that adds a subcommand with subcommands; `section` as `add_command` has it."""
        return self._adding(super().group(*args, **kwargs), section)

    def _adding(self, made: Any, section: str | None) -> Any:
        if isinstance(made, click.Command):  # the decorator was used without parentheses
            return made

        def decorate(function: Callable[..., Any]) -> click.Command:
            command: click.Command = made(function)
            put_into(section, command)
            return command

        return decorate

    def _report_plugins(self, ctx: click.Context) -> None:
        """Warn, once in a run, of plugins that failed, and with `--verbose` of what they replace."""
        output = ctx.find_object(Output)
        if output is None or ctx.meta.setdefault(_PLUGINS_REPORTED, False):
            return
        ctx.meta[_PLUGINS_REPORTED] = True
        for plugin, error in self.broken.items():
            output.warn(f"plugin {plugin!r} could not add its commands: {error}")
        if output.verbose:
            for each in self.conflicts:
                output.warn(
                    f"command {each.name!r} of plugin {each.winner!r} replaces that of {each.loser!r}"
                )

    # --- what click asks for

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand to run. What is kept of other runs is not asked."""
        self.plugins(ctx)
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all subcommands."""
        self.plugins(ctx)
        return super().list_commands(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections of the subcommands."""
        listed = [each for each in self._summaries(ctx) if not each.hidden]
        width = max(len(each.name) for each in listed)  # the texts of all sections stand in one column
        rows = [
            (each.section or FROM_PLUGINS, each.name.ljust(width), summary_of(each.stand_in()))
            for each in listed
        ]
        write_sections(formatter, rows, (TALK, LOOK, SET_UP))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a subcommand, or an option."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(each.name, help=summary_of(each.stand_in()))
            for each in sorted(self._summaries(ctx))
            if each.name.startswith(incomplete) and not each.hidden
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def _summaries(self, ctx: click.Context) -> list[CommandSummary]:
        """What help shows of every subcommand, without any of the built-in ones being imported."""
        found = {
            name: CommandSummary(name, each.summary, section=each.section)
            for name, each in BUILTIN_COMMANDS.items()
        }
        for each in self._plugin_summaries(ctx):  # one of them may take the place of a built-in one
            place = found.get(each.name)
            section = each.section or (place.section if place else None)
            found[each.name] = each._replace(section=section)
        return list(found.values())

    def _plugin_summaries(self, ctx: click.Context) -> list[CommandSummary]:
        """The summaries of what plugins bring; they are loaded only if that is not known."""
        output = ctx.find_object(Output)
        if self._plugins is not None or (output is not None and output.verbose):
            self.plugins(ctx)
            return self._added_summaries()
        cache = CommandCache()
        kept = cache.read()
        if kept is not None:
            return kept
        return [] if cache.is_needless() else self._found_summaries(ctx, cache)

    def _found_summaries(self, ctx: click.Context, cache: CommandCache) -> list[CommandSummary]:
        """Load the plugins, and keep what they bring; but not after a warning, which every run has to show."""
        with collected_warnings() as warnings:
            plugins = self.plugins(ctx)
        found = self._added_summaries()
        if not (warnings or self.broken):
            from hivemind_client_cli.plugin_commands import module_files

            cache.write(found, module_files(plugins))
        return found

    def _added_summaries(self) -> list[CommandSummary]:
        return [CommandSummary.of(name, command) for name, command in self.commands.added.items()]

    # --- a run

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
            try:
                with contextlib.redirect_stdout(Guarded(output)):
                    code = super().main(
                        arguments, prog_name, complete_var, standalone_mode=False, obj=output, **extra
                    )
            except Exception as error:
                # A shell that completes a line would show what is printed in the middle of it.
                code = 1 if is_completing() else _report(output, error)
        sys.exit(code if isinstance(code, int) else 0)


def group_of(ctx: click.Context) -> HiveMindGroup:
    """The root that a command is run under. Raises RuntimeError outside of one."""
    parent: click.Context | None = ctx
    while parent is not None:
        if isinstance(parent.command, HiveMindGroup):
            return parent.command
        parent = parent.parent
    raise RuntimeError(f"{ctx.command_path} is no subcommand of hivemind-client")


def output_for(args: list[str]) -> Output:
    """The `Output` that these arguments ask for. Made before click reads them, so that its errors obey it too."""
    given = args[: args.index("--")] if "--" in args else args
    return Output(
        json="--json" in given,
        # A shell that completes a line would show what is printed in the middle of it.
        quiet="--quiet" in given or "-q" in given or is_completing(),
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
    from hivemind_core_client.errors import HiveMindError

    if isinstance(error, click.Abort):
        return INTERRUPTED
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, HiveMindError):
        text, code = error.text_for(output.reader) or type(error).__name__, error.exit_code
    elif isinstance(error, click.ClickException):
        text, code = _usage_text(error), error.exit_code
    else:
        from hivemind_core_client.wire.text import described

        text, code = described(error), 1
        if output.verbose:
            import traceback

            to_stderr(output.masked(traceback.format_exc()).rstrip())
    with contextlib.suppress(click.exceptions.Exit, OutputFailed):
        output.error(text, type(error).__name__, code)
    return code


def _usage_text(error: click.ClickException) -> str:
    text = error.format_message()
    context = getattr(error, "ctx", None)
    return f"{text} (try '{context.command_path} --help')" if context is not None else text
