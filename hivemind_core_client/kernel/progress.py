"""How far the writing of one message has come, told to a callback of the user."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Frame

log = logging.getLogger(__name__)

#: Called with the bytes written so far, and all that are to be written.
Progress = Callable[[int, int], None]


class ProgressReporter:
    """Calls a user's callback with how far one message has come. One that raises is logged once, and called again.

    `frames` are the frames of the message, where it has several: they are reported as one, and `next` is called
    between them.
    """

    def __init__(self, progress: Progress, frames: Sequence[Frame] = ()) -> None:
        self._progress = progress
        self._failed = False
        self._sizes = [len(frame) for frame in frames] if len(frames) > 1 else []
        self._before = self._current = 0

    def next(self) -> None:
        """One frame has been written; what is reported from now on is of the next."""
        if self._current + 1 < len(self._sizes):
            self._before += self._sizes[self._current]
            self._current += 1

    def whole(self, frame: Frame) -> None:
        """Report that this frame is written, for a transport that does not tell of less. Never raises."""
        self(len(frame), len(frame))
        self.next()

    def __call__(self, written: int, total: int) -> None:
        """Report how far the frame has come that is being written. Never raises."""
        if self._sizes:
            written, total = self._before + min(written, self._sizes[self._current]), sum(self._sizes)
        try:
            self._progress(written, total)
        except (Exception, SystemExit):  # half a frame would cost the connection
            if not self._failed:
                log.exception("the callback for progress raised")
            self._failed = True
