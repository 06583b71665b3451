"""What was saved in a folder, kept across restarts: only these files count, and only these are ever removed."""

from __future__ import annotations

import json
import logging
import os
import stat
from pathlib import Path
from typing import Any, Literal, Optional

from attrs import frozen

log = logging.getLogger(__name__)

#: One JSON line for each saved file, oldest first. No saved file can be called so, because of the dot.
LEDGER_NAME = ".hivemind-saved"

_MOST_BYTES = 64 * 2**20
_SPARE_LINES = 200
#: Memory cards (FAT) keep times to two seconds.
_SAME_TIME = 2.5


@frozen
class Entry:
    """A saved file: its name, its bin type, its size in bytes, and when it was last changed."""

    name: str
    kind: int
    size: int
    changed: float

    def is_at(self, folder: Path) -> bool:
        """True while the file is there as it was saved, and nobody has put another in its place."""
        try:
            found = os.lstat(folder / self.name)
        except OSError:
            return False
        same_time = abs(found.st_mtime - self.changed) < _SAME_TIME
        return stat.S_ISREG(found.st_mode) and found.st_size == self.size and same_time


class Ledger:
    """The entries of `folder`, oldest first. Not for two threads at once.

    A line is added for each file, and the whole is written anew only when most lines are of files that are gone, so
    that a memory card is not worn. What cannot be read or written is logged; then earlier runs are not remembered.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / LEDGER_NAME
        lines = self._read()
        self._entries = [entry for entry in map(_entry, lines) if entry is not None]
        self._lines = len(lines)
        self._tidy(self.present())

    def present(self) -> list[Entry]:
        """The entries of files that are still there; the others are forgotten."""
        self._entries = [entry for entry in self._entries if entry.is_at(self._folder)]
        return list(self._entries)

    def add(self, path: Path, kind: int) -> None:
        """Note the file at `path`, which lies in the folder."""
        try:
            found = os.lstat(path)
        except OSError as error:
            log.debug("%s went before it could be noted: %s", path.name, error)
            return
        entry = Entry(path.name, kind, found.st_size, found.st_mtime)
        self._entries.append(entry)
        self._write("ab", self._path, [entry])
        self._lines += 1
        self._tidy(self._entries)

    def remove(self, entry: Entry) -> None:
        """Remove the entry and its file. Raises OSError."""
        if entry.is_at(self._folder):
            os.unlink(self._folder / entry.name)
        self._entries.remove(entry)

    def _read(self) -> list[str]:
        try:
            with open(self._path, "rb", opener=_open_private) as file:
                return file.read(_MOST_BYTES).decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            log.warning(
                "cannot read %s (%s): files that were saved earlier are not counted", self._path, error
            )
            return []

    def _tidy(self, entries: list[Entry]) -> None:
        if self._lines > 2 * len(entries) + _SPARE_LINES:
            self._write("wb", self._path.with_name(f"{LEDGER_NAME}.new"), entries)
            self._lines = len(entries)

    def _write(self, mode: Literal["ab", "wb"], path: Path, entries: list[Entry]) -> None:
        text = "".join(f"{json.dumps([e.name, e.kind, e.size, e.changed])}\n" for e in entries)
        try:
            with open(path, mode, opener=_open_private) as file:
                file.write(text.encode())
            if path != self._path:
                os.replace(path, self._path)
        except OSError as error:
            log.warning("cannot write %s (%s): after a restart what is saved now is not counted", path, error)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o600)


def _entry(line: str) -> Optional[Entry]:
    """The entry of a line, or None for one that is damaged or names anything but a file in the folder itself."""
    try:
        fields: Any = json.loads(line)
        name, kind, size, changed = fields
        entry = Entry(str(name), int(kind), int(size), float(changed))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    plain = entry.name == Path(entry.name).name and not set(entry.name) & set("/\\\0")
    return entry if plain and not entry.name.startswith(".") else None
