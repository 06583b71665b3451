"""The entry point `journal`: wrappers and observers where it is asked for, and `hivemind-client journal`."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hivemind_core_client.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from hivemind_client_cli.group import HiveMindGroup
    from hivemind_client_journal.settings import Settings
    from hivemind_core_client import HiveMessage
    from hivemind_core_client.plugins.contract import MessageHandler

#: An observer that is there costs something for every message, so these are there only where the journal is on.
_OBSERVERS = ("hivemind_message_sent", "hivemind_disconnected")


def __dir__() -> list[str]:
    """The names in which hooks are looked for when plugins are loaded."""
    settings.cache_clear()
    try:
        hidden = () if settings().on else _OBSERVERS
    except ValueError:  # what makes no sense is said by hivemind_message_handlers
        hidden = _OBSERVERS
    return [name for name in globals() if name not in hidden]


@lru_cache(maxsize=1)
def settings() -> Settings:
    """What the environment asked for when plugins were loaded. Raises ValueError for what makes no sense."""
    from hivemind_client_journal.settings import Settings

    return Settings.of()


@hookimpl(tryfirst=True)  # outermost, so that what arrived is recorded as it came
def hivemind_message_handlers() -> list[MessageHandler]:
    """The wrappers that record what arrives, or nothing: then a message costs not one call."""
    if not settings().on:
        return []
    from hivemind_client_journal.handlers import wrappers

    return wrappers(settings())


@hookimpl
def hivemind_message_sent(client: Any, message: HiveMessage) -> None:
    """Record what was sent."""
    from hivemind_client_journal.handlers import observe_sent

    observe_sent(settings(), client, message)


@hookimpl
def hivemind_disconnected(client: Any) -> None:
    """The session has ended, and soon the process may: what waits is written now."""
    from hivemind_client_journal.handlers import writer_for

    writer = writer_for(settings(), client)
    if writer is not None:
        writer.hurry()


@hookimpl
def hivemind_cli_commands(cli: HiveMindGroup) -> None:
    """`hivemind-client journal`."""
    from hivemind_client_journal.commands import journal

    cli.add_command(journal, section="look")
