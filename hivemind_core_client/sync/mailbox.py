"""Running users' callbacks in order, on a thread of ours, without letting one of them block the rest."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional

from hivemind_core_client.shell.lanes import Lanes
from hivemind_core_client.shell.protocols import MOST_HELD_BYTES
from hivemind_core_client.shell.subscriptions import name_of
from hivemind_core_client.transports.addresses import begun
from hivemind_core_client.wire.log_lines import LogLines

if TYPE_CHECKING:
    from hivemind_core_client.shell.protocols import Handler, Job

log = logging.getLogger(__name__)


#: Python takes no longer wait than `threading.TIMEOUT_MAX`, and a timer may be set for longer.
_LONGEST_WAIT_S = 86_400.0
#: What a client of this shell runs in.
Running = threading.Thread


class Mailbox:
    """A queue of jobs that one thread, the leader, runs one after the other.

    A job that runs longer than `stall` seconds while others wait is left to itself: another thread takes the
    lead, up to `workers` threads. `limit` bounds the queue: who puts a job waits up to `stall` seconds
    for room, and then the job is dropped, logged and counted in `dropped`. `most_held` bounds, in bytes, what the jobs
    for messages hold. A thread that has been idle for `idle` seconds ends; the next job starts another.
    """

    def __init__(
        self,
        name: str = "hivemind-callbacks",
        limit: int = 10_000,
        stall: float = 5.0,
        workers: int = 8,
        idle: float = 5.0,
        most_held: int = MOST_HELD_BYTES,
    ) -> None:
        self.dropped = 0
        self.lanes = Lanes()
        self._name = name
        self._lines = LogLines()
        self._limit = limit
        self._held, self._most_held = 0, most_held
        self._stall = stall
        self._most = workers
        self._idle = idle
        self._jobs: deque[Job] = deque()
        self._timers: list[tuple[float, int, object, Job]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._workers: set[threading.Thread] = set()
        self._leader: Optional[threading.Thread] = None
        self._busy_since: Optional[float] = None
        self._watched = False
        self._closed = False
        #: Whoever waited for room in bytes did so in vain, and there has been none since.
        self._in_vain = False
        #: The same of room for another job.
        self._is_full = False

    def put(self, job: Job, always: bool = False) -> None:
        """Run `job` after those that were put before it, `always` though the queue is full."""
        with self._changed:
            full = len(self._jobs) >= self._limit
            if self._closed or (full and not always and not self._has_room()):
                return
            self._jobs.append(job)
            if self._leader is None or (self._busy_since is not None and not self._watched):
                self._wake()
            else:
                self._changed.notify_all()

    def hold(self, weight: int) -> bool:
        """What was put so far holds `weight` bytes more until it has run. False where there is no room for too long.

        Who has waited in vain waits no more until there was room: a peer is still read then.
        """
        with self._changed:
            if not (self._in_vain or self.owns_current_thread()):
                self._changed.wait_for(lambda: self._held < self._most_held or self._closed, self._stall)
            has_room = self._held < self._most_held
            self._in_vain = not (has_room or self.owns_current_thread())
            if weight and not self._closed:
                self._held += weight
                self._jobs.append(partial(self._let_go, weight))
                self._wake()
            return has_room

    def drop(self) -> None:
        """Log and count a job that is not put because those that wait hold too much."""
        with self._changed:
            self._note_dropped()

    def later(self, seconds: float, key: object, job: Job) -> None:
        """Run `job` after `seconds`, in place of an earlier one under the same `key`."""
        with self._changed:
            self._forget(key)
            if not self._closed:
                heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), key, job))
                self._wake()

    def cancel(self, key: object) -> None:
        """Forget the delayed job under `key`."""
        with self._changed:
            self._forget(key)

    def call(self, handler: Handler, *arguments: Any) -> None:
        """Call a user's handler; one that raises is logged by name, and costs nobody else anything."""
        try:
            handler(*arguments)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException:  # a user's callback may fail, exit or be cancelled, the client may not
            self._note(log.exception, "handler %s raised", name_of(handler))

    def _note(self, log: Callable[..., object], text: str, *arguments: Any) -> None:
        """Log what a peer can cause in any number."""
        self._lines.write(time.monotonic(), log, text, *arguments, kind=arguments[0])

    def finish(
        self, result: Any, then: Callable[[Any], None], failed: Callable[[BaseException], None]
    ) -> None:
        """Call `then` with what a callback returned: a thread awaits nothing."""
        then(result)

    def adapted(self, handler: Handler) -> Handler:
        """The handler itself: any thread may call it."""
        return handler

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """Around a wait: if the waiting thread runs a job of ours, another one takes the lead meanwhile."""
        with self._changed:
            if self._leader is threading.current_thread():
                self._hand_over()
        yield

    def owns_current_thread(self) -> bool:
        """True within a job."""
        return threading.current_thread() in self._workers

    def drain(self, seconds: float) -> None:
        """After `shut`: wait up to `seconds` until the jobs that wait have run; the rest is dropped.

        Within a job it does not wait: what is left runs when that job is over. Nothing is waited for or dropped once it
        was reopened.
        """
        end = time.monotonic() + seconds
        with self._changed:
            if threading.current_thread() in self._workers:
                return
            leads = (
                self._closed and self._leader is None and bool(self._jobs) and len(self._workers) < self._most
            )
            if leads:  # no thread could begin
                self._leader = threading.current_thread()
        if leads:
            self._lead()
        with self._changed:
            self._leader = None if leads else self._leader
            self._changed.wait_for(lambda: not self._jobs or not self._closed, seconds)
            if not self._closed:
                return
            self._drop_what_waits()
            self._held = 0
            workers = list(self._workers)
        for worker in workers:
            worker.join(max(0.0, end - time.monotonic()))

    def shut(self) -> None:
        """Take no more jobs, and wait for nobody."""
        with self._changed:
            self._closed = True
            self._count_unrun(self.lanes.end())
            self._timers.clear()
            self._changed.notify_all()

    def reopen(self) -> None:
        """Take jobs again after `close`."""
        with self._changed:
            self._closed = False
            self._changed.notify_all()

    def _has_room(self) -> bool:
        """Wait for room, unless somebody did so in vain and there was none since: a peer is still read then."""
        if not (self._is_full or self.owns_current_thread()):
            self._changed.wait_for(lambda: len(self._jobs) < self._limit or self._closed, self._stall)
        if len(self._jobs) < self._limit:
            return not self._closed
        self._is_full = not self.owns_current_thread()
        self._note_dropped()
        return False

    def _note_dropped(self) -> None:
        self.dropped += 1
        self._note(
            log.error,
            "%s: %d callbacks wait, and hold %d MiB of messages; dropped one (%d so far). Is a handler stuck?",
            self._name,
            len(self._jobs),
            self._held // 2**20,
            self.dropped,
        )

    def _drop_what_waits(self) -> None:
        """Count jobs that had no time to run."""
        count = sum(getattr(job, "func", None) != self._let_go for job in self._jobs)
        self._jobs.clear()
        self._count_unrun(count)

    def _count_unrun(self, count: int) -> None:
        if count:
            self.dropped += count
            log.warning("%d callbacks had not run when the client was closed: they were dropped", count)

    def _let_go(self, weight: int) -> None:
        with self._changed:
            self._held = max(0, self._held - weight)
            self._changed.notify_all()

    def _forget(self, key: object) -> None:
        self._timers = [timer for timer in self._timers if timer[2] != key]
        heapq.heapify(self._timers)

    def _wake(self) -> None:
        if self._leader is None:
            self._hand_over()
        elif self._busy_since is not None:
            self._guard()
        self._changed.notify_all()

    def _guard(self) -> None:
        """See to it that somebody watches the leader while jobs wait behind the one it runs."""
        if self._jobs and not self._watched and len(self._workers) < self._most:
            self._watched = self._start(self._watch) is not None

    def _hand_over(self) -> None:
        self._busy_since = None
        self._leader = None
        if len(self._workers) < self._most:
            self._leader = self._start(self._lead)
        else:
            log.error(
                "%s: %d handlers are stuck; callbacks wait until one of them returns", self._name, self._most
            )

    def _start(self, target: Callable[[], None]) -> Optional[threading.Thread]:
        """The thread that does this, or None where no thread can begin any more: then `drain` does what is left."""
        thread = threading.Thread(target=self._work, args=(target,), name=self._name, daemon=True)
        self._workers.add(thread)
        if begun(thread):
            return thread
        self._workers.discard(thread)
        return None

    def _work(self, target: Callable[[], None]) -> None:
        try:
            target()
        finally:
            with self._changed:
                self._workers.discard(threading.current_thread())
                if self._leader is threading.current_thread():
                    self._leader = None
                if self._leader is None and self._jobs:
                    self._hand_over()

    def _watch(self) -> None:
        """Wait until the leader moves on, or take the lead from it when it does not."""
        with self._changed:
            while self._jobs:
                began = self._busy_since
                if self._changed.wait_for(partial(self._moved_on, began), self._stall):
                    continue
                if began is not None or self._leader is None:
                    log.warning(
                        "%s: a handler has been running for %g s; the others go on without it",
                        self._name,
                        self._stall,
                    )
                    self._leader = threading.current_thread()
                    self._busy_since = None
                    break
            self._watched = False
        self._lead()

    def _moved_on(self, began: Optional[float]) -> bool:
        return not self._jobs or self._busy_since != began

    def _lead(self) -> None:
        while True:
            job = self._next_job()
            if job is None:
                return
            try:
                job()
            except BaseException:  # a user's callback may fail or even exit, the client may not
                self._note(log.exception, "%s: a handler raised", self._name)
            with self._changed:
                if self._leader is threading.current_thread():
                    self._busy_since = None
                    self._changed.notify_all()

    def _next_job(self) -> Optional[Job]:
        """The next job, or None when this thread leads no more."""
        with self._changed:
            while self._leader is threading.current_thread():
                if self._timers:
                    self._ripen()
                if self._jobs:
                    self._busy_since = time.monotonic()
                    job, self._is_full = self._jobs.popleft(), False
                    if self._jobs:
                        self._guard()
                    self._changed.notify_all()
                    return job
                if self._closed:
                    return None
                rest = self._timers[0][0] - time.monotonic() if self._timers else self._idle
                if not self._changed.wait(min(rest, _LONGEST_WAIT_S)) and not self._timers and not self._jobs:
                    self._leader = None
            return None

    def _ripen(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            self._jobs.append(heapq.heappop(self._timers)[3])
