"""What is in a journal: found, read and removed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Optional

from attrs import frozen

from hivemind_client_journal.entry import Entry
from hivemind_client_journal.store import BUSY_SECONDS, COLUMNS, connect, transaction
from hivemind_core_client.errors import HiveMindError, Mend

_SELECT = f"SELECT {COLUMNS}, id FROM messages"  # noqa: S608  # our own names


class JournalError(HiveMindError):
    """The journal cannot be read."""


@frozen
class Query:
    """Which rows you want: the newest `limit` of those that fit, or all with None.

    `since` is a time in seconds since the epoch. `direction` is `sent` or `received`. `types` are wire names or types
    of OVOS Messages. A condition that is None does not count.
    """

    since: Optional[float] = None
    direction: Optional[str] = None
    types: tuple[str, ...] = ()
    limit: Optional[int] = None


def read(path: str, query: Query) -> list[Entry]:
    """The rows that fit, the oldest first. If there is no file, there are none. Raises JournalError."""
    conditions: list[str] = []
    values: list[Any] = []
    if query.since is not None:
        conditions.append("at >= ?")
        values.append(query.since)
    if query.direction is not None:
        conditions.append("direction = ?")
        values.append(query.direction)
    if query.types:
        marks = ", ".join("?" * len(query.types))
        conditions.append(f"(msg_type IN ({marks}) OR ovos_type IN ({marks}))")
        values += [*query.types, *query.types]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    limit = -1 if query.limit is None else query.limit
    return _rows(path, f"{_SELECT}{where} ORDER BY id DESC LIMIT ?", *values, limit)[::-1]


def read_one(path: str, number: int) -> Optional[Entry]:
    """The row with this id, or None. Raises JournalError."""
    found = _rows(path, f"{_SELECT} WHERE id = ?", number)
    return found[0] if found else None


def missing(path: str) -> int:
    """How many messages could not be kept since the journal was made or cleared. Raises JournalError."""
    with _readable(path) as connection:
        if connection is None:
            return 0
        (count,) = connection.execute("SELECT missing FROM totals").fetchone()
        return int(count)


def clear(path: str) -> int:
    """Remove all rows, and return how many there were. Nothing of them stays in the file. Raises JournalError."""
    if not os.path.exists(path):
        return 0
    try:
        with closing(connect(path)) as connection:
            with transaction(connection):
                (count,) = connection.execute("SELECT count(*) FROM messages").fetchone()
                connection.execute("DELETE FROM messages")
                connection.execute("UPDATE totals SET missing = 0")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return int(count)
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error


def _rows(path: str, statement: str, *values: Any) -> list[Entry]:
    with _readable(path) as connection:
        if connection is None:
            return []
        return [Entry(*row) for row in connection.execute(statement, values).fetchall()]


@contextmanager
def _readable(path: str) -> Iterator[Optional[sqlite3.Connection]]:
    """A connection that changes nothing; None where there is no file."""
    if not os.path.exists(path):
        yield None
        return
    try:
        place = f"{Path(path).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(place, timeout=BUSY_SECONDS, uri=True)) as connection:
            yield connection
    except (sqlite3.Error, OverflowError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: Exception) -> JournalError:
    return JournalError(
        f"the journal {path} cannot be read or changed: {error}",
        Mend("see that this user may use it; if it is broken, move it away or remove it"),
    )
