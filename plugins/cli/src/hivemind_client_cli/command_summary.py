"""What help and completion show of a subcommand, without the subcommand itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import click

from hivemind_client_cli.help_sections import section_of


class CommandSummary(NamedTuple):
    """The texts of a subcommand. A tuple, since importing attrs takes too long for `--help`."""

    name: str
    help: str | None = None
    short_help: str | None = None
    deprecated: bool | str = False
    hidden: bool = False
    section: str | None = None

    @classmethod
    def of(cls, name: str, command: click.Command) -> CommandSummary:
        """The summary of a command that is called `name`."""
        texts = (command.help, command.short_help, command.deprecated, command.hidden)
        return cls(name, *texts, section_of(command))

    @classmethod
    def from_json(cls, fields: Sequence[object]) -> CommandSummary:
        """The summary whose fields were written as JSON. Raises ValueError for anything else."""
        name, help_text, short_help, deprecated, hidden, section = fields
        if not isinstance(name, str) or not name.isprintable() or not isinstance(hidden, bool):
            raise ValueError("this is no summary of a command")
        if not all(text is None or isinstance(text, str) for text in (help_text, short_help)):
            raise ValueError("the help of a command is text")
        if section is not None and not (isinstance(section, str) and section.isprintable()):
            raise ValueError("this is no section")
        if not isinstance(deprecated, (bool, str)):
            raise ValueError("a command is deprecated or not")
        return cls(name, help_text, short_help, deprecated, hidden, section)  # type: ignore[arg-type]  # checked above

    def stand_in(self) -> click.Command:
        """A command that looks like it in help and does nothing."""
        return click.Command(
            self.name,
            help=self.help,
            short_help=self.short_help,
            deprecated=self.deprecated,
            hidden=self.hidden,
        )
