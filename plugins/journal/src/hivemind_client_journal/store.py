"""The SQLite file: opened, written and kept within its bounds. Several processes may do that at a time."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from hivemind_client_journal.entry import Entry
from hivemind_client_journal.settings import Settings
from hivemind_core_client.config.key_files import prepare_private

#: The version of the tables, in `PRAGMA user_version`.
VERSION = 1
#: How long a writer waits for another process, in seconds.
BUSY_SECONDS = 5.0
#: The columns of a row but its id, in the order of `Entry`.
COLUMNS = "at, direction, msg_type, ovos_type, node, hub, size, text"

# An id is never used again, so that nobody replays another message than the one he has seen. The triggers spare each
# writer the counting of all rows.
_TABLES = """
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, direction TEXT NOT NULL, msg_type TEXT NOT NULL,
    ovos_type TEXT NOT NULL, node TEXT NOT NULL, hub TEXT NOT NULL, size INTEGER NOT NULL, text TEXT);
CREATE INDEX messages_at ON messages (at);
CREATE TABLE totals (rows INTEGER NOT NULL, bytes INTEGER NOT NULL, missing INTEGER NOT NULL);
INSERT INTO totals VALUES (0, 0, 0);
CREATE TRIGGER added AFTER INSERT ON messages BEGIN
    UPDATE totals SET rows = rows + 1, bytes = bytes + ifnull(length(CAST(NEW.text AS BLOB)), 0); END;
CREATE TRIGGER removed AFTER DELETE ON messages BEGIN
    UPDATE totals SET rows = rows - 1, bytes = bytes - ifnull(length(CAST(OLD.text AS BLOB)), 0); END;
"""
_INSERT = f"INSERT INTO messages ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  # our own names
_OLDEST = "SELECT id, ifnull(length(CAST(text AS BLOB)), 0) FROM messages ORDER BY id LIMIT ?"
#: How many rows are removed at a time.
_CHUNK = 100


class Store:
    """The file at `path`, for one thread. It is made, mode 0600, where it is missing; its folder has mode 0700 then.

    Raises OSError and sqlite3.Error, as all methods do: for a file that is no journal, a folder or a disk that takes
    nothing.
    """

    def __init__(self, path: str, settings: Settings) -> None:
        self._settings = settings
        self._path = path
        if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        prepare_private(path)
        self._connection = connect(path)
        self._file = _number(path)
        try:
            self._make()
        except BaseException:
            self._connection.close()
            raise

    def append(self, entries: Sequence[Entry], missing: int, now: float) -> None:
        """Write all of these or none, and remove what is beyond the bounds. `missing` others were not kept."""
        rows = [(e.at, e.direction, e.msg_type, e.ovos_type, e.node, e.hub, e.size, e.text) for e in entries]
        with transaction(self._connection):
            self._connection.executemany(_INSERT, rows)
            if missing:
                self._connection.execute("UPDATE totals SET missing = missing + ?", (missing,))
            self._remove_old(now)

    def is_current(self) -> bool:
        """False where somebody has removed the file, or put another in its place: what is written is lost then."""
        return self._file == _number(self._path)

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _make(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"it was made by another version ({version})")
        with suppress(sqlite3.OperationalError):  # while another process writes: then that one sees to it
            self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        with transaction(self._connection):
            # Another process may have made them while this one waited.
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _statements(_TABLES):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {VERSION}")

    def _remove_old(self, now: float) -> None:
        bounds, execute = self._settings, self._connection.execute
        execute("DELETE FROM messages WHERE at < ?", (now - bounds.days * 86_400,))
        rows, held = execute("SELECT rows, bytes FROM totals").fetchone()
        while rows > bounds.rows or held > bounds.bytes:
            for number, size in execute(_OLDEST, (_CHUNK,)).fetchall():
                if rows <= bounds.rows and held <= bounds.bytes:
                    return
                execute("DELETE FROM messages WHERE id = ?", (number,))
                rows, held = rows - 1, held - size


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is done within is written, or nothing of it. Waits for other writers, BUSY_SECONDS at most."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk may have ended it already
            connection.execute("ROLLBACK")
        raise


def connect(path: str) -> sqlite3.Connection:
    """A connection that begins and ends transactions when told, and overwrites what is removed."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        # What people said is gone from the disk once it is removed.
        connection.execute("PRAGMA secure_delete = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _statements(script: str) -> list[str]:
    statements, rest = [], ""
    for line in script.strip().splitlines():
        rest += f"{line}\n"
        if sqlite3.complete_statement(rest):
            statements.append(rest)
            rest = ""
    return statements


def _number(path: str) -> object:
    """What tells the file at `path` from any other; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
