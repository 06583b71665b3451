"""Waiting for messages on an event loop."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Callable, Optional, TypeVar

from hivemind_core_client.kernel.questions import Answer, Answers
from hivemind_core_client.shell.waiters import Matcher, Waiter, Waiters
from hivemind_core_client.transports.timing import wake, within
from hivemind_core_client.wire.errors import HiveMindError, QueryTimeout, again
from hivemind_core_client.wire.message import HiveMessage

log = logging.getLogger(__name__)

T = TypeVar("T")


class LoopEvent:
    """An asyncio.Event that may be used in one event loop after the other."""

    def __init__(self) -> None:
        self._set = False
        self._waiting: dict[asyncio.Future[None], None] = {}

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._set

    def set(self) -> None:
        """Set it, and wake those who wait, in the order they came."""
        self._set = True
        for waiter in self._waiting:
            wake(waiter)

    def clear(self) -> None:
        """Make those wait who come from now on."""
        self._set = False

    async def wait(self) -> bool:
        """Return when it is set."""
        if not self._set:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting[waiter] = None
            try:
                await waiter
            finally:
                del self._waiting[waiter]
        return True


class MessageReader:
    """The messages that arrive, for `async for`; `limit` of them may wait to be read.

    Ends when the client does, and raises what refused it.
    """

    def __init__(self, limit: int) -> None:
        self.dropped = 0
        self._limit = limit
        self._messages: deque[HiveMessage] = deque()
        self._changed = LoopEvent()
        self._over = False
        self._error: Optional[HiveMindError] = None

    def take(self, message: HiveMessage) -> None:
        """Keep a message until it is read; one too many is dropped."""
        if len(self._messages) < self._limit:
            self._messages.append(message)
            self._changed.set()
            return
        self.dropped += 1
        if self.dropped == 1:
            log.error("a reader of messages is %d behind: what comes now is dropped", self._limit)

    def end(self, error: Optional[HiveMindError]) -> None:
        """No more messages come; `error` is raised when the others are read."""
        if not self._over:
            self._over, self._error = True, error
            self._changed.set()

    def __aiter__(self) -> MessageReader:
        """Itself."""
        return self

    async def __anext__(self) -> HiveMessage:
        """The next message, as soon as there is one."""
        while not self._messages:
            if self._error is not None:
                raise again(self._error)
            if self._over:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._messages.popleft()


class AsyncWaiter(Waiter):
    """One wait, for the event loop that makes it."""

    def __init__(self, matches: Matcher, request: bool) -> None:
        super().__init__(matches, request)
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def offer(self, message: HiveMessage) -> bool:
        """True when this message ends the wait."""
        ends = super().offer(message)
        if ends:
            wake(self._ended)
        return ends

    def give_up(self) -> None:
        """End the wait without a message."""
        super().give_up()
        wake(self._ended)

    async def result(self, seconds: Optional[float]) -> Optional[HiveMessage]:
        """The message, or None when the wait ended without one. None waits for ever."""
        await asyncio.wait({self._ended}, timeout=seconds)
        return self.message


class AsyncGatherer(Waiter):
    """Shows every message that arrives to `take`, until `stop` or `over()`; `take` tells whether it was of interest.

    `lost` is set when the connection ended.
    """

    def __init__(self, take: Callable[[HiveMessage], bool], over: Callable[[], bool] = lambda: False) -> None:
        super().__init__(take, request=True)
        self.lost = False
        self._is_over = over
        self._stopped = False
        self._changed = LoopEvent()

    def offer(self, message: HiveMessage) -> bool:
        """True once this waiter wants to see no more."""
        if not self._stopped and self._matches(message):
            self._changed.set()
        return self._stopped or self._is_over()

    def give_up(self) -> None:
        """The connection ended."""
        self.lost = True
        self._changed.set()

    def stop(self) -> None:
        """Look at no more messages."""
        self._stopped = True

    async def wait_until(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Wait until `reached()`, which is asked after every message; False when `seconds` were over first."""
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        while not (self.lost or reached()):
            self._changed.clear()
            left = None if end is None else end - loop.time()
            if left is not None and left <= 0:
                return False
            try:
                await within(left, self._changed.wait())
            except asyncio.TimeoutError:
                return False
        return True


class AsyncAnswerStream:
    """The answers to a question, as they come: `async for answer in …`; `first` has come already.

    Iterating ends with the stream, and raises QueryTimeout when nothing came for `patience` seconds (0: no
    bound), MessageDenied, or what ended the connection. Leaving early costs nothing: answers are gathered only as long
    as somebody holds on to this. May be iterated more than once: what has come is kept.
    """

    def __init__(
        self,
        answers: Answers,
        gatherer: AsyncGatherer,
        waiters: Waiters,
        patience: float,
        cause: Callable[[], HiveMindError],
    ) -> None:
        self._answers = answers
        self._gatherer = gatherer
        self._waiters = waiters
        self._patience = patience
        self._cause = cause
        self._fetched: list[Answer] = []
        weakref.finalize(self, gatherer.stop).atexit = False

    @property
    def first(self) -> Answer:
        """The first answer. Raises QueryTimeout for a stream that ended without any."""
        if not self._fetched:
            raise QueryTimeout("the stream of answers ended without any answer")
        return self._fetched[0]

    async def __aiter__(self) -> AsyncIterator[Answer]:
        """Yield each answer, waiting for those that have not come yet."""
        index = 0
        while index < len(self._fetched) or await self.fetch():
            yield self._fetched[index]
            index += 1

    async def fetch(self) -> bool:
        """Take one more answer in, unless somebody else does so first; False at the end of the stream."""
        answers, known = self._answers, len(self._fetched)
        came = await self._gatherer.wait_until(
            lambda: bool(answers.fresh) or answers.over or len(self._fetched) > known, self._patience or None
        )
        if len(self._fetched) > known:
            return True
        if answers.fresh:
            self._fetched.append(answers.fresh.popleft())
            return True
        self._waiters.remove(self._gatherer)
        answers.conclude(self._gatherer.lost, came, self._patience, bool(self._fetched), self._cause)
        return False


async def gather_all(
    answers: Answers, gatherer: AsyncGatherer, seconds: float, cause: Callable[[], HiveMindError]
) -> list[Answer]:
    """All answers that come within `seconds`, or until the question is over; see `Answers.all_of`."""
    await gatherer.wait_until(lambda: answers.over, seconds)
    gatherer.stop()
    return answers.all_of(gatherer.lost, seconds, cause)


async def wait_for_quiet(
    gatherer: AsyncGatherer, count: Callable[[], int], seconds: float, settle: float
) -> None:
    """Wait until `count()` has stopped growing for `settle` seconds after its first step, `seconds` at most."""
    loop = asyncio.get_running_loop()
    end, known = loop.time() + seconds, 0
    while not gatherer.lost:
        left = end - loop.time()
        before: int = known
        patience = min(left, settle) if known else left
        if left <= 0 or not await gatherer.wait_until(_beyond(count, before), patience):
            return
        known = count()


def _beyond(count: Callable[[], int], known: int) -> Callable[[], Any]:
    return lambda: count() > known
