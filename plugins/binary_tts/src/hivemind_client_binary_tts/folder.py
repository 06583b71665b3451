"""A folder that takes files of others: whole or not at all, and never over what is there."""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Union

from hivemind_client_binary_tts.names import split_suffix
from hivemind_core_client.errors import InvalidOption, Mend

log = logging.getLogger(__name__)

#: Files that are still being written. No saved file can be called so, because of the dot.
_INCOMING = ".hivemind-incoming-"
#: Nobody writes one file for so many seconds: what is older was left by a process that died.
_STALE = 3600.0
#: After so many files of one name the next ones get a random number, which is found at once.
_MOST_NUMBERED = 1000


class Folder:
    """The folder at `directory`, made with mode 0700 if it is missing; `~` is the user's home.

    Raises InvalidOption when it cannot be made or written in.
    """

    def __init__(self, directory: Union[str, os.PathLike[str]]) -> None:
        try:
            expanded = os.path.expanduser(os.fspath(directory))
            self.path = Path(os.path.abspath(expanded))
            if expanded.startswith("~"):
                raise OSError(errno.ENOENT, "there is no such user")
            self._make()
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise OSError(errno.EACCES, "this user may not write there")
        except (OSError, ValueError, TypeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InvalidOption(
                f"cannot save files in {str(directory)!r}: {reason}",
                Mend("pass a folder that this user may write in"),
            ) from error
        self._sweep()

    def add(self, name: str, data: bytes, durable: bool) -> Path:
        """Write `data` under `name`, or `name` with a number where that is taken; mode 0600.

        `name` is a safe one. `durable` waits until the disk has it. Raises OSError, and then nothing is left.
        """
        self._make()
        incoming = self.path / f"{_INCOMING}{os.urandom(8).hex()}"
        try:
            _write(incoming, data, durable)
            for candidate in _candidates(_encodable(name)):
                if _place(incoming, self.path / candidate):
                    return self.path / candidate
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(incoming)
        raise OSError(errno.EEXIST, "every name that was tried is taken")

    def _make(self) -> None:
        os.makedirs(self.path, mode=0o700, exist_ok=True)

    def _sweep(self) -> None:
        """Remove what processes that died left half written."""
        for path in self.path.glob(f"{_INCOMING}*"):
            try:
                if time.time() - path.lstat().st_mtime > _STALE:
                    path.unlink()
            except OSError as error:
                log.debug("a file that was left half written stays: %s", error)


def _write(path: Path, data: bytes, durable: bool) -> None:
    with open(path, "xb", opener=_open_private) as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _place(incoming: Path, target: Path) -> bool:
    """Give a file that is whole its name in one step; False if something has that name already."""
    try:
        os.link(incoming, target)
    except FileExistsError:
        return False
    except OSError as error:
        log.debug("no hard links here (%s): the name is taken first, then the file put in its place", error)
        return _place_without_links(incoming, target)
    return True


def _place_without_links(incoming: Path, target: Path) -> bool:
    """The same for memory cards (FAT), where a reader may see the name with nothing in it for a moment."""
    try:
        open(target, "xb", opener=_open_private).close()
    except FileExistsError:
        return False
    try:
        os.replace(incoming, target)
    except OSError:
        os.unlink(target)
        raise
    return True


def _candidates(name: str) -> Iterator[str]:
    stem, suffix = split_suffix(name)
    yield name
    for number in range(2, _MOST_NUMBERED):
        yield f"{stem}-{number}{suffix}"
    for _ in itertools.repeat(None, _MOST_NUMBERED):
        yield f"{stem}-{os.urandom(4).hex()}{suffix}"


def _encodable(name: str) -> str:
    """The name with `_` for what this system's file names cannot hold, which is no UTF-8 everywhere."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return name.encode("ascii", "replace").decode().replace("?", "_")
    return name
