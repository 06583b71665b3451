"""An asyncio transport for a client with threads: it has an event loop of its own, on a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from hivemind_core_client.transports import failures, tcp
from hivemind_core_client.transports.addresses import begun
from hivemind_core_client.transports.hands import Hand
from hivemind_core_client.wire.errors import HubUnreachable

if TYPE_CHECKING:
    from hivemind_core_client.kernel.delivery import Delivery
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.kernel.tracer import Tracer
    from hivemind_core_client.plugins.contract import Frame, TransportSettings
    from hivemind_core_client.transports.base import AsyncTransport, Echo
    from hivemind_core_client.transports.failures import Closed

T = TypeVar("T")


class OnLoop:
    """One connection of an asyncio transport, which is made, opened and used on a private loop."""

    def __init__(self, make: Callable[[], AsyncTransport], settings: TransportSettings) -> None:
        """`make` is called on the loop. Raises what it raises."""
        self._address: Any = settings.address
        deadlines = settings.deadlines
        self._close_seconds = deadlines.close
        #: More than the transport takes by itself: it is the one to say what took too long.
        self._open_seconds = deadlines.tcp + deadlines.tls + deadlines.upgrade + deadlines.close
        self._waiting: set[Future[Any]] = set()
        self._lock = threading.Lock()
        self._aborted = False
        self._echoing = Hand("hivemind-echoes")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hivemind-loop", daemon=True)
        if not begun(self._thread):
            self._loop.close()
            raise HubUnreachable("no thread can begin any more: the program ends")
        try:
            self._inner: AsyncTransport = self._do(_called(make))
        except BaseException:
            self._stop()
            raise

    def confirm_to(self, delivery: Delivery) -> None:
        """Before `open`: tell `delivery` of pings and of their pongs."""
        self._inner.confirm_to(delivery)

    def trace_to(self, tracer: Tracer) -> None:
        """Before `open`: tell `tracer` of the phases."""
        self._inner.trace_to(tracer)

    def echo_by(self, echo: Echo) -> None:
        """Both sides own the key, and the hub answers `echo`: let it stand in for pings where there are none."""

        async def echoed(answered: Callable[[], None]) -> None:
            await asyncio.wrap_future(self._echoing.begin(partial(echo, answered)))

        self._inner.echo_by(echoed)

    def open(self, url: str) -> None:
        """Connect. Raises what the transport raises, and HubTimeout for one that keeps its loop to itself."""
        self.within("open", self._open_seconds, lambda: self._do(self._inner.open(url)))

    def within(self, phase: str, seconds: float, work: Callable[[], T]) -> T:
        """The result of `work()`. Raises HubTimeout when it has not come within `seconds`."""
        with tcp.deadline(self._address, phase, seconds, self.abort):
            return work()

    def receive(self) -> Union[Frame, Closed]:
        """The next message or the end. Raises ConnectionLost or FrameTooLarge."""
        return self._do(self._inner.receive())

    def send(self, frames: list[Frame], progress: Optional[Progress] = None) -> bool:
        """Write whole frames in order; see AsyncTransport. `progress` is called on the loop's thread."""
        return self._do(self._inner.send(frames, progress))

    def ask(self) -> None:
        """Have the hub show that it has read what was sent, without waiting for that."""
        self._do(self._inner.ask())

    def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds of one round trip, or None when it did not end in time."""
        return self._do(self._inner.ping(payload, seconds))

    def watch(self) -> None:
        """Both sides own the key: from now on an idle connection is probed."""
        self._do(_called(self._inner.watch))

    def stand(self) -> None:
        """The session stands."""
        self._do(_called(self._inner.stand))

    def farewell(self) -> None:
        """Tell the hub that we go."""
        with suppress(ConnectionError):
            self._do(self._inner.farewell())

    def abort(self) -> None:
        """Close at once, and wake whoever reads or writes, even if the loop is stuck."""
        with self._lock:
            self._aborted = True
            waiting = list(self._waiting)
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._inner.abort)
        for future in waiting:
            future.cancel()
        self._echoing.end(failures.closed_here(self._address))

    def release(self) -> None:
        """Close what is still open, and end the loop, unless it is stuck."""
        self.abort()
        if self._loop.is_closed():
            return
        done = asyncio.run_coroutine_threadsafe(self._inner.release(), self._loop)
        with suppress(FutureTimeout, CancelledError):
            done.result(self._close_seconds)
        self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(self._close_seconds)
        if not self._thread.is_alive():
            self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work on the loop. Raises ConnectionLost when `abort` came first."""
        with self._lock:
            if self._aborted:
                work.close()
                raise failures.closed_here(self._address)
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            self._waiting.add(future)
        try:
            return future.result()
        except CancelledError:
            raise failures.closed_here(self._address) from None
        finally:
            with self._lock:
                self._waiting.discard(future)


async def _called(work: Callable[[], T]) -> T:
    return work()
