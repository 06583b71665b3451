"""The messages of an outbox in a file of SQLite, which outlives the process.

One client at a time has the file: SQLite's own lock says so, and the system drops it however the process ends. A
message is in the file, and flushed to the disk, before `append` returns. It is in one piece: a transaction is whole or
not there at all, also after kill -9 or a power cut.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import sqlite3
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Callable, Optional
from weakref import WeakSet

from attrs import field, frozen

from hivemind_core_client.config.key_files import expanded, make_folder, tighten
from hivemind_core_client.config.outbox_clock import Clock, since
from hivemind_core_client.kernel.outbox_store import StoredMessage
from hivemind_core_client.wire.errors import Command, FrameError, Mend
from hivemind_core_client.wire.message import HiveMessage
from hivemind_core_client.wire.outbox_errors import OutboxFileError

log = logging.getLogger(__name__)

#: What SQLite keeps at a place of its own in each file: that it is an outbox ("HMob"), and the version of its form.
APPLICATION_ID = 0x484D6F62
FORM = 1
#: Seconds that another process may still take to let the file go.
_LOCK_SECONDS = 1.0
#: The clock of the date was set, where the start of the machine moves by more seconds than this.
_CLOCK_WAS_SET = 1.0
#: The largest number that a message can have.
_LAST = 2**63 - 1
#: What SQLite puts beside a file, and the file itself.
_SUFFIXES = ("", "-wal", "-journal")
_TABLES = (
    (
        "CREATE TABLE messages (number INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL, size INTEGER NOT NULL, "
        "boot INTEGER NOT NULL, running REAL NOT NULL, checksum INTEGER NOT NULL)"
    ),
    "CREATE TABLE boots (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, shift REAL NOT NULL)",
    "CREATE TABLE owner (hub TEXT NOT NULL, salt BLOB NOT NULL, key BLOB NOT NULL)",
)


@frozen
class Owner:
    """For whom the messages in a file are: the hub's address, and the access key that they are sent with."""

    hub: str
    key: str = field(repr=False)

    def digest(self, salt: bytes) -> bytes:
        """What stands in the file in the place of the key."""
        return hashlib.blake2b(self.key.encode("utf-8", "surrogatepass"), key=salt, digest_size=16).digest()


