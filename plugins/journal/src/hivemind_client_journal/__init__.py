"""A journal of what satellites said and heard, in a SQLite file. Off until it is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivemind_client_journal.entry import Entry
    from hivemind_client_journal.reading import Query, clear, read, read_one
    from hivemind_client_journal.writer import flush

__version__ = "0.2.0"

__all__ = ["Entry", "Query", "clear", "flush", "read", "read_one"]

_HOMES = {
    "Entry": "entry",
    "Query": "reading",
    "clear": "reading",
    "flush": "writer",
    "read": "reading",
    "read_one": "reading",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the plugin is imported for every client, mostly to stay off."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
