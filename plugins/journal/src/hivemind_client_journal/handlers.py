"""The wrappers and the observers that record. They change nothing."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any, Callable, Optional
from weakref import WeakKeyDictionary

from hivemind_client_journal.entry import RECEIVED, SENT, entry_of
from hivemind_client_journal.place import NoPlace, journal_path
from hivemind_client_journal.settings import Settings
from hivemind_client_journal.writer import Writer, writer_of
from hivemind_core_client import HiveMessage
from hivemind_core_client.plugins.contract import Actions, Context, MessageHandler

log = logging.getLogger(__name__)

#: The name of the wrappers, and of their memory.
NAME = "journal"
#: Where the journal of each client lies. A wrapper has its memory for that; observers have the client.
_paths: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


def wrappers(settings: Settings) -> list[MessageHandler]:
    """One wrapper for each type that is recorded: of what arrives.

    What is sent is observed: a wrapper of `on_send` would have whoever sends wait for the handlers of other plugins.
    """
    return [MessageHandler(name, NAME, partial(receive, settings), wraps=True) for name in settings.types]


def receive(
    settings: Settings, context: Context, message: HiveMessage, next: Callable[[HiveMessage], Actions]
) -> Actions:
    """Record a message that arrived. Never raises: a journal is not worth a message."""
    try:
        writer = _writer(settings, context.identity, context.recall(NAME))
        if writer is not None:
            hub = context.hub.node_id if context.hub is not None else ""
            writer.put(entry_of(message, RECEIVED, context.now(), context.identity.name, hub))
    except Exception as error:
        # Its text may quote the message.
        context.note(log.warning, "a message is missing in the journal (%s)", type(error).__name__)
    return next(message)


def observe_sent(settings: Settings, client: Any, message: HiveMessage) -> None:
    """Record a message that was sent. What goes wrong is counted and logged by whoever calls observers."""
    if str(message.msg_type) not in settings.types:
        return
    writer = writer_for(settings, client)
    if writer is not None:
        hub = client.hub.node_id if client.hub is not None else ""
        writer.put(entry_of(message, SENT, time.time(), client.identity.name, hub))


def writer_for(settings: Settings, client: Any) -> Optional[Writer]:
    """The writer of the journal of a client, None where it has no place."""
    return _writer(settings, client.identity, _paths.setdefault(client, {}))


def _writer(settings: Settings, identity: Any, memory: dict[str, Any]) -> Optional[Writer]:
    if "path" not in memory:
        try:
            memory["path"] = journal_path(identity, settings.path)
        except NoPlace as error:
            log.warning("there is no journal: %s. Set HIVEMIND_JOURNAL_PATH", error)
            memory["path"] = None
    path = memory["path"]
    # Looked up each time: a forked child has writers of its own.
    return None if path is None else writer_of(path, settings)
