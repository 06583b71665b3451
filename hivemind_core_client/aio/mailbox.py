"""Running users' callbacks on the event loop: functions in order, coroutines as tasks that are counted and ended."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import deque
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, Callable, Optional

from attrs import frozen

from hivemind_core_client.aio.loops import cancel_task, running_loop
from hivemind_core_client.shell.lanes import Lanes
from hivemind_core_client.shell.protocols import MOST_HELD_BYTES
from hivemind_core_client.shell.subscriptions import name_of
from hivemind_core_client.transports.slices import TURN_S
from hivemind_core_client.transports.timing import wake, within
from hivemind_core_client.wire.log_lines import LogLines

if TYPE_CHECKING:
    from hivemind_core_client.shell.protocols import Handler, Job

log = logging.getLogger(__name__)

#: What a user's callback may raise: it may fail, exit, or pass a cancellation on, the client may not.
_HARMLESS = (Exception, SystemExit, asyncio.CancelledError)


Jobs = deque["tuple[Optional[Context], Job]"]
#: What a client of this shell runs in.
Running = asyncio.Task[None]


@frozen
class OnLoop:
    """A handler on a bus that may have threads of its own: called on the mailbox's loop. Equal for an equal handler."""

    mailbox: AsyncMailbox
    func: Handler

    def __call__(self, *arguments: Any) -> None:
        """Have it called; from any thread."""
        job = partial(self.mailbox.call, self.func, *arguments)
        if not self.mailbox.on_loop(partial(self.mailbox.put, job)):
            log.warning("a handler on the local bus was not called: the client is not connected")


