"""Waiting on the thread that calls."""

from __future__ import annotations

import threading
import time
from typing import Callable, Optional, TypeVar

T = TypeVar("T")

Event = threading.Event

#: Seconds after which a wait lets Python look at signals. The system may hand Ctrl-C to any thread, and a lock
#: that the main thread waits for does not wake for it (docs.python.org, signal, "Signals and threads").
_SLICE_S = 0.2


def wait_in_slices(wait: Callable[[Optional[float]], bool], seconds: Optional[float]) -> bool:
    """Call `wait(…)` until it returns True or `seconds` are over (None: never), so that Ctrl-C gets through."""
    if threading.current_thread() is not threading.main_thread():
        return wait(seconds)
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        left = _SLICE_S if end is None else max(0.0, min(_SLICE_S, end - time.monotonic()))
        if wait(left):
            return True
        if end is not None and time.monotonic() >= end:
            return False


class Notifier:
    """Wakes the threads that wait for something to change."""

    def __init__(self) -> None:
        self._changed = threading.Condition()

    def notify(self) -> None:
        """Let those who wait look again."""
        with self._changed:
            self._changed.notify_all()

    def now(self) -> float:
        """Seconds on the clock by which `wait_until` waits."""
        return time.monotonic()

    def wait_until(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Wait until `reached()`, which is asked after each `notify`; False when `seconds` were over first."""

        def wait(left: Optional[float]) -> bool:
            with self._changed:
                return self._changed.wait_for(reached, left)

        return wait_in_slices(wait, seconds)


def off_loop(work: Callable[[], T]) -> T:
    """The result of work that takes long; a thread may be held up by it."""
    return work()


def finished(result: T) -> T:
    """What a handler returned; a thread awaits nothing."""
    return result
