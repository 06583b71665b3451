"""One WebSocket over websocket-client: opened phase by phase, each with its deadline; read by one thread."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Callable, Optional, TypeVar, Union

import websocket

from hivemind_core_client.kernel import fragments
from hivemind_core_client.kernel.bounds import bound_before_key
from hivemind_core_client.kernel.closing import is_fault_of_ours
from hivemind_core_client.kernel.progress import ProgressReporter
from hivemind_core_client.transports import failures, tcp
from hivemind_core_client.transports.base import LAST_PING, Confirming
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.transports.log_filter import hide_logins
from hivemind_core_client.transports.shared_socket import ReadBoundReached, SharedSocket, WriteStalled
from hivemind_core_client.wire.errors import (
    ConnectionLost,
    HiveMindError,
    HubConnectionError,
)

if TYPE_CHECKING:
    from hivemind_core_client.config.settings import Address
    from hivemind_core_client.config.tls import Tls
    from hivemind_core_client.kernel.policy import Deadlines
    from hivemind_core_client.kernel.progress import Progress
    from hivemind_core_client.plugins.contract import Frame

log = logging.getLogger(__name__)
hide_logins("websocket")

T = TypeVar("T")

_BROKEN = (OSError, ssl.SSLError, websocket.WebSocketException, WriteStalled)
#: The data of a ping at most, and what may be read beside that of a message: a header too (RFC 6455, 5.2, 5.5).
_CONTROL_BYTES = 125
#: How long the answer to the upgrade may be.
_MOST_HEADER_BYTES = 2**16
_AROUND_BYTES = 14 + _CONTROL_BYTES
#: What an answer to the upgrade says when it wants something that we did not ask for.
_NOT_ASKED_FOR = ("sec-websocket-protocol", "sec-websocket-extensions")


class WebSocketTransport(Confirming):
    """A connection. `open` and `receive` belong to one thread; `send`, `ping`, `farewell` and `abort` to any."""

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
        self._ping_interval = ping_interval or None
        self._asks = bool(ping_interval)
        self._ping_timeout = ping_timeout
        self._socket: Union[socket.socket, SharedSocket, None] = None
        self._shared: Optional[SharedSocket] = None
        self._ws: Optional[websocket.WebSocket] = None
        self._assembly = fragments.Assembly(*bound_before_key(max_frame, max_early))
        self._aborted = False
        self._probed = False
        self._pongs: dict[bytes, tuple[float, threading.Event, list[float]]] = {}

    def open(self, url: str) -> None:
        """TCP, TLS, upgrade. Raises a HubConnectionError, InvalidOption, or KeyRefused where the key is not taken."""
        connected = tcp.dial(self._address, self._tls, self._deadlines, self._keep, self._tracer)
        self._shared = shared = SharedSocket(connected, self._deadlines.write)
        self._keep(shared)
        with self._tracer.phase("upgrade", self._deadlines.upgrade):
            self._ws = self._upgrade(shared, url)
        self._tls.keep()

    def within(self, phase: str, seconds: float, work: Callable[[], T]) -> T:
        """The result of `work()`. Raises HubTimeout when it has not come within `seconds`."""
        with self._deadline(phase, seconds):
            return work()

    def _deadline(self, phase: str, seconds: float) -> AbstractContextManager[None]:
        """Whatever happens inside ends within `seconds`, or HubTimeout is raised."""
        return tcp.deadline(self._address, phase, seconds, self.abort, _BROKEN)

    def watch(self) -> None:
        """Both sides own the key: an idle connection is probed, and messages may be longer than `max_early`."""
        self._assembly.lift(self._max_frame)
        if self._ws is not None:
            self._ws.settimeout(self._ping_interval)

    def stand(self) -> None:
        """The session stands; a connection is watched before that."""

    def receive(self) -> Union[Frame, Closed]:
        """The next message or the end. Raises ConnectionLost for one that broke, FrameTooLarge for a flood."""
        ws = self._ready()
        while (frame := self._next_frame(ws)) is not None:
            opcode, data, is_last = frame
            if opcode < fragments.CLOSE:
                try:
                    message = self._assembly.add(opcode, data, is_last)
                except UnicodeDecodeError as error:
                    raise failures.no_utf8(self._address) from error
                if message is not None:
                    return message
            elif opcode == fragments.CLOSE:
                return _closed(data)
            elif opcode == fragments.PONG:
                self._note_pong(data)
        return Closed(None)

    def _next_frame(self, ws: websocket.WebSocket) -> Optional[tuple[int, bytes, bool]]:
        """Opcode and data of the next frame, and whether it is the last one of its message; None when the hub hung up.

        No more is read than may be added to the message that has begun.
        """
        if self._shared is not None:
            self._shared.allow(self._assembly.room + _AROUND_BYTES)
        while True:
            try:
                opcode, frame = ws.recv_data_frame(control_frame=True)
                if (
                    getattr(frame, "mask_value", None) or getattr(frame, "mask", None) == 1
                ):  # named so up to 1.8
                    raise websocket.WebSocketProtocolException("a masked frame")  # a hub masks none
                if opcode >= fragments.CLOSE:
                    _check_control(frame)
                break
            except websocket.WebSocketTimeoutException:
                self._probe()
            except websocket.WebSocketConnectionClosedException:
                return None
            except ReadBoundReached as error:
                raise self._assembly.too_large(self._assembly.limit + 1) from error
            except _BROKEN as error:
                raise self._broken(error) from error
        if self._probed:
            self._probed = False
            ws.settimeout(self._ping_interval)
        return opcode, frame.data, bool(frame.fin)

    def send(self, frames: list[Frame], progress: Optional[Progress] = None) -> bool:
        """Write whole frames in order, and tell `progress` how far they came; the hub does not say that it has them.

        Raises ConnectionLost when the connection broke, or the hub has taken nothing for `Deadlines.write` seconds.
        """
        size = max(map(len, frames), default=0)
        self._write(lambda ws: self._send_all(ws, frames, progress), size)
        return False

    def _send_all(self, ws: websocket.WebSocket, frames: list[Frame], progress: Optional[Progress]) -> None:
        reporter = None
        if progress is not None and self._shared is not None:
            reporter = ProgressReporter(progress, frames)
            self._shared.report_to(reporter)
        try:
            for frame in frames:
                if isinstance(frame, str):
                    ws.send(frame)
                else:
                    ws.send_binary(frame)  # type: ignore[arg-type]  # a bytearray will do
                if reporter is not None:
                    reporter.next()
        finally:
            if reporter is not None and self._shared is not None:
                self._shared.report_to(None)

    def ask(self) -> None:
        """Ping the hub, and wait for nothing."""
        self._send_ping()

    def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds until the hub's pong, or None when it did not come in time."""
        answered = threading.Event()
        figures: list[float] = []
        self._pongs[payload] = (time.perf_counter(), answered, figures)
        try:
            self._send_ping(payload)
            answered.wait(seconds)
        finally:
            self._pongs.pop(payload, None)
        if not figures:
            self._ready()  # raises if it was the end of the connection that woke us
            return None
        return figures[0]

    def _write(self, write: Callable[[websocket.WebSocket], object], size: int = 0) -> None:
        """A write that fails may have left half a frame behind: the connection is then of no more use."""
        ws = self._ready()
        try:
            write(ws)
        except _BROKEN as error:
            self.abort()
            raise self._broken(error, while_sending=True, size=size) from error
        except BaseException:  # Ctrl-C in the middle: half a frame may have left
            self.abort()
            raise

    def _broken(self, error: Exception, while_sending: bool = False, size: int = 0) -> ConnectionLost:
        if isinstance(error, WriteStalled):
            return failures.not_taken(self._address, self._deadlines.write)
        return failures.explained(failures.broken(self._address, error, while_sending), size)

    def farewell(self) -> None:
        """Tell the hub that we go, once it has read what was sent; it answers by closing.

        Not while somebody is stuck in writing.
        """
        try:
            if self._delivery.is_unconfirmed:
                self.ping(LAST_PING, self._deadlines.close / 2)
            ws = self._ready()
            if ws.lock.acquire(timeout=self._deadlines.close):
                ws.lock.release()
                ws.send_close()
        except (HubConnectionError, *_BROKEN) as error:
            log.debug("no farewell: %s", error)

    def abort(self) -> None:
        """Close at once, and wake whoever reads or writes."""
        self._aborted = True
        tcp.shut(self._socket)

    def release(self) -> None:
        """Close the socket. For the reading thread, when it reads no more."""
        self.abort()  # closing alone would not wake a thread that is stuck in writing
        for _, answered, _ in list(self._pongs.values()):
            answered.set()
        if self._socket is not None:
            self._socket.close()

    def _keep(self, connected: Union[socket.socket, SharedSocket]) -> None:
        """Let `abort` find the socket; one that came too late is closed at once."""
        self._socket = connected
        if self._aborted:
            self.abort()

    def _ready(self) -> websocket.WebSocket:
        if self._ws is None or self._aborted:
            raise failures.closed_here(self._address)
        return self._ws

    def _upgrade(self, connected: SharedSocket, url: str) -> websocket.WebSocket:
        # Each frame is handed out alone, and put together here, where the size of a message is bounded.
        ws = websocket.WebSocket(fire_cont_frame=True, enable_multithread=True, skip_utf8_validation=True)
        with self._deadline("upgrade", self._deadlines.upgrade):
            connected.allow(_MOST_HEADER_BYTES)
            try:
                ws.connect(url, socket=connected, suppress_origin=True, redirect_limit=0)  # type: ignore[no-untyped-call]
                self._check_answer(ws)
            except HiveMindError:
                raise
            except websocket.WebSocketBadStatusException as error:
                location = (error.resp_headers or {}).get("location")
                raise failures.bad_status(self._address, error.status_code, location) from error
            except (*_BROKEN, ReadBoundReached) as error:
                self._check_answer(ws)  # a redirect is an exception of newer websocket-client versions
                raise failures.no_websocket(self._address, error) from error
            except Exception as error:  # old websocket-client versions stumble over odd answers in many ways
                if is_fault_of_ours(error, "websocket"):
                    raise
                raise failures.no_websocket(self._address, error) from error
        connected.settimeout(None)
        return ws

    def _check_answer(self, ws: websocket.WebSocket) -> None:
        """Raises the error for an answer that is read and is no upgrade, or one to more than was asked for."""
        status, headers = ws.getstatus(), ws.getheaders() or {}
        if status not in (None, 101):
            raise failures.bad_status(self._address, status, headers.get("location"))
        if any(name in headers for name in _NOT_ASKED_FOR):
            raise failures.no_websocket(self._address, websocket.WebSocketProtocolException())

    def _probe(self) -> None:
        if self._probed:
            raise failures.silent(self._address, self._ping_timeout)
        self._probed = True
        self._send_ping()
        self._ready().settimeout(self._ping_timeout)

    def _send_ping(self, payload: Optional[bytes] = None) -> None:
        asked = self._delivery.asked(time.perf_counter(), payload)
        self._write(lambda ws: ws.ping(asked))

    def _note_pong(self, payload: bytes) -> None:
        self._delivery.ponged(payload, time.perf_counter())
        pending = self._pongs.get(payload)
        if pending is not None:
            began, answered, figures = pending
            figures.append(time.perf_counter() - began)
            answered.set()


def _check_control(frame: websocket.ABNF) -> None:
    """What websocket-client lets pass: control frames are whole and short (RFC 6455, 5.5)."""
    if not (frame.fin and len(frame.data) <= _CONTROL_BYTES):
        raise websocket.WebSocketProtocolException("a control frame in fragments, or one that is too long")


def _closed(data: bytes) -> Closed:
    if len(data) < 2:
        return Closed(1005)
    return Closed(int.from_bytes(data[:2], "big"), data[2:].decode("utf-8", "replace"))