class OutboxFile:
    """The store of an outbox (`OutboxStore`) in the file `path`.

    Each method raises OutboxFileError where the file cannot be used.

    Args:
        path: the file. `open` makes it with mode 0600 where it is missing, and folders with 0700.
        owner: tells for whom it is, when it is opened. A file is refused in which messages for another one wait, or
            one that cannot be read. None takes any outbox that is there, to look at it.
        clock: what tells when a message was kept. Its steady clock is that of `since`.
    """

    def __init__(
        self, path: str, owner: Optional[Callable[[], Owner]], clock: Optional[Clock] = None
    ) -> None:
        self.path = os.path.abspath(expanded(path))
        self.count = self.size = 0
        self._owner = owner
        self._clock = clock or Clock()
        self._database: Optional[sqlite3.Connection] = None
        self._shift = 0.0
        self._boot = 0

    def open(self) -> None:
        """Make it ready: take the lock, and check all that is in it. Has no effect on one that is open."""
        if self._database is not None:
            return
        self._boot = 0
        self._database = self._connected()
        try:
            with self._telling("opened"):
                self._take()
        except BaseException:
            self._shut()
            raise
        _OPEN.add(self)

    @property
    def hub(self) -> str:
        """The address of the hub for which its messages are; empty for a new file that nobody has had."""
        row = self._ask("SELECT hub FROM owner").fetchone()
        return str(row[0]) if row else ""

    def append(self, data: bytes, since: float) -> int:
        """Keep a message as the newest, and return its number. It is on the disk then."""
        self._note_clock()
        age = max(0.0, self._clock.steady() - since)
        made = self._ask(
            "INSERT INTO messages (body, size, boot, running, checksum) VALUES (?, ?, ?, ?, ?)",
            (data, len(data), self._boot, self._clock.running() - age, zlib.crc32(data)),
        )
        self.count += 1
        self.size += len(data)
        return int(made.lastrowid or 0)

    def after(self, number: int, most: int) -> Sequence[StoredMessage]:
        """The oldest messages with a higher number, in order: `most` of them at most."""
        rows = self._ask(
            "SELECT messages.number, body, checksum, name, running, shift FROM messages JOIN boots "
            "ON boots.number = boot WHERE messages.number > ? ORDER BY messages.number LIMIT ?",
            (number, most),
        ).fetchall()
        for place, body, checksum, *_ in rows:
            if zlib.crc32(body) != checksum:
                raise self._unreadable(place, "is damaged")
        return [StoredMessage(place, since(self._clock, *kept), body) for place, body, _, *kept in rows]

    def remove_up_to(self, number: int) -> None:
        """Remove the messages up to this number, and this one too. They do not come back, also after a power cut."""
        count, size = self._sums(number)
        if count:
            self._ask("DELETE FROM messages WHERE number <= ?", (number,))
            self.count -= count
            self.size -= size

    def close(self) -> None:
        """Let the file go, for others to use. What waits stays in it. Has no effect on one that is closed."""
        if self._database is None:
            return
        _OPEN.discard(self)
        try:
            if not self.count:
                self._ask("VACUUM")  # it is small again
        except OutboxFileError as error:
            log.debug("the outbox was not made smaller: %s", error)
        self._shut()

    def disown(self) -> None:
        """In a child after a fork: the file is the parent's. To close it here would take its newest messages away."""
        if self._database is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._database))
            self._database = None

    def _shut(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _ask(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        if self._database is None:
            raise self._error("is not open", Mend("call open() first"))
        with self._telling("used"):
            return self._database.execute(statement, values)

    def _connected(self) -> sqlite3.Connection:
        if self._owner is not None:
            self._make_missing()
        for suffix in _SUFFIXES:
            self._check_owner(self.path + suffix)
        with self._telling("opened"):
            database = sqlite3.connect(
                self.path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            with self._telling("opened"):
                self._prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _make_missing(self) -> None:
        # One that is there is never opened here: a process that closes a file loses all its locks of that file.
        try:
            make_folder(os.path.dirname(self.path))
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return
        except OSError as error:
            raise self._error(f"cannot be made ({error.strerror})", _MEND_FOLDER) from error

    def _check_owner(self, path: str) -> None:
        """Raises OutboxFileError for what is no file of this user."""
        try:
            found = os.stat(path)
        except OSError as error:
            if path != self.path and isinstance(error, FileNotFoundError):
                return
            raise self._error(f"cannot be opened ({error.strerror})", _MEND_FOLDER) from error
        if not stat.S_ISREG(found.st_mode):
            raise self._error("is no regular file", _MEND_ELSEWHERE)
        if os.name == "posix" and found.st_uid != os.geteuid():
            raise self._error("belongs to another user", _MEND_ELSEWHERE)

    def _prepare(self, database: sqlite3.Connection) -> None:
        """Take the lock, see that it is an outbox, and make the tables of a new one, all in one step."""
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("BEGIN EXCLUSIVE")
        number = database.execute("PRAGMA application_id").fetchone()[0]
        form = database.execute("PRAGMA user_version").fetchone()[0]
        is_new = not number and not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if is_new and self._owner is not None:
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {FORM}")
            for table in _TABLES:
                database.execute(table)
        elif number != APPLICATION_ID:
            raise self._error("is no outbox: it is empty, or another program made it", _MEND_ELSEWHERE)
        elif form != FORM:
            raise self._error(
                f"has the form {form} of another version of this library, which knows the form {FORM}",
                Mend("use that version, or give another path"),
            )
        database.execute("COMMIT")
        for suffix in _SUFFIXES:
            tighten(self.path + suffix)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA secure_delete = ON")

    def _take(self) -> None:
        """Check what is there, down to each message, and have the file as its owner's."""
        if self._ask("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise self._error("is damaged", _MEND_MOVE)
        self.count, self.size = self._sums()
        if self._owner is not None:
            for each in self.after(0, -1):
                self._check_readable(each)
            self._bind(self._owner())
        self._note_clock()

    def _check_readable(self, stored: StoredMessage) -> None:
        try:
            HiveMessage.from_wire(stored.data)
        except FrameError as error:
            raise self._unreadable(stored.number, f"cannot be read ({error.what})") from error

    def _bind(self, owner: Owner) -> None:
        row = self._ask("SELECT hub, salt, key FROM owner").fetchone()
        if row is not None and row[0] == owner.hub and row[2] == owner.digest(row[1]):
            return
        if row is not None and self.count:
            other = f"the hub at {row[0]}" if row[0] != owner.hub else "another access key of that hub"
            raise self._error(
                f"has {self.count} messages for {other}: they are not sent to {owner.hub} with this access key",
                Mend(
                    "give this client another path, or send them first with the former settings, or remove them with ",
                    self._clear(),
                ),
            )
        salt = os.urandom(16)
        self._ask("BEGIN")
        self._ask("DELETE FROM owner")
        self._ask("INSERT INTO owner VALUES (?, ?, ?)", (owner.hub, salt, owner.digest(salt)))
        self._ask("COMMIT")

    def _note_clock(self) -> None:
        """Remember when this start of the machine began, by the clock of the date as it shows now."""
        shift, name = self._clock.shift(), self._clock.boot
        if self._boot and abs(shift - self._shift) < _CLOCK_WAS_SET:
            return
        self._ask(
            "INSERT INTO boots (name, shift) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET shift = excluded.shift",
            (name, shift),
        )
        if not self._boot:
            self._ask(
                "DELETE FROM boots WHERE name != ? AND number NOT IN (SELECT boot FROM messages)", (name,)
            )
            self._boot = self._ask("SELECT number FROM boots WHERE name = ?", (name,)).fetchone()[0]
        self._shift = shift

    def _sums(self, up_to: int = _LAST) -> tuple[int, int]:
        count, size = self._ask(
            "SELECT count(*), coalesce(sum(size), 0) FROM messages WHERE number <= ?", (up_to,)
        ).fetchone()
        return int(count), int(size)

    def _unreadable(self, number: int, problem: str) -> OutboxFileError:
        return self._error(
            f"has a message, number {number}, that {problem}",
            Mend("if a plugin brought its type, install that; else remove the messages with ", self._clear()),
        )

    def _clear(self) -> Command:
        return Command(("outbox", "clear", self.path), takes_identity=False)

    def _error(self, problem: str, *mends: Mend) -> OutboxFileError:
        return OutboxFileError(f"the outbox {self.path!r} {problem}", *mends)

    @contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        """Say in words of ours what SQLite says."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._error(*_known(str(error), doing)) from error


def _known(said: str, doing: str) -> tuple[Any, ...]:
    for part, problem, mend in _SAID:
        if part in said:
            return problem, mend
    return f"cannot be {doing} ({said})", _MEND_FOLDER


_MEND_FOLDER = Mend("check that this user may write in its folder, and that the disk is not full")
_MEND_ELSEWHERE = Mend("give another path")
_MEND_MOVE = Mend(
    "move it away, with the file of the same name and '-wal' if there is one; then a new one is made"
)
#: What SQLite says, what that is, and what to do. Its codes are not told before Python 3.11.
_SAID = (
    (
        "is locked",
        "is in use by another client or program",
        Mend("give each client a path of its own, or end that one"),
    ),
    ("is full", "has no room: the disk is full", Mend("make room on the disk")),
    ("malformed", "is damaged", _MEND_MOVE),
    ("not a database", "is a file of another kind, and no outbox", _MEND_ELSEWHERE),
)

_OPEN: WeakSet[OutboxFile] = WeakSet()


def _disown_all() -> None:
    for file in list(_OPEN):
        file.disown()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing is forked
    os.register_at_fork(after_in_child=_disown_all)
