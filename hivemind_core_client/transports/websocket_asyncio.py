"""One WebSocket over websockets: opened phase by phase, each with its deadline; for one event loop."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Callable, Optional, TypeVar, Union

from hivemind_core_client.kernel.progress import ProgressReporter
from hivemind_core_client.kernel.write_deadline import WriteDeadline
from hivemind_core_client.transports import failures
from hivemind_core_client.transports.base import LAST_PING, Confirming
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.transports.timing import within
from hivemind_core_client.transports.websocket_pings import TellsPings
from hivemind_core_client.wire.errors import ConnectionLost, FrameTooLarge, HubTimeout

if TYPE_CHECKING:
    from hivemind_core_client.config.settings import Address
    from hivemind_core_client.config.tls import Tls
    from hivemind_core_client.kernel.policy import Deadlines
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.plugins.contract import Frame

_NEEDED = (
    "the asyncio client needs Python 3.10 or later and the packages websockets and aiohappyeyeballs: "
    "pip install 'hivemind-core-client[async]'"
)

if sys.version_info < (3, 10):
    raise ImportError(_NEEDED)

try:
    from websockets.asyncio.client import ClientConnection
    from websockets.client import ClientProtocol
    from websockets.exceptions import (
        ConnectionClosed,
        ConnectionClosedError,
        InvalidStatus,
        WebSocketException,
    )
    from websockets.protocol import State
    from websockets.uri import parse_uri

    from hivemind_core_client.transports.addresses_asyncio import connected_socket
except ImportError as missing:
    raise ImportError(_NEEDED) from missing

T = TypeVar("T")

#: Seconds between two reports of progress.
_PROGRESS_PAUSE_S = 0.02
#: More bytes than this in the buffer make `Connection.send` wait, until no more than a quarter is left.
_BUFFER_BYTES = 2**15
#: The header and the mask of a frame, in bytes (RFC 6455, 5.2).
_HEADER_BYTES = 14
_TOO_BIG_CODE = 1009
_KEEPALIVE_REASON = "keepalive ping timeout"

# What websockets would say at the level DEBUG holds the access key, so it says nothing there.
_quiet = logging.getLogger(f"{__name__}.websockets")
_quiet.setLevel(logging.CRITICAL + 1)


class Connection(TellsPings, ClientConnection):
    """A connection that ends with the WebSocket: it does not wait for the peer to hang up."""

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        super().data_received(data)
        protocol = self.protocol
        if protocol.close_rcvd or protocol.parser_exc or protocol.handshake_exc:
            self.transport.abort()


class EarlyData(asyncio.Protocol):
    """Takes what the hub sends after the TLS handshake, until the WebSocket is there to take it."""

    def __init__(self) -> None:
        self.data = bytearray()

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.data += data


class WriteWatch:
    """Looks, while a frame is written, how much is left: reports that, and aborts when the hub takes nothing of it.

    `left()` tells how many bytes have not been taken yet.
    """

    def __init__(
        self,
        left: Callable[[], int],
        seconds: float,
        abort: Callable[[], None],
        report: Optional[Callable[[int], None]],
    ) -> None:
        self.stalled = False
        self._left = left
        self._seconds = seconds
        self._abort = abort
        self._report = report
        self._deadline: Optional[WriteDeadline] = None
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Handle = self._loop.call_soon(self._look)

    def stop(self) -> None:
        """Look no more."""
        self._next.cancel()

    def _look(self) -> None:
        now, left = self._loop.time(), self._left()
        if self._deadline is None:
            self._deadline = WriteDeadline(self._seconds, now, left)
        pause = self._deadline.next_look(now, left)
        if pause is None:
            self.stalled = True
            self._abort()
            return
        if self._report is not None:
            self._report(left)
            pause = min(pause, _PROGRESS_PAUSE_S)
        self._next = self._loop.call_later(pause, self._look)


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
    ) -> None:
        self._address = address
        self._tls = tls
        self._deadlines = deadlines
        self._max_frame = max_frame
        self._ping = (ping_interval or None, ping_timeout)
        self._asks = bool(ping_interval)
        self._socket: Optional[socket.socket] = None
        self._ws: Optional[Connection] = None
        #: Below the TLS, where there is any: bytes wait in both, and which of them is not documented.
        self._below: Optional[asyncio.WriteTransport] = None

    async def open(self, url: str) -> None:
        """TCP, TLS, upgrade. Raises a HubConnectionError, InvalidOption, or KeyRefused where the key is not taken."""
        context = self._tls.make_context() if self._address.tls else None
        connected = await self._deadline("tcp", self._deadlines.tcp, self._connected())
        self._ws = self._protocol(url)
        await self._secure(connected, self._ws, context)
        await self._upgrade(self._ws)

    async def within(self, phase: str, seconds: float, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work()`. Raises HubTimeout when it has not come within `seconds`."""
        return await self._deadline(phase, seconds, work())

    async def _deadline(self, phase: str, seconds: float, waiting: Awaitable[T]) -> T:
        """The result of `waiting`, if it comes within `seconds`; else HubTimeout."""
        try:
            return await within(seconds, waiting)
        except asyncio.TimeoutError as error:
            raise HubTimeout(str(self._address), phase, seconds) from error

    def watch(self) -> None:
        """From now on an idle connection is probed."""
        ws = self._ready()
        if ws.keepalive_task is None:
            ws.start_keepalive()

    def stand(self) -> None:
        """The session stands; a connection is watched before that."""

    async def receive(self) -> Union[Frame, Closed]:
        """The next message or the end. Raises ConnectionLost for one that broke, FrameTooLarge for a flood."""
        ws = self._ready()
        try:
            return await ws.recv()
        except ConnectionClosed as closed:
            return self._ending(closed)
        except (OSError, WebSocketException, UnicodeDecodeError) as error:
            raise failures.broken(self._address, error) from error

    async def send(self, frames: list[Frame], progress: Optional[Progress] = None) -> bool:
        """Write whole frames in order, and tell `progress` how far they came; the hub does not say that it has them.

        Raises ConnectionLost when the connection broke, or the hub has taken nothing for `Deadlines.write` seconds. A
        frame leaves whole even when this is cancelled. Of several, the rest is missing then: that ends the connection.
        """
        ws, reporter = self._ready(), None if progress is None else ProgressReporter(progress, frames)
        try:
            for frame in frames:
                if (
                    reporter is None
                    and self._left(ws) + _size_of(frame) + _HEADER_BYTES <= _BUFFER_BYTES // 4
                ):
                    await ws.send(frame)  # which does not wait
                else:
                    await self._send_watched(ws, frame, reporter)
            if ws.state is State.CLOSED:  # while the last bytes waited here
                raise ConnectionClosedError(None, None)
        except asyncio.CancelledError:
            if len(frames) > 1:
                self.abort()
            raise
        except ConnectionLost:
            raise
        except (OSError, WebSocketException) as error:
            lost = failures.broken(self._address, error, while_sending=True)
            raise failures.explained(lost, max(map(len, frames))) from error
        return False

    async def ask(self) -> None:
        """Ping the hub, where little is in the way, and wait for nothing."""
        ws = self._ready()
        if ws.state is State.OPEN and self._left(ws) <= _BUFFER_BYTES // 2:
            with suppress(OSError, WebSocketException):  # the reader finds out what that means
                await ws.ping()  # which does not wait

    async def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds until the hub's pong, or None when it did not come in time."""
        ws = self._ready()
        try:
            return await within(seconds, _ping(ws, payload))
        except asyncio.TimeoutError:
            return None
        except (OSError, WebSocketException) as error:
            raise failures.broken(self._address, error) from error

    async def farewell(self) -> None:
        """Tell the hub that we go, once it has read what was sent, and wait for its answer, both within a bound."""
        if self._ws is not None:
            if self._delivery.is_unconfirmed:
                with suppress(ConnectionLost):  # the reader finds out what that means
                    await self.ping(LAST_PING, self._deadlines.close / 2)
            self._ws.close_timeout = self._deadlines.close
            await self._ws.close()

    def abort(self) -> None:
        """Close at once, and wake whoever reads or writes."""
        if self._is_open():
            self._ready().transport.abort()

    async def release(self) -> None:
        """Close what is still open, and leave no task behind."""
        if not self._is_open():
            if self._socket is not None:
                self._socket.close()
            return
        self.abort()
        await self._ready().wait_closed()

    def _is_open(self) -> bool:
        """Whether the WebSocket has a transport: from TLS on, it is that which owns the socket."""
        return getattr(self._ws, "transport", None) is not None

    def _ready(self) -> Connection:
        if self._ws is None:
            raise failures.closed_here(self._address)
        return self._ws

    async def _connected(self) -> socket.socket:
        """Keeps the socket where `release` finds it."""
        self._socket = await connected_socket(self._address, self._deadlines.tcp)
        return self._socket

    async def _secure(self, connected: socket.socket, ws: Connection, tls: Optional[ssl.SSLContext]) -> None:
        """TLS, where there is a context for it; then the connection is ready to be upgraded."""
        made: Awaitable[object] = (
            self._start_tls(connected, ws, tls)
            if tls is not None
            else asyncio.get_running_loop().create_connection(lambda: ws, sock=connected)
        )
        try:
            await self._deadline("tls", self._deadlines.tls, made)
        except HubTimeout:
            raise
        except (OSError, ValueError) as error:
            raise failures.insecure(self._address, error) from error

    async def _start_tls(self, connected: socket.socket, ws: Connection, tls: ssl.SSLContext) -> None:
        loop, early = asyncio.get_running_loop(), EarlyData()
        below, _ = await loop.create_connection(asyncio.Protocol, sock=connected)
        secured = await loop.start_tls(below, early, tls, server_hostname=self._address.host)
        if secured is None or secured.is_closing():
            raise ConnectionAbortedError("the connection was closed during the TLS handshake")
        secured.set_protocol(ws)
        ws.connection_made(secured)
        # Before Python 3.11 the buffer of the TLS is the one below it.
        self._below = below if sys.version_info >= (3, 11) else None
        if early.data:
            ws.data_received(bytes(early.data))

    def _protocol(self, url: str) -> Connection:
        interval, timeout = self._ping
        protocol = ClientProtocol(parse_uri(url), max_size=self._max_frame, logger=_quiet)
        # A hub that answers no ping, or breaks the protocol, is not waited for.
        ws = Connection(protocol, ping_interval=interval, ping_timeout=timeout, close_timeout=0)
        ws.delivery = self._delivery
        return ws

    async def _upgrade(self, ws: Connection) -> None:
        try:
            await self._deadline(
                "upgrade", self._deadlines.upgrade, ws.handshake(user_agent_header="hivemind-core-client")
            )
        except HubTimeout:
            raise
        except InvalidStatus as error:
            status, location = error.response.status_code, error.response.headers.get("Location")
            raise failures.bad_status(self._address, status, location) from error
        except (WebSocketException, EOFError, OSError, ValueError) as error:
            raise failures.no_websocket(self._address, error) from error

    async def _send_watched(self, ws: Connection, frame: Frame, reporter: Optional[ProgressReporter]) -> None:
        """What is in the buffers no more is with the system. Reported at once, then again and again."""
        total = _size_of(frame)
        report = None if reporter is None else lambda left: reporter(max(0, total - left), total)
        watch = WriteWatch(lambda: self._left(ws), self._deadlines.write, self.abort, report)
        try:
            await ws.send(frame)
            while self._below is not None and self._left(ws) > _BUFFER_BYTES:
                await asyncio.sleep(_PROGRESS_PAUSE_S)  # asyncio's TLS takes any amount at once
        except (OSError, WebSocketException) as error:
            if watch.stalled:
                raise failures.not_taken(self._address, self._deadlines.write) from error
            raise
        finally:
            watch.stop()
        if watch.stalled:
            raise failures.not_taken(self._address, self._deadlines.write)
        if reporter is not None:
            reporter(total, total)
            reporter.next()

    def _left(self, ws: Connection) -> int:
        """How many bytes the system has not taken yet."""
        left = ws.transport.get_write_buffer_size()
        return left if self._below is None else left + self._below.get_write_buffer_size()

    def _ending(self, closed: ConnectionClosed) -> Closed:
        if closed.rcvd is not None:
            return Closed(closed.rcvd.code, closed.rcvd.reason)
        if closed.sent is not None and closed.sent.code == _TOO_BIG_CODE:
            raise FrameTooLarge(f"a message of more than the limit of {self._max_frame} bytes") from closed
        if closed.sent is not None and closed.sent.reason == _KEEPALIVE_REASON:
            raise failures.silent(self._address, self._ping[1]) from closed
        return Closed(None)


def _size_of(frame: Frame) -> int:
    """How many bytes a frame has on the wire, without its header."""
    return len(frame.encode()) if isinstance(frame, str) and not frame.isascii() else len(frame)


async def _ping(ws: Connection, payload: bytes) -> float:
    return await (await ws.ping(payload))
