"""Who else on this machine is connected with the access key of this process.

Two programs that name no identity read the same file: they share one access key, which a hub takes for one satellite,
and one static key. Nothing forbids that, and nothing shows it, so the second one is warned.

Each process holds a lock on one byte of a file beside the identity: which byte, a hash of key and hub says. The system
drops the locks of a process that ends, however it ends, and they are not inherited. They are per process: several
clients of one process are its own affair, and count as one.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
from typing import Optional

from hivemind_core_client.config.home import config_home

try:
    import fcntl
except ImportError:  # not a POSIX system: nobody is warned there
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

FILE_NAME = "keys_in_use.lock"
#: So many bytes of a hash say where in the file a lock lies. The file stays empty all the same.
_OFFSET_BYTES = 6
#: Where a lock lies: the file, and the place in it.
Place = tuple[str, int]


class _Locks:
    """The locks of this process, and how many of its clients need each.

    A file is open once: who closes any descriptor of a file loses all locks that the process has in it.
    """

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self._uses: dict[Place, int] = {}
        self._files: dict[str, int] = {}

    def take(self, place: Place) -> bool:
        """Hold this place. Returns whether other processes do. Raises OSError where there can be no lock."""
        path, offset = place
        self._uses[place] = self._uses.get(place, 0) + 1
        if self._uses[place] > 1:
            return False
        if path not in self._files:
            self._files[path] = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        return _others_hold(self._files[path], offset)

    def give_back(self, place: Place) -> None:
        """One client less that needs it."""
        path, offset = place
        left = self._uses.pop(place, 1) - 1
        if left > 0:
            self._uses[place] = left
            return
        descriptor = self._files.get(path)
        if descriptor is None:
            return
        with contextlib.suppress(OSError):
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, offset)
        if not any(other == path for other, _ in self._uses):
            os.close(self._files.pop(path))

    def forget(self) -> None:
        """In a child after a fork: the locks are the parent's, and so are the clients."""
        for descriptor in self._files.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self.__init__()  # type: ignore[misc]


_LOCKS = _Locks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LOCKS.forget)


class KeyUse:
    """That a client is connected with a key, from `begin` to `end`. Both may be called again, and neither waits."""

    def __init__(self) -> None:
        self._place: Optional[Place] = None

    def begin(self, identity_file: Optional[str], key: str, hub: str) -> None:
        """Warn if another process is connected with this key to this hub. An identity in memory is no one else's."""
        place = _place(identity_file, key, hub)
        if place == self._place:
            return
        self.end()
        if place is None or fcntl is None:
            return
        with _LOCKS.guard:
            self._place = place
            try:
                others = _LOCKS.take(place)
            except (OSError, OverflowError) as error:  # such as a file system without locks
                log.debug("whether others use this access key is not known: %s", error)
                return
        if others:
            log.warning(
                "another process on this machine is connected to %s with this access key and static key: the hub takes "
                "the two for one satellite. Give each program a key of its own ('hivemind-core add-client' makes one) "
                "in an identity of its own: identity=NodeIdentity(app_name='NAME') or NodeIdentity('FILE'), "
                "on the command line --identity-file FILE",
                hub,
            )

    def end(self) -> None:
        """It is connected no more."""
        with _LOCKS.guard:
            place, self._place = self._place, None
            if place is not None:
                _LOCKS.give_back(place)


def _place(identity_file: Optional[str], key: str, hub: str) -> Optional[Place]:
    """Where the lock lies; None where there is no folder for one. Identities of applications share that of the user."""
    if identity_file is None:
        return None
    folder, home = os.path.dirname(os.path.abspath(identity_file)), config_home()
    common = os.path.join(home, "hivemind") if home else folder
    if os.path.dirname(folder) == common:
        folder = common
    if not os.path.isdir(folder):
        return None
    digest = hashlib.sha256(f"{hub}\n{key}".encode("utf-8", "surrogatepass")).digest()
    return os.path.join(folder, FILE_NAME), int.from_bytes(digest[:_OFFSET_BYTES], "big")


def _others_hold(descriptor: int, offset: int) -> bool:
    """Hold the place together with others, and tell whether there are any. Raises OSError where there are no locks."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
    except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, as the system likes
        with contextlib.suppress(BlockingIOError, PermissionError):  # another one looks just now
            fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, offset)
        return True
    fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, offset)
    return False
