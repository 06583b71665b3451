"""What the embedded hub remembers of messages that went through it: bounded, whatever clients send."""

from __future__ import annotations

import threading
from typing import Any, Callable, Optional

#: How many floods, and how many open questions, are remembered; the oldest are forgotten first.
MOST_FLOODS = 1000
MOST_QUESTIONS = 256
#: Seconds for which a question may be answered.
QUESTION_LIFE_S = 300.0


class Seen:
    """The youngest of the keys that were added, MOST_FLOODS of them."""

    def __init__(self, most: int = MOST_FLOODS) -> None:
        self._most = most
        self._keys: dict[Any, None] = {}
        self._lock = threading.Lock()

    def add(self, key: Any) -> bool:
        """True when the key is new."""
        with self._lock:
            if key in self._keys:
                return False
            if len(self._keys) >= self._most:
                del self._keys[next(iter(self._keys))]
            self._keys[key] = None
            return True


class Questions:
    """On which connection each open question came: MOST_QUESTIONS of them, for QUESTION_LIFE_S seconds."""

    def __init__(self, now: Callable[[], float], most: int = MOST_QUESTIONS) -> None:
        self._now = now
        self._most = most
        self._askers: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def note(self, query_id: str, peer: str) -> None:
        """Remember who asked; the first who uses an id owns it. One who asks too much displaces its own."""
        with self._lock:
            if query_id in self._askers:
                return
            if len(self._askers) >= self._most:
                own = (asked for asked, (asker, _) in self._askers.items() if asker == peer)
                del self._askers[next(own, next(iter(self._askers)))]
            self._askers[query_id] = (peer, self._now())

    def asker(self, query_id: Any) -> Optional[str]:
        """Who asked; None for what nobody asked, or too long ago."""
        with self._lock:
            oldest = self._now() - QUESTION_LIFE_S
            self._askers = {key: entry for key, entry in self._askers.items() if entry[1] >= oldest}
            entry = self._askers.get(query_id) if isinstance(query_id, str) else None
            return entry[0] if entry else None
