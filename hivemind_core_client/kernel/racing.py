"""Which of a hub's addresses is tried when, sans IO: each of them, staggered, within one deadline (RFC 8305)."""

from __future__ import annotations

from collections import deque
from itertools import chain, zip_longest
from typing import Any, Union

#: What getaddrinfo gives for an address; the first of it is the family.
Entry = tuple[Any, ...]

#: Seconds after which the next address is tried, while the ones before are still silent (RFC 8305, 8).
_STAGGER_S = 0.25
_SHORTEST_STAGGER_S = 0.01


def stagger(count: int, seconds: float) -> float:
    """Seconds between the first tries of `count` addresses: each gets half of the whole time at least."""
    return max(_SHORTEST_STAGGER_S, min(_STAGGER_S, seconds / (2 * max(1, count))))


def interleaved(found: list[Entry]) -> list[Entry]:
    """What getaddrinfo found, the families in turn, the first one first (RFC 8305, 4)."""
    by_family: dict[int, list[Entry]] = {}
    for entry in found:
        by_family.setdefault(entry[0], []).append(entry)
    return [entry for entry in chain.from_iterable(zip_longest(*by_family.values())) if entry is not None]


class Race:
    """Connections with several addresses, of which the first to stand wins. It began at `now`, for some seconds."""

    def __init__(self, found: list[Entry], seconds: float, now: float) -> None:
        self._waiting = deque(interleaved(found))
        self._pause = stagger(len(found), seconds)
        self._end = now + seconds
        self._next = now
        self._running = 0
        self._failure = OSError("it has no address")

    def step(self, now: float) -> Union[Entry, float]:
        """The address to try now, or for how many seconds to wait for those that are tried.

        Raises TimeoutError, or the last error when all have failed.
        """
        if now >= self._end:
            raise TimeoutError("timed out")
        if self._waiting and now >= self._next:
            self._next = now + self._pause
            self._running += 1
            return self._waiting.popleft()
        if not self._waiting and not self._running:
            raise self._failure
        return (min(self._next, self._end) if self._waiting else self._end) - now

    def failed(self, error: OSError, now: float) -> None:
        """One of those that are tried has failed: the next need not wait."""
        self._running -= 1
        self._failure, self._next = error, now
