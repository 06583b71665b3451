"""Wrong usage that a command of ours mends."""

from __future__ import annotations

import click

from hivemind_client_cli.output import Output
from hivemind_core_client.errors import Mend, UsageError


class Misuse(click.UsageError):
    """A click.UsageError whose mends are objects, so that the commands in them are for this run's identity file."""

    def __init__(self, what: str, *mends: Mend, ctx: click.Context | None = None) -> None:
        super().__init__(what, ctx)
        self._error = UsageError(what, *mends)

    def format_message(self) -> str:
        """The text for whoever typed the command."""
        context = self.ctx or click.get_current_context(silent=True)
        output = context.find_object(Output) if context is not None else None
        return self._error.text_for((output or Output()).reader)
