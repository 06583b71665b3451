"""The flood ids that a node has seen, shared by its two halves: the hub that it is, and a satellite of another hub."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, MutableSet
from typing import Optional

#: So many are remembered unless the hub says otherwise.
_MOST = 1000
#: A peer chose it, so its length is bounded too.
_LONGEST_ID = 2048


class FloodIdCache(MutableSet[str]):
    """A set of flood ids that forgets the oldest beyond `max_size`. May be used by several threads."""

    def __init__(self, max_size: int = _MOST) -> None:
        self.max_size = max_size
        self._ids: dict[str, None] = {}
        self._lock = threading.Lock()

    def check(self, flood_id: str, max_size: Optional[int] = None) -> bool:
        """Note a flood id. Whether it was known: of those who ask at once, one alone is told False.

        `max_size` bounds the cache from now on. What is no text, an empty one, and one that is longer than 2,048
        characters count as known: such a flood is nobody's to answer.
        """
        if not isinstance(flood_id, str) or not 0 < len(flood_id) <= _LONGEST_ID:
            return True
        with self._lock:
            if max_size is not None:
                self.max_size = max_size
            known = flood_id in self._ids
            self._note(flood_id)
            return known

    def add(self, flood_id: str) -> None:
        """Note a flood id."""
        with self._lock:
            self._note(flood_id)

    def discard(self, flood_id: str) -> None:
        """Forget a flood id, if it is known."""
        with self._lock:
            self._ids.pop(flood_id, None)

    def clear(self) -> None:
        """Forget them all."""
        with self._lock:
            self._ids.clear()

    @classmethod
    def _from_iterable(cls, ids: Iterable[str]) -> set[str]:  # type: ignore[override]  # a plain set, which forgets none
        """What `|`, `&` and `-` give."""
        return set(ids)

    def __contains__(self, flood_id: object) -> bool:
        """Whether it is known."""
        return flood_id in self._ids

    def __iter__(self) -> Iterator[str]:
        """All of them as of now, the oldest first."""
        with self._lock:
            return iter(list(self._ids))

    def __len__(self) -> int:
        """How many are known."""
        return len(self._ids)

    def _note(self, flood_id: str) -> None:
        self._ids.setdefault(flood_id)
        while len(self._ids) > self.max_size:
            del self._ids[next(iter(self._ids))]
