"""One WebSocket over websockets: opened phase by phase, each with its deadline; for one event loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Awaitable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Callable, Optional, TypeVar, Union

from hivemind_core_client.kernel.progress import ProgressReporter
from hivemind_core_client.transports import failures
from hivemind_core_client.transports.base import LAST_PING, Confirming
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.transports.slices import TURN_S
from hivemind_core_client.transports.timing import deadline, within
from hivemind_core_client.wire.errors import (
    ConnectionLost,
    HiveMindError,
    HubTimeout,
    Install,
    SecureConnectionFailed,
)

if TYPE_CHECKING:
    from hivemind_core_client.config.settings import Address
    from hivemind_core_client.config.tls import Tls
    from hivemind_core_client.kernel.policy import Deadlines
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.plugins.contract import Frame

_NEEDED = (
    "the asyncio client needs Python 3.10 or later and the packages websockets and aiohappyeyeballs: "
    f"{Install('async')}"
)

if sys.version_info < (3, 10):
    raise ImportError(_NEEDED)

try:
    from hivemind_core_client.transports.addresses_asyncio import connected_socket
    from hivemind_core_client.transports.websocket_stream import WebSocketStream
except ImportError as missing:
    raise ImportError(_NEEDED) from missing

T = TypeVar("T")


class AsyncWebSocketTransport(Confirming):
    """A connection, for the event loop that opens it. Whole messages are sent, in the order asked for."""

    def __init__(
        self,
        address: Address,
        tls: Tls,
        deadlines: Deadlines,
        max_frame: int,
        ping_interval: Optional[float],
        ping_timeout: float,
        max_early: Optional[int] = None,
    ) -> None:
        self._address = address
        self._tls = tls
        self._deadlines = deadlines
        self._max_frame = max_frame
        self._max_early = max_early
        self._ping_interval = ping_interval
        self._asks = bool(ping_interval)
        self._ping_timeout = ping_timeout
        self._socket: Optional[socket.socket] = None
        self._stream: Optional[WebSocketStream] = None
        #: When who reads has to give the loop its turn.
        self._turn_ends = 0.0

    async def open(self, url: str) -> None:
        """TCP, TLS, upgrade. Raises a HubConnectionError, InvalidOption, or KeyRefused where the key is not taken."""
        stream = await self._dial(url)
        await self._phase("upgrade", self._deadlines.upgrade, stream.upgrade("hivemind-core-client"))
        if self._address.tls:
            await asyncio.to_thread(self._tls.keep)

    async def _dial(self, url: str) -> WebSocketStream:
        """TCP, and TLS: anew where the certificate has to be judged in another way."""
        verification = await asyncio.to_thread(self._tls.verification) if self._address.tls else None
        while True:
            context = verification.make_context() if verification is not None else None
            connected = await self._phase("tcp", self._deadlines.tcp, self._connected())
            self._stream = stream = self._new_stream(url)
            try:
                await self._secure(connected, stream, context)
                return stream
            except SecureConnectionFailed as failure:
                await self.release()
                if verification is None or not verification.fails(failure.__cause__):
                    raise

    async def _phase(self, name: str, seconds: float, waiting: Awaitable[T]) -> T:
        with self._tracer.phase(name, seconds):
            return await deadline(self._address, name, seconds, waiting)

    async def within(self, phase: str, seconds: float, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work()`. Raises HubTimeout when it has not come within `seconds`."""
        return await deadline(self._address, phase, seconds, work())

    def watch(self) -> None:
        """Both sides own the key: an idle connection is probed, and more may come than `max_early` bytes."""
        self._ready().lift()
        if self._ping_interval:
            self._ready().watch(self._ping_interval, self._ping_timeout)

    def stand(self) -> None:
        """The session stands; a connection is watched before that."""

    async def receive(self) -> Union[Frame, Closed]:
        """The next message or the end. Raises ConnectionLost for one that broke, FrameTooLarge for a flood."""
        stream = self._stream
        if stream is None:
            raise failures.closed_here(self._address)
        if not stream.messages:
            while not stream.messages:
                if isinstance(stream.ending, HiveMindError):
                    raise stream.ending
                if stream.ending is not None:
                    return stream.ending
                await stream.arrival()
            self._turn_ends = monotonic() + TURN_S
        elif monotonic() > self._turn_ends:
            await asyncio.sleep(0)
            self._turn_ends = monotonic() + TURN_S
        return stream.next_message()

    async def send(self, frames: list[Frame], progress: Optional[Progress] = None) -> bool:
        """Write whole frames in order, and tell `progress` how far they came; the hub does not say that it has them.

        Raises ConnectionLost when the connection broke, or the hub has taken nothing for `Deadlines.write` seconds. A
        frame leaves whole even when this is cancelled. Of several, the rest is missing then: that ends the connection.
        """
        stream, reporter = self._ready(), None if progress is None else ProgressReporter(progress, frames)
        try:
            for frame in frames:
                stream.write(frame)
                if reporter is not None or not stream.buffer.has_room():
                    await self._drained(stream, frame, reporter)
        except asyncio.CancelledError:
            if len(frames) > 1:
                self.abort()
            raise
        except ConnectionLost as error:
            if stream.stalled:
                raise
            raise failures.explained(error, max(map(len, frames))) from error
        return False

    async def _drained(
        self, stream: WebSocketStream, frame: Frame, reporter: Optional[ProgressReporter]
    ) -> None:
        """What is in the buffers no more is with the system. Reported at once, then again and again."""
        total = _size_of(frame)
        await stream.buffer.drained(total, reporter)
        stream.check_open()
        if reporter is not None:
            reporter(total, total)
            reporter.next()

    async def ask(self) -> None:
        """Ping the hub, where little is in the way, and wait for nothing."""
        self._ready().ask()

    async def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds until the hub's pong, or None when it did not come in time."""
        stream = self._ready()
        try:
            return await within(seconds, stream.ping(payload))
        except asyncio.TimeoutError:
            return None
        finally:
            stream.forget(payload)

    async def farewell(self) -> None:
        """Tell the hub that we go, once it has read what was sent, and wait for its answer, both within a bound."""
        if self._stream is not None:
            if self._delivery.is_unconfirmed:
                with suppress(ConnectionLost):  # the reader finds out what that means
                    await self.ping(LAST_PING, self._deadlines.close / 2)
            await self._stream.leave(self._deadlines.close)

    def abort(self) -> None:
        """Close at once, and wake whoever reads or writes."""
        if self._stream is not None:
            self._stream.abort()

    async def release(self) -> None:
        """Close what is still open, and leave no task behind."""
        if self._stream is not None and self._stream.is_connected:
            self._stream.abort()
            await self._stream.gone()
        elif self._socket is not None:  # from TLS on, it is the transport which owns the socket
            self._socket.close()

    def _ready(self) -> WebSocketStream:
        if self._stream is None:
            raise failures.closed_here(self._address)
        return self._stream

    def _new_stream(self, url: str) -> WebSocketStream:
        bounds = (self._max_frame, self._max_early, self._deadlines.write)
        return WebSocketStream(self._address, url, *bounds, self._delivery)

    async def _connected(self) -> socket.socket:
        """Keeps the socket where `release` finds it."""
        self._socket = await connected_socket(self._address, self._deadlines.tcp)
        return self._socket

    async def _secure(
        self, connected: socket.socket, stream: WebSocketStream, tls: Optional[ssl.SSLContext]
    ) -> None:
        """TLS, where there is a context for it; then the connection is ready to be upgraded."""
        made: Awaitable[object] = (
            self._start_tls(connected, stream, tls)
            if tls is not None
            else asyncio.get_running_loop().create_connection(lambda: stream, sock=connected)
        )
        try:
            if tls is None:
                await deadline(self._address, "tls", self._deadlines.tls, made)
            else:
                await self._phase("tls", self._deadlines.tls, made)
        except HubTimeout:
            raise
        except (OSError, ValueError) as error:
            raise failures.insecure(self._address, error) from error

    async def _start_tls(
        self, connected: socket.socket, stream: WebSocketStream, tls: ssl.SSLContext
    ) -> None:
        loop = asyncio.get_running_loop()
        below, _ = await loop.create_connection(asyncio.Protocol, sock=connected)
        secured = await loop.start_tls(below, stream, tls, server_hostname=self._address.host)
        if secured is None or secured.is_closing():
            raise ConnectionAbortedError("the connection was closed during the TLS handshake")
        # Before Python 3.11 the buffer of the TLS is the one below it.
        stream.begin(secured, below if sys.version_info >= (3, 11) else None)


def _size_of(frame: Frame) -> int:
    """How many bytes a frame has on the wire, without its header."""
    return len(frame.encode()) if isinstance(frame, str) and not frame.isascii() else len(frame)
