"""One WebSocket over websockets: opened phase by phase, each with its deadline; for one event loop."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
from collections.abc import Awaitable
from typing import Any, Optional, TypeVar, Union

from hivemind_core_client.config.settings import Address
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.kernel.policy import Deadlines
from hivemind_core_client.plugins.contract import Frame
from hivemind_core_client.transports import failures
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.transports.shared_socket import Progress, Told
from hivemind_core_client.transports.timing import within
from hivemind_core_client.wire.errors import FrameTooLarge, HubTimeout

_NEEDED = (
    "the asyncio client needs Python 3.10 or later and the websockets package: "
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
except ImportError as missing:
    raise ImportError(_NEEDED) from missing

T = TypeVar("T")

#: How often, in seconds, progress of a large message is told.
_PROGRESS = 0.02
_TOO_BIG = 1009
_KEEPALIVE = "keepalive ping timeout"

# What websockets would say at the level DEBUG holds the access key, so it says nothing there.
_quiet = logging.getLogger(f"{__name__}.websockets")
_quiet.setLevel(logging.CRITICAL + 1)


class Connection(ClientConnection):
    """A connection that ends with the WebSocket: it does not wait for the peer to hang up."""

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        super().data_received(data)
        protocol = self.protocol
        if protocol.close_rcvd or protocol.parser_exc or protocol.handshake_exc:
            self.transport.abort()


class AsyncTransport:
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
        self._socket: Optional[socket.socket] = None
        self._ws: Optional[Connection] = None

    async def open(self, url: str) -> None:
        """TCP, TLS, upgrade. Raises a HubConnectionError, InvalidOption, or KeyRefused where the key is not taken."""
        context = self._tls.make_context() if self._address.tls else None
        connected = await self.deadline("tcp", self._deadlines.tcp, self._connected())
        self._ws = self._protocol(url)
        await self._secure(connected, self._ws, context)
        await self._upgrade(self._ws)

    async def deadline(self, phase: str, seconds: float, waiting: Awaitable[T]) -> T:
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

    async def send(self, frames: list[Frame], progress: Optional[Progress] = None) -> None:
        """Write whole frames in order, telling `progress` how far each came. Raises ConnectionLost when it broke.

        A frame leaves whole even when this is cancelled. Of several, the rest is missing then: that ends it all.
        """
        ws, told = self._ready(), None if progress is None else Told(progress, frames)
        try:
            for frame in frames:
                if told is None:
                    await ws.send(frame)
                else:
                    await self._send_watched(ws, frame, told)
                    told.next()
            if ws.state is State.CLOSED:  # while the last bytes waited here
                raise ConnectionClosedError(None, None)
        except asyncio.CancelledError:
            if len(frames) > 1:
                self.abort()
            raise
        except (OSError, WebSocketException) as error:
            lost = failures.broken(self._address, error, while_sending=True)
            raise failures.explained(lost, max(map(len, frames))) from error

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
        """Tell the hub that we go, and wait for its answer, `deadlines.close` at most."""
        if self._ws is not None:
            self._ws.close_timeout = self._deadlines.close
            await self._ws.close()

    def abort(self) -> None:
        """Close at once, and wake whoever reads or writes."""
        if self._is_open():
            self._ready().transport.abort()

    async def release(self) -> None:
        """Leave nothing behind: neither socket nor task."""
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
        loop, address = asyncio.get_running_loop(), self._address
        try:
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise failures.unresolved(address) from error
        failure: Exception = OSError("it has no address")
        for family, kind, protocol, _, where in found:
            try:
                return await self._connect(family, kind, protocol, where)
            except OSError as error:
                failure = error
        raise failures.unreachable(address, failure) from failure

    async def _connect(self, family: int, kind: int, protocol: int, where: Any) -> socket.socket:
        """Keeps the socket where `release` finds it."""
        if self._socket is not None:
            self._socket.close()
        self._socket = made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, where)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return made

    async def _secure(self, connected: socket.socket, ws: Connection, tls: Optional[ssl.SSLContext]) -> None:
        """TLS, where there is a context for it; then the connection is ready to be upgraded."""
        loop, address = asyncio.get_running_loop(), self._address
        options: dict[str, Any] = {"ssl": tls, "server_hostname": address.host} if tls else {}
        try:
            made = loop.create_connection(lambda: ws, sock=connected, **options)
            await self.deadline("tls", self._deadlines.tls, made)
        except HubTimeout:
            raise
        except (OSError, ValueError) as error:
            raise failures.insecure(address, error) from error

    def _protocol(self, url: str) -> Connection:
        interval, timeout = self._ping
        protocol = ClientProtocol(parse_uri(url), max_size=self._max_frame, logger=_quiet)
        # A hub that answers no ping, or breaks the protocol, is not waited for.
        return Connection(protocol, ping_interval=interval, ping_timeout=timeout, close_timeout=0)

    async def _upgrade(self, ws: Connection) -> None:
        try:
            await self.deadline(
                "upgrade", self._deadlines.upgrade, ws.handshake(user_agent_header="hivemind-core-client")
            )
        except HubTimeout:
            raise
        except InvalidStatus as error:
            raise failures.bad_status(self._address, error.response.status_code) from error
        except (WebSocketException, EOFError, OSError, ValueError) as error:
            raise failures.no_websocket(self._address, error) from error

    async def _send_watched(self, ws: Connection, frame: Frame, told: Told) -> None:
        """What is not in the buffer any more is with the system. Told of at once, then again and again."""
        total, pause = len(frame.encode()) if isinstance(frame, str) else len(frame), 0.0
        sending = asyncio.ensure_future(ws.send(frame))
        try:
            while not (await asyncio.wait({sending}, timeout=pause))[0]:
                left, pause = ws.transport.get_write_buffer_size(), _PROGRESS
                told(max(0, total - left), total)
            sending.result()
        finally:
            if not sending.done():
                sending.cancel()
                await asyncio.wait({sending})
            if not sending.cancelled():
                sending.exception()  # looked at, should nobody get to it
        told(total, total)

    def _ending(self, closed: ConnectionClosed) -> Closed:
        if closed.rcvd is not None:
            return Closed(closed.rcvd.code, closed.rcvd.reason)
        if closed.sent is not None and closed.sent.code == _TOO_BIG:
            raise FrameTooLarge(f"a message of more than the limit of {self._max_frame} bytes") from closed
        if closed.sent is not None and closed.sent.reason == _KEEPALIVE:
            raise failures.silent(self._address, self._ping[1]) from closed
        return Closed(None)


async def _ping(ws: Connection, payload: bytes) -> float:
    return await (await ws.ping(payload))
