"""Running users' callbacks on the event loop: functions in order, coroutines as tasks that are counted and ended."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Callable, Optional

from hivemind_core_client.localbus import Handler

log = logging.getLogger(__name__)

Job = Callable[[], None]

#: How long, in seconds, what comes waits for room while too many coroutines run.
_STALL = 5.0


class AsyncMailbox:
    """A queue of jobs on one event loop, each run in an iteration of its own, in order.

    Handlers that are coroutine functions run as tasks beside the queue, `limit` at once at most: then who asks for
    `room` waits, and further ones are dropped, logged and counted in `dropped`. `close` cancels what still runs.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self.dropped = 0
        self._limit = limit
        self._waiting = 0
        self._timers: dict[object, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._ended = False
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    def put(self, job: Job) -> None:
        """Run `job` after those that were put before it."""
        if self._closed:
            return
        if self._waiting >= self._limit:
            self._drop("callbacks wait")
            return
        self._waiting += 1
        asyncio.get_running_loop().call_soon(self._run, job)

    def later(self, seconds: float, key: object, job: Job) -> None:
        """Run `job` after `seconds`, in place of an earlier one under the same `key`."""
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
        except (Exception, SystemExit):  # a user's callback may fail or even exit, the client may not
            log.exception("handler %s raised", _name(handler))
            return
        if not inspect.isawaitable(result):
            return
        if self.takes():
            self.spawn(_guarded(handler, result))
        elif inspect.iscoroutine(result):
            result.close()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine beside the queue; it is cancelled by `close`."""
        if not self.takes():
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def takes(self) -> bool:
        """Whether another coroutine may run now; if not, it counts as dropped."""
        if self._ended or len(self._tasks) >= self._limit:
            self._drop("coroutines of handlers run")
            return False
        return True

    async def room(self) -> None:
        """Return when another coroutine may run, after five seconds at the latest."""
        if len(self._tasks) >= self._limit:
            await asyncio.wait(self._tasks, timeout=_STALL, return_when=asyncio.FIRST_COMPLETED)

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """Around a wait; on a loop nobody is held up by it."""
        yield

    async def close(self, seconds: float) -> None:
        """Take no more jobs. Those that wait run; coroutines get `seconds` to end, and are cancelled then."""
        self._refuse_jobs()
        while self._waiting:
            await asyncio.sleep(0)
        self.shut()
        own = asyncio.current_task()
        running = {task for task in self._tasks if task is not own}
        if not running:
            return
        try:
            await asyncio.wait(running, timeout=seconds)
        finally:
            for task in running:
                task.cancel()
        # One that does not end even so is left to its author.
        await asyncio.wait(running, timeout=seconds)

    def shut(self) -> None:
        """Take neither jobs nor coroutines any more, and wait for nobody."""
        self._refuse_jobs()
        self._ended = True

    def reopen(self) -> None:
        """Take jobs again after `close`, or in another loop: what waited in an old one is forgotten with that."""
        self._closed = self._ended = False
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._waiting = loop, 0
            self._timers.clear()
            self._tasks.clear()

    def owns_current_task(self) -> bool:
        """True within a coroutine of a handler."""
        return asyncio.current_task() in self._tasks

    def _refuse_jobs(self) -> None:
        self._closed = True
        for key in list(self._timers):
            self.cancel(key)

    def _run(self, job: Job) -> None:
        self._waiting -= 1
        try:
            job()
        except (Exception, SystemExit):  # a user's callback may fail or even exit, the client may not
            log.exception("a callback raised")

    def _ripe(self, key: object, job: Job) -> None:
        self._timers.pop(key, None)
        self.put(job)

    def _drop(self, what: str) -> None:
        self.dropped += 1
        if not self._closed:
            log.error("%d %s; dropped one (%d so far). Is a handler stuck?", self._limit, what, self.dropped)


async def _guarded(handler: Handler, result: Any) -> None:
    try:
        await result
    except (Exception, SystemExit):  # a user's callback may fail or even exit, the client may not
        log.exception("handler %s raised", _name(handler))


def _name(handler: Handler) -> Any:
    inner = handler.func if isinstance(handler, partial) else handler
    return getattr(inner, "__qualname__", inner)


def running_loop() -> Optional[asyncio.AbstractEventLoop]:
    """The loop that runs on this thread, if any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
