"""A plugin's asyncio carrier as what a worker on a loop needs: it keeps deadlines, pings, and can be ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union, cast

from hivemind_core_client.kernel.progress import ProgressReporter
from hivemind_core_client.transports import failures
from hivemind_core_client.transports.base import LAST_PING, Confirming
from hivemind_core_client.transports.carriers import Carrying, carrier_of, escaped
from hivemind_core_client.transports.timing import deadline, wake, within
from hivemind_core_client.wire.errors import HubConnectionError

if TYPE_CHECKING:
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.plugins.contract import Frame, Transport, TransportSettings
    from hivemind_core_client.transports.base import AsyncTransport
    from hivemind_core_client.transports.failures import Closed

T = TypeVar("T")


def async_transport(offer: Transport, settings: TransportSettings) -> AsyncTransport:
    """The asyncio form of a transport for one connection. Raises InvalidOption where it cannot be made."""
    made: Any = carrier_of(offer.asyncio, settings)
    if not isinstance(made, Confirming):
        return AsyncCarrying(made, offer, settings)
    built_in: Any = made  # it has all that a worker needs
    return cast("AsyncTransport", built_in)


class AsyncCarrying(Carrying):
    """One connection over an asyncio carrier, for the event loop that opens it."""

    def __init__(self, carrier: Any, offer: Transport, settings: TransportSettings) -> None:
        super().__init__(carrier, offer, settings)
        self._gone: Optional[asyncio.Future[None]] = None
        self._aborted = False
        self._incoming: Optional[asyncio.Future[Any]] = None
        self._sending: Optional[asyncio.Future[Any]] = None
        self._tasks: set[asyncio.Future[Any]] = set()

    async def open(self, url: str) -> None:
        """Connect. Raises HubUnreachable, HubTimeout, or what the carrier says of the hub."""
        with self._tracer.phase("open", self._open_seconds):
            await self._open()

    async def _open(self) -> None:
        opening = self._begin(_harmless(self._carrier.open))
        if not await self._done(opening, self._open_seconds):
            raise self._late()
        try:
            _result_of(opening)
        except Exception as error:
            raise self._unopened(error) from error
        if self._address.tls:
            await asyncio.to_thread(self._settings.tls.keep)

    async def within(self, phase: str, seconds: float, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work()`. Raises HubTimeout when it has not come within `seconds`."""
        return await deadline(self._address, phase, seconds, work())

    async def receive(self) -> Union[Frame, Closed]:
        """The next frame or the end. Raises ConnectionLost or FrameTooLarge."""
        while True:
            if self._incoming is None:
                self._incoming = self._begin(_harmless(self._carrier.receive))
            incoming = self._incoming
            is_done = await self._done(incoming, self._interval)
            if self._is_due():
                self._begin_ping(b"")
            if is_done:
                break
            if self._offer.pings:
                await self._probe(incoming)
        self._incoming = None
        try:
            return self._checked(_result_of(incoming))
        except Exception as error:
            raise self._broken(error) from error

    async def _probe(self, incoming: asyncio.Future[Any]) -> None:
        seconds = self._settings.ping_timeout
        if await self.ping(b"", seconds) is None and not incoming.done():
            raise failures.silent(self._address, seconds)

    async def send(self, frames: list[Frame], progress: Optional[Progress] = None) -> bool:
        """Write whole frames in order; True if the carrier says of each that the hub has it.

        Raises ConnectionLost, also when a frame is not taken within `Deadlines.write`, and InvalidMessage. What has
        begun goes on when this is cancelled.
        """
        self._check_fit(frames)
        former = self._sending
        if former is not None:
            await self._done(former, None)
        self._sending = sending = self._begin(self._send_all(frames, progress))
        await self._done(sending, None)
        try:
            return bool(_result_of(sending))
        except Exception as error:
            raise self._broken(error, while_sending=True) from error

    async def _send_all(self, frames: list[Frame], progress: Optional[Progress]) -> bool:
        report, answered = None if progress is None else ProgressReporter(progress, frames), True
        try:
            for frame in frames:
                self._sent_at = perf_counter()
                answered &= await within(self._deadlines.write, _harmless(self._carrier.send, frame)) is True
                if report is not None:
                    report.whole(frame)
        except BaseException as error:  # half a frame may have left
            self.abort()
            if isinstance(error, asyncio.TimeoutError):
                raise failures.not_taken(self._address, self._deadlines.write) from error
            raise
        return answered

    async def ask(self) -> None:
        """Have the hub show that it has read what was sent, without waiting for that."""
        self._begin_ping(b"")

    async def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds of one round trip; None when it did not end in time, or this transport cannot ping."""
        pinging = self._begin_ping(payload)
        if pinging is None or not await self._done(pinging, self._patience(seconds)):
            return None
        try:
            return float(_result_of(pinging))
        except Exception as error:
            raise self._broken(error) from error

    def _begin_ping(self, payload: bytes) -> Optional[asyncio.Future[Any]]:
        if self._echo is not None:
            return self._begin(self._echo_trip(self._asked(payload)))
        if not self._offer.pings:
            return None
        return self._begin(self._round_trip(self._asked(payload)))

    async def _echo_trip(self, ponged: Callable[[], float]) -> float:
        loop = asyncio.get_running_loop()
        pinging: asyncio.Future[None] = loop.create_future()
        took = 0.0

        def answered() -> None:
            nonlocal took
            took = self._echoed(ponged)
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(wake, pinging)

        await _harmless(self._echo, answered)
        await pinging
        return took

    async def _round_trip(self, ponged: Callable[[], float]) -> float:
        await _harmless(self._carrier.ping)
        return ponged()

    async def farewell(self) -> None:
        """Tell the hub that we go, once it has read what was sent; then hang up."""
        with suppress(HubConnectionError):  # the reader finds out what that means
            if self._awaits_pong:
                await self.ping(LAST_PING, self._deadlines.close / 2)
        leave = getattr(self._carrier, "farewell", None)
        if leave is not None and not self._aborted:
            await self._done(self._begin(_harmless(leave)), self._deadlines.close)
        self.abort()

    def abort(self) -> None:
        """Close at once, and wake whoever reads or writes, whatever the carrier does."""
        self._aborted = True
        try:
            self._abort_carrier()
        finally:
            if self._gone is not None:
                wake(self._gone)

    async def release(self) -> None:
        """Close what is still open, and leave no task behind that can be ended."""
        self.abort()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._deadlines.close)
        free = getattr(self._carrier, "release", None)
        if free is not None:
            freeing = self._begin(_harmless(free))
            await asyncio.wait({freeing}, timeout=self._deadlines.close)
            freeing.cancel()

    def _begin(self, work: Awaitable[T]) -> asyncio.Future[T]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, should nobody get to it

    async def _done(self, task: asyncio.Future[Any], seconds: Optional[float]) -> bool:
        """Whether a task has ended within `seconds`. Raises ConnectionLost when `abort` came first."""
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_future()
        if not self._aborted:
            await asyncio.wait({task, self._gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self._aborted and not task.done():
            raise failures.closed_here(self._address)
        return task.done()


async def _harmless(work: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """The result of a carrier's method, of which neither the loop nor who waits gets what would end them."""
    try:
        return await work(*arguments)
    except (KeyboardInterrupt, SystemExit) as error:
        raise escaped(error) from error


def _result_of(task: asyncio.Future[T]) -> T:
    """The result of a task that is done. Where it was cancelled, its carrier did that: nobody here who still waits."""
    try:
        return task.result()
    except Exception:
        raise
    except BaseException as error:
        raise escaped(error) from error
