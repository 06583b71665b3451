"""Waiting on an event loop."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import weakref
from collections import deque
from collections.abc import Coroutine
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

from hivemind_core_client.aio.loops import running_loop
from hivemind_core_client.shell.protocols import MOST_HELD_BYTES
from hivemind_core_client.transports.timing import wake
from hivemind_core_client.wire.errors import HiveMindError, again
from hivemind_core_client.wire.message import HiveMessage

if TYPE_CHECKING:
    from hivemind_core_client.shell.waiters import Waiters
    from hivemind_core_client.wire.denials import MessageDenied

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How many messages a reader may be behind.
_MOST_UNREAD = 10_000
#: A message that takes long to read is read on a thread of its own.
READS_APART = True


class AsyncNotifier:
    """Wakes the tasks that wait for something to change; may be used in one event loop after the other."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], None] = {}

    def notify(self) -> None:
        """Let those who wait look again, in the order they came."""
        for change in list(self._waiting):
            wake(change)

    def now(self) -> float:
        """Seconds on the clock by which `wait_until` waits."""
        return asyncio.get_running_loop().time()

    async def wait_until(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Wait until `reached()`, which is asked after each `notify`; False when `seconds` were over first."""
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        while not reached():
            left = None if end is None else end - loop.time()
            if left is not None and left <= 0:
                return False
            change = loop.create_future()
            self._waiting[change] = None
            try:
                await asyncio.wait({change}, timeout=left)
            finally:
                self._waiting.pop(change, None)
        return True


class AsyncEvent:
    """An asyncio.Event that may be used in one event loop after the other."""

    def __init__(self) -> None:
        self._set = False
        self._times_set = 0
        self._changed = AsyncNotifier()

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._set

    def set(self) -> None:
        """Set it, and wake those who wait, in the order they came."""
        self._set = True
        self._times_set += 1
        self._changed.notify()

    def clear(self) -> None:
        """Make those wait who come from now on."""
        self._set = False

    async def wait(self) -> bool:
        """Return when it is set. Who is woken returns, even if it is cleared before his turn comes."""
        seen = self._times_set
        await self._changed.wait_until(lambda: self._set or self._times_set != seen, None)
        return True


class MessageReader:
    """The messages that arrive, for `async for`; `limit` of them may wait to be read.

    Ends when the client does, and raises what `error()` gives then.
    """

    def __init__(self, limit: int, error: Callable[[], Optional[HiveMindError]]) -> None:
        self.dropped = 0
        self._limit = limit
        self._held = 0
        self._messages: deque[HiveMessage] = deque()
        self._changed = AsyncNotifier()
        self._over = False
        self._error: Optional[HiveMindError] = None
        self._why = error

    def take(self, message: HiveMessage) -> None:
        """Keep a message until it is read; one too many is dropped."""
        if len(self._messages) < self._limit and self._held < MOST_HELD_BYTES:
            self._messages.append(message)
            self._held += message.weight
            self._changed.notify()
            return
        self.dropped += 1
        if self.dropped == 1:
            behind, held = len(self._messages), self._held // 2**20
            log.error("a reader of messages is %d behind (%d MiB): what comes now is dropped", behind, held)

    def end(self) -> None:
        """No more messages come."""
        if not self._over:
            self._over, self._error = True, self._why()
            self._changed.notify()

    def __aiter__(self) -> MessageReader:
        """Itself."""
        return self

    async def __anext__(self) -> HiveMessage:
        """The next message, as soon as there is one."""
        await self._changed.wait_until(lambda: bool(self._messages) or self._over, None)
        if self._messages:
            message = self._messages.popleft()
            self._held -= message.weight
            return message
        if self._error is not None:
            raise again(self._error)
        raise StopAsyncIteration


class ReaderFeed:
    """Shows what arrives to a MessageReader, among those who wait, for as long as somebody holds on to that."""

    request = False

    def __init__(self, reader: MessageReader) -> None:
        self._reader = weakref.ref(reader)

    @property
    def is_over(self) -> bool:
        """Whether nobody reads any more."""
        return self._reader() is None

    def offer(self, message: HiveMessage) -> bool:
        """True once nobody reads any more."""
        reader = self._reader()
        if reader is not None:
            reader.take(message)
        return reader is None

    def deny(self, error: MessageDenied) -> bool:
        """False: whoever reads along has asked for nothing."""
        return False

    def give_up(self) -> None:
        """No more messages come."""
        reader = self._reader()
        if reader is not None:
            reader.end()


def read_along(
    waiters: Waiters, is_over: bool, error: Callable[[], Optional[HiveMindError]]
) -> MessageReader:
    """A reader of what arrives from now on; where that `is_over`, one that is at its end."""
    reader = MessageReader(_MOST_UNREAD, error)
    if is_over:
        reader.end()
    else:
        waiters.join(ReaderFeed(reader))
    return reader


class AsyncWritingLock(asyncio.Lock):
    """The lock under which a message is sealed and written, one after the other.

    Where the hub takes nothing for `seconds`, the transport tells who waits: `stuck()` is not needed.
    """

    def __init__(self, seconds: float, stuck: Callable[[], HiveMindError]) -> None:
        super().__init__()


def new_link_lock() -> AbstractContextManager[None]:
    """What whoever makes a Link act holds meanwhile: on a loop there is only one at a time."""
    return nullcontext()


def at_home() -> Callable[[Callable[[], None]], None]:
    """What calls a job on the loop that runs here now; from any thread. Without a loop nothing is called."""
    loop = running_loop()

    def call(job: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # it is closed: nobody waits
            if loop is not None:
                loop.call_soon_threadsafe(job)

    return call


class AsyncBeside:
    """Runs one thing beside what else goes on."""

    def __init__(self) -> None:
        self._task: Optional[asyncio.Task[object]] = None

    def begin(self, work: Callable[[], Coroutine[Any, Any, object]], name: str) -> None:
        """Run `work()` in a task of that name."""
        self._task = asyncio.get_running_loop().create_task(work(), name=name)

    async def end(self) -> None:
        """Cancel it, and wait for its end."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})


async def off_loop(work: Callable[[], T]) -> T:
    """The result of work that takes long: it would hold up the loop.

    It has a thread of its own. The loop's executor may be full of what the user does, and whoever ends the loop waits
    for it.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Callable[[], T]] = loop.create_future()

    def run() -> None:
        outcome = _outcome_of(work)
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(_finish, done, outcome)

    try:
        threading.Thread(target=run, name="hivemind-work", daemon=True).start()
    except RuntimeError:  # the system gives no thread, or the interpreter ends
        return work()
    return (await done)()


def _outcome_of(work: Callable[[], T]) -> Callable[[], T]:
    try:
        result = work()
    except BaseException as error:
        raised = error

        def fail() -> T:
            raise raised

        return fail
    return lambda: result


def _finish(done: asyncio.Future[T], result: T) -> None:
    if not done.done():
        done.set_result(result)


async def finished(result: Any) -> Any:
    """What a handler returned, awaited where it is awaitable."""
    return await result if inspect.isawaitable(result) else result
