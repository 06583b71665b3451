"""The entry point `journal`: wrappers where the journal is asked for, and `hivemind-client journal`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hivemind_core_client.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    import click

    from hivemind_core_client.plugins.contract import MessageHandler


@hookimpl(tryfirst=True)  # outermost, so that what arrived is recorded as it came
def hivemind_message_handlers() -> list[MessageHandler]:
    """The wrappers that record, or nothing: then a message costs not one call."""
    from hivemind_client_journal.settings import Settings

    settings = Settings.of()
    if not settings.on:
        return []
    from hivemind_client_journal.handlers import wrappers

    return wrappers(settings)


@hookimpl
def hivemind_cli_commands(cli: click.Group) -> None:
    """`hivemind-client journal`."""
    from hivemind_client_journal.commands import journal

    cli.add_command(journal)
