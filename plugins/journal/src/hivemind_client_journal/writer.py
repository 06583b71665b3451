"""The thread that writes. Handlers put rows into its queue and go on: a slow disk holds up no message."""

from __future__ import annotations

import atexit
import errno
import logging
import os
import sqlite3
import threading
import time
from collections import deque
from typing import Optional

from hivemind_client_journal.entry import Entry
from hivemind_client_journal.settings import Settings
from hivemind_client_journal.store import Store

log = logging.getLogger(__name__)

#: How much may wait for the disk: rows, and bytes of their texts.
MOST_ROWS, MOST_BYTES = 1000, 16 * 2**20
#: How long a row waits for others, so that they are written in one go, in seconds.
LINGER_S = 0.2
#: After a failure the disk is left alone for so many seconds.
REST_S = 30.0
#: How long the end of the process waits for what is not written yet, in seconds.
END_S = 5.0
#: Rows that are missing are told so often, in seconds.
_TOLD_EVERY_S = 60.0


class Writer:
    """Writes the rows of one file. Any thread may call it, and nothing that it does raises."""

    def __init__(self, path: str, settings: Settings) -> None:
        self._path = path
        self._settings = settings
        self._changed = threading.Condition()
        self._waiting: deque[Entry] = deque()
        self._bytes = 0
        #: How many could not be kept since rows were last written.
        self._missing = 0
        self._thread: Optional[threading.Thread] = None
        self._writing = self._hurry = self._ending = False
        self._store: Optional[Store] = None
        self._rest_until = 0.0
        self._failure_told = False
        self._told = float("-inf")

    def put(self, entry: Entry) -> None:
        """Have a row written soon. Where too much waits already, it is counted as missing."""
        size = len(entry.text or "")
        with self._changed:
            if self._ending or len(self._waiting) >= MOST_ROWS or self._bytes + size > MOST_BYTES:
                self._missing += 1
                return
            self._waiting.append(entry)
            self._bytes += size
            if self._thread is None:
                self._start()
            # Not for each row: whoever waits would be woken for nothing.
            if len(self._waiting) == 1 or len(self._waiting) > MOST_ROWS // 2:
                self._changed.notify_all()

    def hurry(self) -> None:
        """Have what waits written now."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until all that was put is written, or given up; False where that takes longer, in seconds."""
        self.hurry()
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._writing), timeout)

    def end(self, timeout: float) -> None:
        """Write what waits, and close the file; what takes longer, in seconds, is left."""
        with self._changed:
            self._ending, thread = True, self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join(timeout)

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="hivemind-journal", daemon=True)
        try:
            thread.start()
        except (
            RuntimeError
        ):  # the interpreter ends, or the system has no more threads: the next row tries again
            self._missing += len(self._waiting)
            self._waiting.clear()
            self._bytes = 0
        else:
            self._thread = thread

    def _run(self) -> None:
        last = False
        while not last:
            batch, missing, last = self._take()
            try:
                if batch or missing:
                    self._write(batch, missing)
            except Exception:  # this thread is the only one: it must go on
                log.exception("%d messages are missing in the journal %s", len(batch), self._path)
            with self._changed:
                self._writing = False
                self._changed.notify_all()
        if self._store is not None:
            self._store.close()

    def _take(self) -> tuple[list[Entry], int, bool]:
        """What is to be written next, how many could not be kept, and whether this is the last time."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ending)
            self._changed.wait_for(
                lambda: self._hurry or self._ending or len(self._waiting) > MOST_ROWS // 2, LINGER_S
            )
            batch, missing = list(self._waiting), self._missing
            self._waiting.clear()
            self._bytes = self._missing = 0
            self._hurry, self._writing = False, True
            return batch, missing, self._ending

    def _write(self, batch: list[Entry], missing: int) -> None:
        if time.monotonic() < self._rest_until:
            self._lose(len(batch) + missing)
            return
        try:
            if self._store is not None and not self._store.is_current():
                self._store.close()
                self._store = None
            if self._store is None:
                self._store = Store(self._path, self._settings)
            self._store.append(batch, missing, time.time())
        except (sqlite3.Error, OSError, OverflowError) as error:
            self._lose(len(batch) + missing)
            self._rest(error)
        else:
            self._tell(missing)

    def _lose(self, count: int) -> None:
        with self._changed:
            self._missing += count

    def _rest(self, error: Exception) -> None:
        """Leave the file alone for a while; what is wrong is told once."""
        if self._store is not None:
            self._store.close()
            self._store = None
        self._rest_until = time.monotonic() + REST_S
        level = logging.DEBUG if self._failure_told else logging.WARNING
        self._failure_told = True
        text = "the journal %s cannot be written (%s): messages go on as ever, and are not recorded. %s"
        log.log(level, text, self._path, _reason(error), _mend(error))

    def _tell(self, missing: int) -> None:
        if missing and time.monotonic() - self._told >= _TOLD_EVERY_S:
            self._told = time.monotonic()
            log.warning("%d messages are missing in the journal %s", missing, self._path)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _mend(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if "not a database" in str(error) or "malformed" in str(error) or "another version" in str(error):
        return "Move the file away, or remove it"
    if number == errno.ENOSPC or "full" in str(error):
        return "Make room on the disk: it is tried again from time to time"
    return "Check that this user may write there: it is tried again from time to time"


_writers: dict[str, Writer] = {}
_lock = threading.Lock()
#: Those that a child has of its parent, kept and left alone: to close the parent's file would end its locks.
_of_parents: list[object] = []


def writer_of(path: str, settings: Settings) -> Writer:
    """The writer of the file at `path` in this process."""
    found = _writers.get(path)
    if found is not None:
        return found
    with _lock:
        return _writers.setdefault(path, Writer(path, settings))


def flush(timeout: float = END_S) -> bool:
    """Wait until all that was said and heard is written. Returns False if that takes more than `timeout` seconds."""
    end_at = time.monotonic() + timeout
    return all(writer.flush(max(end_at - time.monotonic(), 0)) for writer in list(_writers.values()))


def end() -> None:
    """Write what waits and close all files, as at the end of the process. Who goes on opens them again."""
    global _writers
    with _lock:
        ended, _writers = _writers, {}
    for writer in ended.values():
        writer.end(END_S)


def _forget() -> None:
    """Runs in a forked child, alone: the threads are not there, and locks may be held for ever."""
    global _writers, _lock
    _of_parents.append(_writers)
    _writers, _lock = {}, threading.Lock()


atexit.register(end)
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing is forked
    os.register_at_fork(after_in_child=_forget)
