"""The wrappers that record. They change nothing."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, Callable, Optional

from hivemind_client_journal.entry import RECEIVED, SENT, entry_of
from hivemind_client_journal.place import NoPlace, journal_path
from hivemind_client_journal.settings import Settings
from hivemind_client_journal.writer import Writer, writer_of
from hivemind_core_client import HiveMessage
from hivemind_core_client.plugins.contract import Actions, Context, MessageHandler

log = logging.getLogger(__name__)

#: The name of the wrappers, and of their memory.
NAME = "journal"


def wrappers(settings: Settings) -> list[MessageHandler]:
    """One wrapper for each type that is recorded."""
    return [
        MessageHandler(
            name,
            NAME,
            partial(receive, settings),
            on_send=partial(on_send, settings),
            on_end=partial(on_end, settings),
            wraps=True,
        )
        for name in settings.types
    ]


def receive(
    settings: Settings, context: Context, message: HiveMessage, next: Callable[[HiveMessage], Actions]
) -> Actions:
    """Record a message that arrived."""
    _record(settings, context, RECEIVED, message)
    return next(message)


def on_send(
    settings: Settings, context: Context, message: HiveMessage, next: Callable[[HiveMessage], Actions]
) -> Actions:
    """Record a message that is about to leave, as it is sent."""
    _record(settings, context, SENT, message)
    return next(message)


def on_end(settings: Settings, context: Context, next: Callable[[], Actions]) -> Actions:
    """The session has ended, and soon the process may: what waits is written now."""
    writer = _writer(settings, context)
    if writer is not None:
        writer.hurry()
    return next()


def _record(settings: Settings, context: Context, direction: str, message: HiveMessage) -> None:
    """Never raises: a journal is not worth a message."""
    try:
        writer = _writer(settings, context)
        if writer is not None:
            hub = context.hub.node_id if context.hub is not None else ""
            writer.put(entry_of(message, direction, context.now(), context.identity.name, hub))
    except Exception as error:
        # Its text may quote the message.
        context.note(log.warning, "a message is missing in the journal (%s)", type(error).__name__)


def _writer(settings: Settings, context: Context) -> Optional[Writer]:
    memory: dict[str, Any] = context.recall(NAME)
    if "path" not in memory:
        try:
            memory["path"] = journal_path(context.identity, settings.path)
        except NoPlace as error:
            log.warning("there is no journal: %s. Set HIVEMIND_JOURNAL_PATH", error)
            memory["path"] = None
    path = memory["path"]
    # Looked up each time: a forked child has writers of its own.
    return None if path is None else writer_of(path, settings)
