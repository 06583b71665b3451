"""The mailbox of AsyncFakeHiveMessageBus: jobs run on the loop, and a clock is moved by hand, or jumps."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional

from attrs import define

from hivemind_core_client.aio.mailbox import AsyncMailbox, Jobs, Running
from hivemind_core_client.transports.slices import TURN_S
from hivemind_core_client.transports.timing import wake

if TYPE_CHECKING:
    from hivemind_core_client.shell.protocols import Job

log = logging.getLogger(__name__)

#: How long `settle` waits for handlers that wait for something else than this bus, in seconds.
_PATIENCE_S = 1.0
#: So many turns of the loop in which nothing happens on this bus, while no handler of it runs, are taken for the end of
#: it: a task of the test that is about to do something has had its turn by then.
_TURNS = 20


@define(eq=False)
class Wait:
    """Somebody who waits: until what, at the latest when the clock shows `end`, and in which task."""

    reached: Callable[[], bool]
    end: Optional[float]
    task: Optional[asyncio.Task[Any]]


class AsyncFakeMailbox(AsyncMailbox):
    """Runs jobs in order on the loop; its clock does not run by itself, unless it `runs`.

    `elapsed` is how far the clock was moved, in seconds. It jumps to the next timer, or the end of the next wait,
    when somebody waits with a bound, and nothing has happened here for a moment, and no handler runs. A clock that
    `runs` goes with that of the computer, and never jumps.
    """

    def __init__(self, runs: bool = False) -> None:
        super().__init__()
        self._runs = runs
        self._began = time.monotonic()
        #: How far it was moved by hand, or has jumped.
        self._moved = 0.0
        self._order = itertools.count()
        self._delayed: list[tuple[float, int, object, Job]] = []
        self._waits: list[Wait] = []
        self._wakers: set[asyncio.Future[None]] = set()
        self._activity = 0
        self._watching = False

    @property
    def elapsed(self) -> float:
        """How far the clock is, in seconds."""
        return self._moved + (time.monotonic() - self._began if self._runs else 0.0)

    def now(self) -> float:
        """The time of day, in seconds since the epoch, later by what the clock was moved."""
        return time.time() + self.elapsed

    def later(self, seconds: float, key: object, job: Job) -> None:
        """Run `job` once the clock was moved by `seconds`, in place of an earlier one under the same `key`."""
        self.cancel(key)
        if not self._closed:
            due = self.elapsed + seconds
            heapq.heappush(self._delayed, (due, next(self._order), key, job))
            self._ring(seconds, due)

    def cancel(self, key: object) -> None:
        """Forget the delayed job under `key`."""
        self._delayed = [entry for entry in self._delayed if entry[2] != key]
        heapq.heapify(self._delayed)

    def spawn(self, work: Any, inner: Any = None) -> None:
        """Run a coroutine beside the queue; it is cancelled by `close`."""
        before = set(self._tasks)
        super().spawn(work, inner)
        for task in self._tasks - before:
            task.add_done_callback(lambda _: self.stir())
        self.stir()

    async def close(self, seconds: float) -> None:
        """Take no more jobs. Those that wait run; coroutines get `seconds` of real time to end."""
        self._delayed.clear()
        await super().close(seconds)
        self.stir()

    def reopen(self) -> None:
        """Take jobs again. A loop that has ended looks no more, so that another one has to."""
        if asyncio.get_running_loop() is not self.loop:
            self._watching = False
        super().reopen()

    def stir(self) -> None:
        """Something happened: let those who wait look again."""
        self._activity += 1
        wakers, self._wakers = self._wakers, set()
        for waker in wakers:
            wake(waker)
        self._watch()

    def arrive(self, job: Job) -> None:
        """Run `job` after those that were put before it."""
        self.put(job)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Around what puts jobs: here none of them runs before this returns anyway."""
        yield

    def in_background(self, work: Coroutine[Any, Any, bool]) -> None:
        """Run `work` beside the queue, on the loop; from any thread."""
        if not self.on_loop(partial(self.spawn, work)):
            work.close()
            log.warning("a message was not sent: the client is not connected")

    def stand_in(self, wait: Callable[[], Coroutine[Any, Any, bool]]) -> Running:
        """What stands for the task of a real client: it ends when `wait()` does."""

        async def until_finished() -> None:
            await wait()

        return asyncio.get_running_loop().create_task(until_finished())

    async def wait_until(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Wait until `reached()`, for `seconds` of this clock at most; returns whether it was. None: for ever."""
        end = None if seconds is None else self.elapsed + seconds
        wait = Wait(reached, end, asyncio.current_task())
        self._waits.append(wait)
        self.stir()
        alarm = None if end is None else self._ring(end - self.elapsed, end)
        try:
            while not reached():
                if end is not None and self.elapsed >= end:
                    return False
                await self._stirred(None)
            return True
        finally:
            if alarm is not None:
                alarm.cancel()
            self._waits.remove(wait)
            self.stir()

    async def settle(self) -> None:
        """Return when the handlers have run, coroutines as far as they do not wait; at once within one of them."""
        if self.owns_current_task():
            return
        loop = asyncio.get_running_loop()
        end, calm = loop.time() + _PATIENCE_S, 0
        while calm < _TURNS and loop.time() < end:
            busy = self._busy()
            calm = 0 if busy else calm + 1
            await (self._stirred(end - loop.time()) if busy else asyncio.sleep(0))

    async def advance(self, seconds: float) -> None:
        """Move the clock by `seconds`, letting every timer and wait on the way run out at its time."""
        end = self.elapsed + seconds
        await self.settle()
        while True:
            due = self._next_due()
            if due is None or due > end:
                break
            self._move(due)
            await self.settle()
        self._move(end)
        await self.settle()

    def _run(self, jobs: Jobs, seconds: float = TURN_S) -> None:
        super()._run(jobs, seconds)
        self.stir()

    def _busy(self) -> bool:
        """True while jobs wait, handlers run, or somebody is about to wake up."""
        parked = {wait.task for wait in self._waits}
        running = any(task not in parked for task in self._tasks)
        return bool(self._jobs) or running or any(map(self._is_over, self._waits))

    def _is_over(self, wait: Wait) -> bool:
        return wait.reached() or (wait.end is not None and wait.end <= self.elapsed)

    async def _stirred(self, seconds: Optional[float]) -> None:
        waker = asyncio.get_running_loop().create_future()
        self._wakers.add(waker)
        try:
            await asyncio.wait({waker}, timeout=seconds)
        finally:
            self._wakers.discard(waker)

    def _watch(self) -> None:
        """See to it that the clock jumps when nothing is left to do, as long as there is a wait with a bound."""
        if not self._runs and not self._watching and self._is_bounded() and not self._busy():
            self._watching = True
            asyncio.get_running_loop().call_soon(self._look, self._activity, _TURNS)

    def _look(self, seen: int, turns: int) -> None:
        """Jump to what is due next, if nothing has happened since `seen`, and nothing does for some turns more."""
        quiet = seen == self._activity
        if quiet and turns:
            asyncio.get_running_loop().call_soon(self._look, seen, turns - 1)
            return
        self._watching = False
        due = self._next_due()
        if quiet and due is not None:
            self._move(due)
        else:
            self._watch()

    def _ring(self, seconds: float, moment: float) -> Optional[asyncio.TimerHandle]:
        """See to it that a clock that runs by itself is noticed when it shows `moment`, in so many seconds."""
        return asyncio.get_running_loop().call_later(seconds, self._move, moment) if self._runs else None

    def _is_bounded(self) -> bool:
        return any(wait.end is not None for wait in self._waits)

    def _next_due(self) -> Optional[float]:
        times = [entry[0] for entry in self._delayed[:1]]
        times += [wait.end for wait in self._waits if wait.end is not None and wait.end > self.elapsed]
        return min(times, default=None)

    def _move(self, moment: float) -> None:
        self._moved += max(0.0, moment - self.elapsed)
        while self._delayed and self._delayed[0][0] <= self.elapsed:
            self.put(heapq.heappop(self._delayed)[3])
        self.stir()
