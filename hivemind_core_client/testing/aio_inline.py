"""A session with nobody, on an event loop: no socket, no thread, and a clock that is moved by hand or jumps."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from functools import partial
from typing import Any, Callable, NoReturn, Optional, cast

from attrs import define

from hivemind_core_client.aio.mailbox import AsyncMailbox, Job
from hivemind_core_client.aio.waiting import AsyncGatherer
from hivemind_core_client.aio.worker import AsyncConnection, AsyncWorker
from hivemind_core_client.config.profile import ClientProfile
from hivemind_core_client.kernel.events import Arrived, Rejected
from hivemind_core_client.kernel.lifecycle import ClientState, Listener
from hivemind_core_client.kernel.policy import Backoff, Deadlines
from hivemind_core_client.plugins.wrapping import strip_claims
from hivemind_core_client.testing.fake_hub import FakeHub, agreed, carried, exchanged
from hivemind_core_client.transports.shared_socket import Progress
from hivemind_core_client.transports.timing import wake
from hivemind_core_client.transports.websocket_asyncio import AsyncTransport
from hivemind_core_client.wire.errors import ClientClosed, NotConnected, ProtocolError
from hivemind_core_client.wire.message import HiveMessage

#: After so many seconds in which nothing happened while somebody waits, the clock jumps.
QUIET = 0.02
#: How long `settle` waits for handlers that wait for something else than this bus, in seconds.
_PATIENCE = 1.0
#: So many turns of the loop without anything to do are taken for the end of it.
_TURNS = 5


@define(eq=False)
class Wait:
    """Somebody who waits: until what, at the latest when the clock shows `end`, and in which task."""

    reached: Callable[[], bool]
    end: Optional[float]
    task: Optional[asyncio.Task[Any]]


class AsyncInlineMailbox(AsyncMailbox):
    """Runs jobs in order on the loop; its clock does not run by itself.

    `elapsed` is how far the clock was moved, in seconds. It jumps to the next timer, or the end of the next wait,
    when somebody waits with a bound, and nothing has happened here for a moment, and no handler runs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0
        self._order = itertools.count()
        self._delayed: list[tuple[float, int, object, Job]] = []
        self._waits: list[Wait] = []
        self._wakers: set[asyncio.Future[None]] = set()
        self._activity = 0
        self._watching = False

    def now(self) -> float:
        """The time of day, in seconds since the epoch, later by what the clock was moved."""
        return time.time() + self.elapsed

    def later(self, seconds: float, key: object, job: Job) -> None:
        """Run `job` once the clock was moved by `seconds`, in place of an earlier one under the same `key`."""
        self.cancel(key)
        if not self._closed:
            heapq.heappush(self._delayed, (self.elapsed + seconds, next(self._order), key, job))

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

    async def wait_until(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Wait until `reached()`, for `seconds` of this clock at most; returns whether it was. None: for ever."""
        end = None if seconds is None else self.elapsed + seconds
        wait = Wait(reached, end, asyncio.current_task())
        self._waits.append(wait)
        self.stir()
        try:
            while not reached():
                if end is not None and self.elapsed >= end:
                    return False
                self._watch()
                await self._stirred(None)
            return True
        finally:
            self._waits.remove(wait)
            self.stir()

    async def settle(self) -> None:
        """Return when the handlers have run, coroutines as far as they do not wait; at once within one of them."""
        if self.owns_current_task():
            return
        loop = asyncio.get_running_loop()
        end, calm = loop.time() + _PATIENCE, 0
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

    def _run(self, job: Job) -> None:
        super()._run(job)
        self.stir()

    def _busy(self) -> bool:
        """True while jobs wait, handlers run, or somebody is about to wake up."""
        parked = {wait.task for wait in self._waits}
        running = any(task not in parked for task in self._tasks)
        return bool(self._waiting) or running or any(map(self._is_over, self._waits))

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
        """Look in a moment whether anything happened, as long as there is a wait with a bound."""
        if not self._watching and self._is_bounded():
            self._watching = True
            asyncio.get_running_loop().call_later(QUIET, self._look, self._activity, _TURNS)

    def _look(self, seen: int, turns: int) -> None:
        """Jump, if nothing happens for a few turns more: the loop may have been held up."""
        quiet = seen == self._activity and not self._busy()
        if quiet and turns:
            asyncio.get_running_loop().call_soon(self._look, seen, turns - 1)
            return
        self._watching = False
        due = self._next_due()
        if quiet and due is not None and self._is_bounded():
            self._move(due)
        self._watch()

    def _is_bounded(self) -> bool:
        return any(wait.end is not None for wait in self._waits)

    def _next_due(self) -> Optional[float]:
        times = [entry[0] for entry in self._delayed[:1]]
        times += [wait.end for wait in self._waits if wait.end is not None and wait.end > self.elapsed]
        return min(times, default=None)

    def _move(self, moment: float) -> None:
        self.elapsed = max(self.elapsed, moment)
        while self._delayed and self._delayed[0][0] <= self.elapsed:
            self.put(heapq.heappop(self._delayed)[3])
        self.stir()


class AsyncInlineGatherer(AsyncGatherer):
    """Gathers what another one would, by the clock of an AsyncInlineMailbox."""

    def __init__(self, other: AsyncGatherer, mailbox: AsyncInlineMailbox) -> None:
        super().__init__(other._matches, other._is_over)
        self._mailbox = mailbox

    async def wait_until(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        """Wait until `reached()`, for `seconds` of the clock at most."""
        return await self._mailbox.wait_until(lambda: self.lost or reached(), seconds)


class NoTransport:
    """What stands for the transport of a client that needs none."""

    def stand(self) -> None:
        """Nothing to keep alive."""

    def abort(self) -> None:
        """Nothing to close."""

    async def farewell(self) -> None:
        """Nobody to tell."""

    async def release(self) -> None:
        """Nothing to release."""

    async def ping(self, payload: bytes, seconds: float) -> float:
        """No time at all."""
        return 0.0


class AsyncInlineWorker(AsyncWorker):
    """Keeps a session with a FakeHub. It stands as soon as it is asked for, unless the hub has an outage."""

    def __init__(
        self,
        profile: ClientProfile,
        listener: Listener,
        mailbox: AsyncInlineMailbox,
        deadlines: Deadlines,
        backoff: Backoff,
        hub: FakeHub,
    ) -> None:
        super().__init__(
            profile, listener, mailbox, lambda: cast(AsyncTransport, NoTransport()), deadlines, backoff
        )
        self._inline = mailbox
        self._fake_hub = hub

    async def outage(self) -> None:
        """Return when the outage of the hub, or its end, has become known here."""
        self._inline.stir()
        hub = self._fake_hub
        if hub.outage is not None:
            await self._inline.wait_until(lambda: not self.standing, None)
        elif self.state is ClientState.RECONNECTING:
            await self._inline.wait_until(lambda: self.standing or self.finished, None)

    async def send(self, message: HiveMessage, progress: Optional[Progress] = None) -> HiveMessage:
        """Hand the prepared message to the hub. Raises like the real one, and what the rules of the hub raise."""
        link = (await self._standing_connection()).link
        prepared = link.prepare(message)
        sent = carried(self._profile, prepared)
        await self._act(link.sending(prepared))
        for answer in exchanged(self._profile, self._fake_hub, sent, progress):
            self._inline.put(partial(self._admit, answer))
        return prepared

    def receive(self, message: HiveMessage) -> None:
        """Treat a message as sent by the hub. Raises NotConnected, and InvalidMessage for what cannot travel."""
        if not self.standing:
            raise NotConnected("no session stands for a message to arrive on: call connect() first")
        try:
            arrived = carried(self._profile, message)
        except ProtocolError as error:
            self._act_now([Rejected(error)])
            return
        self._inline.put(partial(self._admit, arrived))

    def _admit(self, message: HiveMessage) -> None:
        if self.link is None or not self.standing:
            return
        strip_claims(message.raw_payload)
        self._act_now([Arrived(message), *self.link.admit(message, wrapped=False)])

    async def _attempt(self) -> None:
        if self.state is ClientState.RECONNECTING:
            await self._wait(lambda: self._fake_hub.outage is None, None)
        await super()._attempt()

    def _next_delay(self) -> Optional[float]:
        """None after a failure to connect at first: nothing would change by itself."""
        if self._retries is not None or super()._next_delay() is None:
            return None
        return 0.0

    async def _converse(self, connection: AsyncConnection) -> NoReturn:
        hub, context = self._fake_hub, self._profile.context
        if hub.outage is None and not self.stopping:
            context.hub = hub.facts(self._profile)
            context.negotiated = agreed(self._profile)
            self._stand(context.negotiated)
            await self._wait(lambda: hub.outage is not None, None)
        raise hub.outage or ClientClosed("the client is closed")

    async def _wait(self, reached: Callable[[], bool], seconds: Optional[float]) -> bool:
        return await self._inline.wait_until(reached, seconds)

    def _settle(self) -> None:
        self._inline.stir()
