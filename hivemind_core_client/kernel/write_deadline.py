"""When a message that is being written is given up, sans IO: the same for every transport."""

from __future__ import annotations

from typing import Optional

#: A transport that cannot wait for the next byte to be taken looks so many times within the deadline.
_LOOKS = 8


class WriteDeadline:
    """A message is given up when the hub has taken nothing of it for `seconds`, however long all of it takes.

    `now` is the time in seconds on any clock, and `left` how many bytes the hub has yet to take.
    """

    def __init__(self, seconds: float, now: float, left: int) -> None:
        self._seconds = seconds
        self._left = left
        self._ends = now + seconds

    def next_look(self, now: float, left: int) -> Optional[float]:
        """Seconds until the next look at the latest, or None when the message is to be given up."""
        if left < self._left:
            self._left, self._ends = left, now + self._seconds
        remaining = self._ends - now
        return min(remaining, self._seconds / _LOOKS) if remaining > 0 else None
