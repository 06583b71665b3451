"""Help in sections: commands by what they are for, options by what they are about; nothing in it is cut."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable

import click

if TYPE_CHECKING:
    from hivemind_client_cli.output_options import Decorator, Function

#: The sections of the commands, in their order.
TALK, LOOK, SET_UP = "talk", "look", "set up"
#: Where a command of a plugin stands that names no section.
FROM_PLUGINS = "from plugins"
#: The sections of the options that many commands share.
CONNECTION, GENERAL = "connection options", "general options"
_OWN = "options"
#: What the section is called among the attributes of a command, or of an option.
_ATTRIBUTE = "help_section"
#: No summary is longer.
_UNCUT = 10**6


def section_of(what: click.Command | click.Parameter) -> str | None:
    """The section that a command or an option was put into."""
    found: str | None = vars(what).get(_ATTRIBUTE)
    return found


def put_into(section: str | None, what: click.Command | click.Parameter) -> None:
    """Show a command or an option in this section. None, or one that it was put into before, changes nothing.

    Raises ValueError for what is no title.
    """
    if section is None:
        return
    if not isinstance(section, str) or not section.strip() or not section.isprintable():
        raise ValueError(
            f"section is {section!r}; it must be the title of a part of the help, such as {TALK!r}"
        )
    known = section.strip().lower()
    vars(what).setdefault(_ATTRIBUTE, known if known in (TALK, LOOK, SET_UP) else section.strip())


def options_of(section: str, decorator: Decorator) -> Decorator:
    """The decorator, whose options are shown in this section."""

    def decorate(function: Function) -> Function:
        before = {id(each) for each in _parameters(function)}
        decorated = decorator(function)
        for each in _parameters(decorated):
            if id(each) not in before:
                put_into(section, each)
        return decorated

    return decorate


def _parameters(function: Any) -> list[click.Parameter]:
    """The parameters that decorators have given to a function, or to a command."""
    found: list[click.Parameter]
    found = (
        function.params if isinstance(function, click.Command) else vars(function).get("__click_params__", [])
    )
    return found


def summary_of(command: click.Command) -> str:
    """The first sentence of its help, whole."""
    return command.get_short_help_str(_UNCUT)


def write_sections(
    formatter: click.HelpFormatter, rows: Iterable[tuple[str, str, str]], first: Iterable[str]
) -> None:
    """Write rows of section, name and text: the sections `first` in their order, then the others as they come."""
    sections: dict[str, list[tuple[str, str]]] = {section: [] for section in first}
    for section, name, text in rows:
        sections.setdefault(section, []).append((name, text))
    for section, of_section in sections.items():
        if of_section:
            with formatter.section(section[:1].upper() + section[1:]):
                formatter.write_dl(of_section)


class _Sections(click.Command):
    """A command that shows the options of its own first, then those that it shares with others."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections of the options."""
        rows = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_help = not {*parameter.opts}.isdisjoint(ctx.help_option_names)
                rows.append((GENERAL if is_help else section_of(parameter) or _OWN, *record))
        rows.sort(key=lambda row: row[0] == GENERAL)
        write_sections(formatter, rows, (_OWN, CONNECTION))


class Command(_Sections):
    """A subcommand of `hivemind-client`."""


class Group(_Sections, click.Group):
    """A subcommand that has subcommands."""

    command_class = Command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections of the options, then the subcommands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the subcommands with their whole summaries."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [("commands", name, summary_of(each)) for name, each in found if each and not each.hidden]
        write_sections(formatter, rows, ())


def command(name: str, **attributes: Any) -> Callable[[Function], Command]:
    """`click.command` for a subcommand of ours."""
    return click.command(name, cls=Command, **attributes)


def group(name: str, **attributes: Any) -> Callable[[Function], Group]:
    """`click.group` for a subcommand of ours that has subcommands."""
    return click.group(name, cls=Group, **attributes)
