"""The mailbox of FakeHiveMessageBus: jobs run on the thread that puts them, and a clock is moved by hand."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, Optional

from hivemind_core_client.sync.mailbox import Mailbox, Running

if TYPE_CHECKING:
    from hivemind_core_client.shell.protocols import Job

log = logging.getLogger(__name__)


class NoThread(threading.Thread):
    """What stands for the thread of a client that needs none; `join` returns at once."""

    def start(self) -> None:
        """Nothing to start."""

    def join(self, timeout: Optional[float] = None) -> None:
        """Nothing to wait for."""


class FakeMailbox(Mailbox):
    """Runs jobs on the thread that puts them; what a job puts runs after it, and what comes from the hub after that.

    `elapsed` is how far the clock was moved, in seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0
        self._arriving: deque[Job] = deque()
        self._holders = 0

    def now(self) -> float:
        """The time of day, in seconds since the epoch, later by what the clock was moved."""
        return time.time() + self.elapsed

    def put(self, job: Job, always: bool = False) -> None:
        """Run `job` now, or after the one that is running."""
        self._queue(self._jobs, job)

    def arrive(self, job: Job) -> None:
        """Run `job` when no other waits."""
        self._queue(self._arriving, job)

    def hold(self, weight: int) -> bool:
        """There is always room: what is put runs at once."""
        return True

    def later(self, seconds: float, key: object, job: Job) -> None:
        """Run `job` once the clock was moved by `seconds`, in place of an earlier one under the same `key`."""
        with self._changed:
            self._forget(key)
            if not self._closed:
                heapq.heappush(self._timers, (self.elapsed + seconds, next(self._order), key, job))

    def drain(self, seconds: float) -> None:
        """Nothing to wait for: what waits behind a running job runs after it."""

    def shut(self) -> None:
        """Take no more jobs, and forget what was to come."""
        super().shut()
        with self._changed:
            self._arriving.clear()

    def settle(self) -> None:
        """Nothing waits to be run: that is done before what puts a job returns."""

    def stir(self) -> None:
        """Nobody waits elsewhere, who would have to look again."""

    def advance(self, seconds: float) -> None:
        """Move the clock, and let the timers run out that are due."""
        self.wait_until(lambda: False, seconds)

    def in_background(self, done: bool) -> None:
        """Take what was done when it was called: there is no background here."""

    def stand_in(self, wait: object) -> Running:
        """What stands for the thread of a real client."""
        return NoThread()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let jobs wait until the end of the block."""
        with self._changed:
            self._holders += 1
        try:
            yield
        finally:
            self._release()

    def wait_until(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Run what waits and move the clock, by `seconds` at most, until `reached()`; returns whether it was.

        None moves it to the last timer: nothing can come after that.
        """
        end = None if seconds is None else self.elapsed + seconds
        while not reached():
            with self._changed:
                job = self._next(end)
            if job is None:
                self.elapsed = self.elapsed if end is None else end
                return reached()
            _run(job)
        return True

    def _queue(self, queue: deque[Job], job: Job) -> None:
        with self.held():
            if not self._closed:
                queue.append(job)

    def _release(self) -> None:
        """Run what waits, if this is the last one who holds it back."""
        while True:
            with self._changed:
                job = self._next(self.elapsed) if self._holders == 1 else None
                if job is None:
                    self._holders -= 1
                    return
            try:
                _run(job)
            except BaseException:  # such as Ctrl-C: the next job must not wait for ever
                with self._changed:
                    self._holders -= 1
                raise

    def _next(self, end: Optional[float]) -> Optional[Job]:
        for queue in (self._jobs, self._arriving):
            if queue:
                return queue.popleft()
        if not self._timers or (end is not None and self._timers[0][0] > end):
            return None
        due, _, _, job = heapq.heappop(self._timers)
        self.elapsed = max(self.elapsed, due)
        return job


def _run(job: Job) -> None:
    try:
        job()
    except (Exception, SystemExit):  # like a user's callback on the real client's thread
        log.exception("hivemind-fake: a handler raised")