class AsyncMailbox:
    """A queue of jobs on one event loop, run in order: that of the last `reopen`, before it the one that runs.

    Handlers that are coroutine functions run as tasks beside the queue, `limit` at once at most: then who asks for
    `room` waits, and further ones are dropped, logged and counted in `dropped`. `most_held` bounds, in bytes, what the
    jobs and coroutines for messages hold. `close` cancels what still runs. Who asks for `room` waits `stall` seconds.
    """

    def __init__(self, limit: int = 10_000, most_held: int = MOST_HELD_BYTES, stall: float = 5.0) -> None:
        self.dropped = 0
        self.lanes = Lanes()
        self._lines = LogLines()
        self.loop: Optional[asyncio.AbstractEventLoop] = None
        #: The thread of that loop.
        self._thread: Optional[int] = None
        self._limit = limit
        self._spare = limit // 100
        #: What waits, each with the context of who put it; without one it is our own, and always run.
        self._jobs: Jobs = deque()
        #: When they are run, and on which loop.
        self._turn: Optional[asyncio.Handle] = None
        self._turn_loop: Optional[asyncio.AbstractEventLoop] = None
        self._held = 0
        self._most_held = most_held
        self._stall = stall
        #: Whoever waited for room did so in vain, and there has been none since.
        self._is_stuck = False
        #: The jobs that were put, and the coroutines that began, since `hold` was called last.
        self._batch = 0
        self._young: set[asyncio.Task[Any]] = set()
        self._timers: dict[object, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing: set[Optional[asyncio.Task[Any]]] = set()
        self._closed = False
        self._ended = False

    def put(self, job: Job, always: bool = False) -> None:
        """Run `job` after those that were put before it, `always` though the queue is full; from any thread."""
        if self._thread != get_ident():
            if not self.on_loop(partial(self._queue, job, always)) and not self._closed:
                self._drop_without_loop()
        elif not self._closed:
            self._queue(job, always)

    def hold(self, weight: int) -> bool:
        """What was put so far holds `weight` bytes more until it has run, its coroutines too. False: no room."""
        has_room = self._held < self._most_held
        if weight and not self._closed:
            self._held += weight
            let_go = partial(self._let_go_later, weight, weight // max(1, self._batch))
            self._jobs.append((None, let_go)) if self._jobs else asyncio.get_running_loop().call_soon(let_go)
            self._batch = 0
        return has_room

    def drop(self) -> None:
        """Log and count a job that is not put because those that wait hold too much."""
        self._drop(f"callbacks and coroutines hold {self._held // 2**20} MiB of messages")

    def on_loop(self, job: Job) -> bool:
        """Run `job` on the loop, at once where that itself calls. False when there is none, or none any more."""
        here = running_loop()
        home = self.loop or here
        if home is None or self._closed:
            return False
        if home is here:
            job()
            return True
        try:
            home.call_soon_threadsafe(job)
        except RuntimeError:  # it is closed
            return False
        return True

    def later(self, seconds: float, key: object, job: Job) -> None:
        """Run `job` after `seconds`, in place of an earlier one under the same `key`."""
        if key in self._timers:
            self.cancel(key)
        if not self._closed:
            self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._ripe, key, job)

    def cancel(self, key: object) -> None:
        """Forget the delayed job under `key`."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def call(self, handler: Handler, *arguments: Any) -> None:
        """Call a user's handler, function or coroutine function; one that raises is logged, and harms nobody."""
        try:
            result = handler(*arguments)
        except _HARMLESS:
            self._note(log.exception, "handler %s raised", name_of(handler))
            return
        if inspect.isawaitable(result):
            self.spawn(self._guarded(handler, result), result)

    def finish(
        self, result: Any, then: Callable[[Any], None], failed: Callable[[BaseException], None]
    ) -> None:
        """Call `then` with what a callback returned, or `failed` with what it raised, once it was awaited."""
        if inspect.isawaitable(result):
            self.spawn(_finish(result, then, failed), result)
        else:
            then(result)

    def adapted(self, handler: Handler) -> Handler:
        """The handler as threads may call it: it runs on the loop."""
        return OnLoop(self, handler)

    def spawn(self, work: Coroutine[Any, Any, Any], inner: Any = None) -> None:
        """Run a coroutine beside the queue; it is cancelled by `close`. It awaits `inner`, unless it never begins."""
        if not self._takes():
            work.close()
            _close(inner)
            return
        task = asyncio.get_running_loop().create_task(work)
        for tasks in (self._tasks, self._young):
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        task.add_done_callback(lambda _: _close(inner))

    def _takes(self) -> bool:
        """Whether another coroutine may run now; if not, it counts as dropped."""
        if self._ended or len(self._tasks) >= self._limit:
            self._drop(f"{self._limit} coroutines of handlers run")
            return False
        return True

    def is_crowded(self) -> bool:
        """Whether who brings more should wait for `room`. Not again where that was in vain: more is dropped then."""
        is_full = self._held >= self._most_held or len(self._tasks) >= self._limit - self._spare
        self._is_stuck = self._is_stuck and is_full
        return len(self._jobs) > self._spare or (is_full and not self._is_stuck)

    def _is_full(self) -> bool:
        return len(self._tasks) >= self._limit - self._spare or self._held >= self._most_held

    async def room(self) -> None:
        """Return when few jobs wait, and another coroutine may run: after `stall` seconds at the latest."""
        await self._caught_up(self._stall)
        await asyncio.sleep(0)  # what they held is let go of
        end = asyncio.get_running_loop().time() + self._stall
        while self._is_full() and self._tasks and (left := end - asyncio.get_running_loop().time()) > 0:
            if self._is_stuck:
                return
            await asyncio.wait(self._tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)  # what a coroutine held is let go of
        self._is_stuck = self._is_full()

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """Around a wait; on a loop nobody is held up by it."""
        yield

    async def close(self, seconds: float) -> None:
        """Take no more jobs. Those that wait run within `seconds`; coroutines end in as many, or are cancelled then."""
        if self.loop not in (None, asyncio.get_running_loop()):
            self.shut()
            return
        await asyncio.sleep(0)  # what other threads have put before counts
        self._refuse_jobs()
        await self._caught_up(seconds)
        if self._closed:
            self._drop_what_waits()
        self._ended = True
        self._closing = {*self._closing, asyncio.current_task()} & self._tasks
        running = self._others()
        if running:
            await asyncio.wait(running, timeout=seconds)
        self.shut()
        if running:  # one that does not end even so is left to its author
            await asyncio.wait(running, timeout=seconds)

    def end_with_loop(self, seconds: float) -> None:
        """The loop is about to end: run what waits now, within `seconds`, and take nothing more."""
        end = time.monotonic() + seconds
        while self._jobs and (left := end - time.monotonic()) > 0:
            self._run(self._jobs, left)  # returns early where a job raises
        self._refuse_jobs()
        self._drop_what_waits()
        self.shut()

    def shut(self) -> None:
        """Take neither jobs nor coroutines any more, cancel those that run, and wait for nobody."""
        self._refuse_jobs()
        self._count_unrun(self.lanes.end())
        self._ended = True
        for task in self._others():
            cancel_task(task)

    def is_at_home(self) -> bool:
        """Whether it is this mailbox's loop that asks."""
        return self.loop is asyncio.get_running_loop()

    async def close_at_home(self, close: Callable[[], Coroutine[Any, Any, None]], seconds: float) -> bool:
        """Have `close()` run on the loop of this mailbox, where that is another one that runs. False where not."""
        home = self.loop
        if home is None or home is asyncio.get_running_loop() or not home.is_running():
            return False
        closing = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(close(), home))
        with suppress(asyncio.TimeoutError):
            await within(seconds, closing)
        return True

    def reopen(self) -> None:
        """Take jobs again after `close`, or in another loop: what waited in an old one is forgotten with that."""
        loop = asyncio.get_running_loop()
        if loop is not self.loop:
            self.shut()
            self.loop, self._thread, self._held = loop, get_ident(), 0
            if self._turn_loop is not loop:
                self._leave_behind()
            self._tasks.clear()
            self._young.clear()
        self._closed = self._ended = False

    def owns_current_task(self) -> bool:
        """True within a coroutine of a handler."""
        return asyncio.current_task() in self._tasks

    def _queue(self, job: Job, always: bool) -> None:
        if self._closed:
            return
        if len(self._jobs) >= self._limit and not always:
            self._drop(f"{self._limit} callbacks wait")
            return
        loop = self.loop or asyncio.get_running_loop()
        if loop is not self._turn_loop:
            self._leave_behind()
        if self._turn is None:
            try:
                self._turn, self._turn_loop = loop.call_soon(self._run, self._jobs), loop
            except RuntimeError:  # it is closed
                self._drop_without_loop()
                return
        self._jobs.append((copy_context(), job))
        self._batch += 1

    def _leave_behind(self) -> None:
        """Forget what waits on another loop, which may have ended."""
        self._count_unrun(sum(context is not None for context, _ in self._jobs))
        self._jobs, self._turn = deque(), None

    def _drop_what_waits(self) -> None:
        """Count jobs that had no time to run, and do what is ours."""
        left = [job for context, job in self._jobs if context is None]
        count = len(self._jobs) - len(left)
        self._jobs.clear()
        for job in left:
            job()
        self._held = 0
        self._count_unrun(count)

    def _count_unrun(self, count: int) -> None:
        if count:
            self.dropped += count
            log.warning("%d callbacks had not run when the client was closed: they were dropped", count)

    def _drop_without_loop(self) -> None:
        self.dropped += 1
        log.warning("dropped a callback: there is no event loop for it")

    def _others(self) -> set[asyncio.Task[Any]]:
        """All coroutines but the one that calls. Of two that close, neither waits for the other."""
        own = asyncio.current_task() if running_loop() else None
        return self._tasks - (self._closing if own in self._closing else {own})

    def _refuse_jobs(self) -> None:
        self._closed = True
        for key in list(self._timers):
            self.cancel(key)

    def _run(self, jobs: Jobs, seconds: float = TURN_S) -> None:
        """Run what waits, for one turn of the loop at most: the rest has the next ones."""
        ends = time.monotonic() + seconds
        try:
            while jobs:
                context, job = jobs.popleft()
                job() if context is None else context.run(job)
                if time.monotonic() >= ends:
                    break
        except _HARMLESS:
            self._note(log.exception, "a callback raised")
        finally:
            if jobs is self._jobs:
                self._turn = asyncio.get_running_loop().call_soon(self._run, jobs) if jobs else None

    async def _caught_up(self, seconds: float) -> None:
        """Return when all have run that wait now, or after so many seconds."""
        if self._jobs:
            last = asyncio.get_running_loop().create_future()
            self._jobs.append((None, partial(wake, last)))
            await asyncio.wait({last}, timeout=seconds)

    def _let_go_later(self, weight: int, share: int) -> None:
        """The jobs have run; of their coroutines each one that has not holds the `share` of one job."""
        for task in self._young:
            held = min(share, weight)
            weight -= held
            task.add_done_callback(partial(self._let_go, held))
        self._young.clear()
        self._let_go(weight)

    def _let_go(self, weight: int, _: object = None) -> None:
        self._held = max(0, self._held - weight)

    async def _guarded(self, handler: Handler, result: Any) -> None:
        try:
            await result
        except (Exception, SystemExit):  # a user's callback may fail or even exit, the client may not
            self._note(log.exception, "handler %s raised", name_of(handler))

    def _note(self, write: Callable[..., object], text: str, *arguments: Any) -> None:
        """Log what a peer can cause in any number."""
        self._lines.write(time.monotonic(), write, text, *arguments, kind=arguments[:1])

    def _ripe(self, key: object, job: Job) -> None:
        self._timers.pop(key, None)
        self.put(job)

    def _drop(self, what: str) -> None:
        self.dropped += 1
        if not self._closed:
            self._note(log.error, "%s; dropped one (%d so far). Is a handler stuck?", what, self.dropped)


async def _finish(result: Any, then: Callable[[Any], None], failed: Callable[[BaseException], None]) -> None:
    try:
        value = await result
    except (Exception, SystemExit) as error:  # a user's callback may fail or even exit, the client may not
        failed(error)
    else:
        then(value)


def _close(awaited: Any) -> None:
    """A coroutine that nobody has awaited, or will, would be complained of."""
    if inspect.iscoroutine(awaited):
        awaited.close()
