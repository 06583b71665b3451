"""Log lines that a peer can cause in any number: a few of each kind are written, and then how many more there were."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Callable, Optional

#: So many lines of a kind are written within so many seconds.
MOST_LINES, WINDOW_S = 5, 60.0
#: So many kinds are told apart; the oldest is forgotten first.
_MOST_KINDS = 1000


class LogLines:
    """Writes what may come in any number. A kind is told by its text before it is filled in; each has its measure."""

    def __init__(self) -> None:
        #: When the time of a kind began, how many lines were written in it, and how many were not.
        self._kinds: dict[Hashable, tuple[float, int, int]] = {}

    def write(
        self,
        now: float,
        log: Callable[..., object],
        text: str,
        *arguments: Any,
        kind: Optional[Hashable] = None,
    ) -> None:
        """Call `log(text, *arguments)`, such as `log.warning`, or count that it was not. `now` is in seconds.

        `kind` tells apart what has the same text.
        """
        key = text if kind is None else (text, kind)
        began, written, left_out = self._kinds.get(key) or self._new(key, now)
        if not 0 <= now - began < WINDOW_S:
            began, written = now, 0
        if written >= MOST_LINES:
            self._kinds[key] = (began, written, left_out + 1)
            return
        self._kinds[key] = (began, written + 1, 0)
        if left_out:
            text, arguments = f"{text} (and %d more before it)", (*arguments, left_out)
        if written + 1 == MOST_LINES:
            text, arguments = f"{text} (more like it are only counted for %g s)", (*arguments, WINDOW_S)
        log(text, *arguments)

    def _new(self, key: Hashable, now: float) -> tuple[float, int, int]:
        if len(self._kinds) >= _MOST_KINDS:
            self._kinds.pop(next(iter(self._kinds)), None)
        return now, 0, 0
