"""Waiting on the thread that calls."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

from hivemind_core_client.wire.errors import InvalidOption

if TYPE_CHECKING:
    from hivemind_core_client.wire.errors import HiveMindError

T = TypeVar("T")

#: A message is read on the thread of the connection, however long that takes.
READS_APART = False

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


class WritingLock:
    """The lock under which a message is sealed and written, for a `with`.

    Raises `stuck()` if one holder keeps it for `seconds`, and InvalidOption on the thread of who holds it.
    """

    def __init__(self, seconds: float, stuck: Callable[[], HiveMindError]) -> None:
        self._lock = threading.Lock()
        self._owner: Optional[int] = None
        self._turns = 0
        self._seconds = seconds
        self._stuck = stuck

    def locked(self) -> bool:
        """Whether somebody writes."""
        return self._lock.locked()

    def __enter__(self) -> None:
        """Acquire."""
        if not self._lock.acquire(blocking=False):
            self._wait()
        self._owner = threading.get_ident()

    def __exit__(self, *exception: object) -> None:
        """Let others write."""
        self._owner = None
        self._turns += 1
        self._lock.release()

    def _wait(self) -> None:
        if self._owner == threading.get_ident():
            raise InvalidOption(
                "a callback for progress cannot send: it is called while a message is written"
            )
        turns = -1
        while turns != self._turns:  # others had their turns meanwhile: nothing is stuck
            turns = self._turns
            if self._lock.acquire(timeout=self._seconds):
                return
        raise self._stuck()


def new_link_lock() -> AbstractContextManager[Any]:
    """What whoever makes a Link act holds meanwhile: it is not made for two threads at once."""
    return threading.Lock()


def at_home() -> Callable[[Callable[[], None]], None]:
    """What calls a job where the client lives: any thread may."""
    return lambda job: job()


class Beside:
    """Runs one thing beside what else goes on."""

    def begin(self, work: Callable[[], object], name: str) -> None:
        """Run `work` on a thread of that name."""
        threading.Thread(target=work, name=name, daemon=True).start()

    def end(self) -> None:
        """Nothing to do: the thread ends with the connection that it waits on."""


def off_loop(work: Callable[[], T]) -> T:
    """The result of work that takes long; a thread may be held up by it."""
    return work()


def finished(result: T) -> T:
    """What a handler returned; a thread awaits nothing."""
    return result
