"""From a name to a connected socket: each of its addresses is tried, staggered, within one deadline (RFC 8305)."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections import deque
from itertools import chain, zip_longest
from selectors import EVENT_WRITE
from typing import Any, Optional

from hivemind_core_client.transports.shared_socket import new_selector

#: Seconds after which the next address is tried, while the ones before are still silent (RFC 8305, 8).
_STAGGER_S = 0.25
_SHORTEST_STAGGER_S = 0.01
_GOES_ON = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY, errno.EINTR})


def stagger(count: int, seconds: float) -> float:
    """Seconds between the first tries of `count` addresses: each gets half of the whole time at least."""
    return max(_SHORTEST_STAGGER_S, min(_STAGGER_S, seconds / (2 * max(1, count))))


def interleaved(found: list[Any]) -> list[Any]:
    """What getaddrinfo found, the families in turn, the first one first (RFC 8305, 4)."""
    by_family: dict[int, list[Any]] = {}
    for entry in found:
        by_family.setdefault(entry[0], []).append(entry)
    return [entry for entry in chain.from_iterable(zip_longest(*by_family.values())) if entry is not None]


def connect_tcp(host: str, port: int, seconds: float) -> socket.socket:
    """A connection with whichever address of `host` takes one first, all within `seconds`.

    Raises socket.timeout (also for a resolver that hangs), socket.gaierror or another OSError.
    """
    end = time.monotonic() + seconds
    found = interleaved(resolve(host, port, seconds))
    race = _Race(found, stagger(len(found), seconds))
    try:
        return race.run(end)
    finally:
        race.end()


class _Race:
    """Connections with several addresses at once, of which the first to stand wins."""

    def __init__(self, entries: list[Any], pause: float) -> None:
        self._waiting = deque(entries)
        self._pause = pause
        self._selector = new_selector()
        self._next = 0.0
        self._failure = OSError("it has no address")

    def run(self, end: float) -> socket.socket:
        """The one that won. Raises socket.timeout, or the last error when all have failed."""
        while self._waiting or self._running():
            now = time.monotonic()
            if now >= end:
                raise socket.timeout("timed out")
            if self._waiting and now >= self._next:
                self._next = now + self._pause
                winner = self._begin(*self._waiting.popleft())
            else:
                winner = self._first_ready((min(self._next, end) if self._waiting else end) - now)
            if winner is not None:
                return winner
        raise self._failure

    def end(self) -> None:
        """Close those that have not won."""
        for connecting in self._running():
            connecting.close()
        self._selector.close()

    def _running(self) -> list[socket.socket]:
        return [key.fileobj for key in self._selector.get_map().values()]  # type: ignore[misc]  # sockets only

    def _begin(
        self, family: int, kind: int, protocol: int, name: str, address: Any
    ) -> Optional[socket.socket]:
        try:
            made = socket.socket(family, kind, protocol)
        except OSError as error:  # a kernel without IPv6
            self._fail(error)
            return None
        made.setblocking(False)
        code = made.connect_ex(address)
        if code in _GOES_ON:
            self._selector.register(made, EVENT_WRITE)
            return None
        return self._settled(made, code)

    def _first_ready(self, seconds: float) -> Optional[socket.socket]:
        for key, _ in self._selector.select(seconds):
            connecting: socket.socket = key.fileobj  # type: ignore[assignment]  # sockets only
            self._selector.unregister(connecting)
            winner = self._settled(connecting, connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            if winner is not None:
                return winner
        return None

    def _settled(self, connecting: socket.socket, code: int) -> Optional[socket.socket]:
        if not code:
            return connecting
        connecting.close()
        self._fail(OSError(code, os.strerror(code)))
        return None

    def _fail(self, error: OSError) -> None:
        self._failure, self._next = error, 0.0  # the next one need not wait


def resolve(host: str, port: int, seconds: float) -> list[Any]:
    """getaddrinfo, which has no timeout, on a thread that is left to itself when it takes too long.

    Raises socket.timeout then, and what getaddrinfo raises.
    """
    answer: list[Any] = []

    def ask() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.append(error)

    asking = threading.Thread(target=ask, name="hivemind-resolver", daemon=True)
    if begun(asking):
        asking.join(seconds)
    else:
        ask()
    if not answer:
        raise socket.timeout("timed out")
    if isinstance(answer[0], Exception):
        raise answer[0]
    return list(answer[0])


def begun(thread: threading.Thread) -> bool:
    """Start a thread; False where none can begin any more: from Python 3.12 on, in what runs when Python exits."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True
