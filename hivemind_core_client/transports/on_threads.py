"""A blocking transport for a client on an event loop: what blocks has threads of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from hivemind_core_client.kernel.progress import ProgressReporter
from hivemind_core_client.transports import failures
from hivemind_core_client.transports.hands import Hand
from hivemind_core_client.transports.timing import deadline, within

if TYPE_CHECKING:
    from hivemind_core_client.kernel.delivery import Delivery
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.kernel.tracer import Tracer
    from hivemind_core_client.plugins.contract import Frame, TransportSettings
    from hivemind_core_client.transports.base import AsyncEcho, Transport
    from hivemind_core_client.transports.failures import Closed

T = TypeVar("T")


class OnThreads:
    """One connection of a blocking transport, for the event loop that opens it."""

    def __init__(self, inner: Transport, settings: TransportSettings) -> None:
        self._inner = inner
        self._address: Any = settings.address
        self._close_seconds, self._write_seconds = settings.deadlines.close, settings.deadlines.write
        self._reading, self._writing = Hand("hivemind-reads"), Hand("hivemind-writes")
        self._incoming: Optional[asyncio.Future[Union[Frame, Closed]]] = None

    def confirm_to(self, delivery: Delivery) -> None:
        """Before `open`: tell `delivery` of pings and of their pongs."""
        self._inner.confirm_to(delivery)

    def trace_to(self, tracer: Tracer) -> None:
        """Before `open`: tell `tracer` of the phases."""
        self._inner.trace_to(tracer)

    def echo_by(self, echo: AsyncEcho) -> None:
        """Both sides own the key, and the hub answers `echo`: let it stand in for pings where there are none."""
        loop, seconds = asyncio.get_running_loop(), self._write_seconds + self._close_seconds

        async def echoed(answered: Callable[[], None]) -> None:
            await echo(answered)

        self._inner.echo_by(
            lambda answered: asyncio.run_coroutine_threadsafe(echoed(answered), loop).result(seconds)
        )

    async def open(self, url: str) -> None:
        """Connect. Raises what the transport raises."""
        await _result(self._reading, partial(self._inner.open, url))

    async def within(self, phase: str, seconds: float, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work()`. Raises HubTimeout when it has not come within `seconds`."""
        return await deadline(self._address, phase, seconds, work())

    async def receive(self) -> Union[Frame, Closed]:
        """The next message or the end. What comes while nobody waits any more is there for the next call."""
        if self._incoming is None:
            # One at a time: bounds depend on how far the session has come.
            self._incoming = _begin(self._reading, self._inner.receive)
        incoming = self._incoming
        await asyncio.wait({incoming})
        self._incoming = None
        return incoming.result()

    async def send(self, frames: list[Frame], progress: Optional[Progress] = None) -> bool:
        """Write whole frames in order; see Transport. What has begun goes on when this is cancelled."""
        report = None if progress is None else _on_loop(progress)
        return await _result(self._writing, partial(self._inner.send, frames, report))

    async def ask(self) -> None:
        """Have the hub show that it has read what was sent, without waiting for that."""
        await _result(self._writing, self._inner.ask)

    async def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds of one round trip, or None when it did not end in time."""
        return await self._beside(partial(self._inner.ping, payload, seconds))

    def watch(self) -> None:
        """Both sides own the key: from now on an idle connection is probed."""
        self._inner.watch()

    def stand(self) -> None:
        """The session stands."""
        self._inner.stand()

    async def farewell(self) -> None:
        """Tell the hub that we go."""
        await self._beside(self._inner.farewell)

    def abort(self) -> None:
        """Close at once, and wake whoever reads or writes."""
        self._inner.abort()

    async def release(self) -> None:
        """Close what is still open, on the thread that reads, as soon as it reads no more."""
        self._inner.abort()
        try:
            await within(self._close_seconds, _result(self._reading, self._inner.release))
        except asyncio.TimeoutError:
            self._inner.release()
        finally:
            for hand in (self._reading, self._writing):
                hand.end(failures.closed_here(self._address))

    async def _beside(self, work: Callable[[], T]) -> T:
        """The result of work that may take as long as the rest."""
        hand = Hand("hivemind-beside")
        try:
            return await _result(hand, work)
        finally:
            hand.end(failures.closed_here(self._address))


def _begin(hand: Hand, work: Callable[[], T]) -> asyncio.Future[T]:
    future = asyncio.wrap_future(hand.begin(work))
    future.add_done_callback(_look_at)
    return future


async def _result(hand: Hand, work: Callable[[], T]) -> T:
    """The result of work on a thread, which goes on when nobody waits for it any more."""
    future = _begin(hand, work)
    await asyncio.wait({future})
    return future.result()


def _look_at(future: asyncio.Future[Any]) -> None:
    """A failure that nobody waits for is no fault of the loop's."""
    if not future.cancelled():
        future.exception()


def _on_loop(progress: Progress) -> Progress:
    """Call this on the loop, from whichever thread."""
    loop, report = asyncio.get_running_loop(), ProgressReporter(progress)

    def told(written: int, total: int) -> None:
        loop.call_soon_threadsafe(report, written, total)

    return told
