"""One WebSocket over websocket-client: opened phase by phase, each with its deadline; read by one thread."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional, Union, cast

import websocket

from hivemind_core_client.config.settings import Address
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.kernel.policy import Deadlines
from hivemind_core_client.plugins.contract import Frame
from hivemind_core_client.transports import failures, tcp
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.transports.shared_socket import Progress, SharedSocket, Told
from hivemind_core_client.wire.errors import (
    ConnectionLost,
    FrameTooLarge,
    HiveMindError,
    HubConnectionError,
)

log = logging.getLogger(__name__)

_BROKEN = (OSError, ssl.SSLError, websocket.WebSocketException)
_KEEP_ALIVE = (websocket.ABNF.OPCODE_PING, websocket.ABNF.OPCODE_PONG)


class WebSocketTransport:
    """A connection. `open` and `receive` belong to one thread; `send`, `ping`, `farewell` and `abort` to any."""

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
        self._ping_interval = ping_interval or None
        self._ping_timeout = ping_timeout
        self._socket: Union[socket.socket, SharedSocket, None] = None
        self._ws: Optional[websocket.WebSocket] = None
        self._aborted = False
        self._probed = False
        self._pongs: dict[bytes, tuple[float, threading.Event, list[float]]] = {}

    def open(self, url: str) -> None:
        """TCP, TLS, upgrade. Raises a HubConnectionError, InvalidOption, or KeyRefused where the key is not taken."""
        connected = tcp.dial(self._address, self._tls, self._deadlines, self._keep)
        shared = SharedSocket(connected, self._deadlines.write)
        self._keep(shared)
        self._ws = self._upgrade(shared, url)

    @contextmanager
    def deadline(self, phase: str, seconds: float) -> Iterator[None]:
        """Whatever happens inside ends within `seconds`, or HubTimeout is raised."""
        with tcp.deadline(self._address, phase, seconds, self.abort, _BROKEN):
            yield

    def watch(self) -> None:
        """From now on an idle connection is probed."""
        if self._ws is not None:
            self._ws.settimeout(self._ping_interval)

    def stand(self) -> None:
        """The session stands; a connection is watched before that."""

    def receive(self) -> Union[Frame, Closed]:
        """The next message or the end. Raises ConnectionLost for one that broke, FrameTooLarge for a flood."""
        ws = self._ready()
        while True:
            try:
                opcode, frame = ws.recv_data_frame(control_frame=True)
            except websocket.WebSocketTimeoutException:
                self._probe()
                continue
            except websocket.WebSocketConnectionClosedException:
                return Closed(None)
            except _BROKEN as error:
                raise failures.broken(self._address, error) from error
            if self._probed:
                self._probed = False
                ws.settimeout(self._ping_interval)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return _closed(frame.data)
            if opcode == websocket.ABNF.OPCODE_PONG:
                self._note_pong(bytes(frame.data))
            if opcode not in _KEEP_ALIVE:
                return self._message(opcode, frame.data)

    def send(self, frames: list[Frame], progress: Optional[Progress] = None) -> None:
        """Write whole frames in order, telling `progress` how far each came. Raises ConnectionLost when it broke."""
        try:
            with self._writing() as ws, self._reporting(progress, frames) as told:
                for frame in frames:
                    if isinstance(frame, str):
                        ws.send(frame)
                    else:
                        ws.send_binary(frame)
                    if told is not None:
                        told.next()
        except ConnectionLost as error:
            raise failures.explained(error, max(map(len, frames), default=0)) from error

    @contextmanager
    def _reporting(self, progress: Optional[Progress], frames: list[Frame]) -> Iterator[Optional[Told]]:
        shared = self._socket
        if progress is None or not isinstance(shared, SharedSocket):
            yield None
            return
        told = Told(progress, frames)
        shared.report_to(told)
        try:
            yield told
        finally:
            shared.report_to(None)

    def ping(self, payload: bytes, seconds: float) -> Optional[float]:
        """Seconds until the hub's pong, or None when it did not come in time."""
        answered = threading.Event()
        figures: list[float] = []
        self._pongs[payload] = (time.perf_counter(), answered, figures)
        try:
            with self._writing() as ws:
                ws.ping(payload)
            answered.wait(seconds)
        finally:
            self._pongs.pop(payload, None)
        if not figures:
            self._ready()  # raises if it was the end of the connection that woke us
            return None
        return figures[0]

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        """A write that fails may have left half a frame behind: the connection is then of no more use."""
        ws: Any = self._ready()
        try:
            yield ws
        except _BROKEN as error:
            self.abort()
            raise failures.broken(self._address, error, while_sending=True) from error
        except BaseException:  # Ctrl-C in the middle: half a frame may have left
            self.abort()
            raise

    def farewell(self) -> None:
        """Tell the hub that we go; it answers by closing."""
        try:
            self._ready().send_close()
        except (HubConnectionError, *_BROKEN) as error:
            log.debug("no farewell: %s", error)

    def abort(self) -> None:
        """Close at once, and wake whoever reads or writes."""
        self._aborted = True
        tcp.shut(self._socket)

    def release(self) -> None:
        """Give the socket back to the system. For the reading thread, when it reads no more."""
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
        ws: Any = websocket.WebSocket(enable_multithread=True, skip_utf8_validation=True)
        bound_frames(ws, self._max_frame)
        with self.deadline("upgrade", self._deadlines.upgrade):
            try:
                ws.connect(url, socket=connected, suppress_origin=True, redirect_limit=0)
                self._check_status(ws.handshake_response.status)
            except HiveMindError:
                raise
            except websocket.WebSocketBadStatusException as error:
                raise failures.bad_status(self._address, error.status_code) from error
            except Exception as error:  # old websocket-client versions stumble over odd answers in many ways
                raise failures.no_websocket(self._address, error) from error
        connected.settimeout(None)
        return cast(websocket.WebSocket, ws)

    def _check_status(self, status: int) -> None:
        if status != 101:
            raise failures.bad_status(self._address, status)

    def _probe(self) -> None:
        if self._probed:
            raise failures.silent(self._address, self._ping_timeout)
        self._probed = True
        with self._writing() as ws:
            ws.ping()
        ws.settimeout(self._ping_timeout)

    def _note_pong(self, payload: bytes) -> None:
        pending = self._pongs.get(payload)
        if pending is not None:
            began, answered, figures = pending
            figures.append(time.perf_counter() - began)
            answered.set()

    def _message(self, opcode: int, data: Any) -> Frame:
        if opcode != websocket.ABNF.OPCODE_TEXT:
            return bytes(data)
        try:
            return bytes(data).decode()
        except UnicodeDecodeError as error:
            raise ConnectionLost(f"{self._address} sent a text message that is no UTF-8") from error


def bound_frames(ws: websocket.WebSocket, limit: int) -> None:
    """Let no message of more than `limit` bytes pile up in memory, whole or in fragments.

    Raises FrameTooLarge from the reading call, before the bytes are read.
    """
    reader: Any = ws.frame_buffer
    fragments: Any = ws.cont_frame
    read_length = reader.recv_length

    def checked_length() -> None:
        read_length()
        size = reader.length + (len(fragments.cont_data[1]) if fragments.cont_data else 0)
        if size > limit:
            raise FrameTooLarge(f"a message of {size} bytes or more; the limit is {limit}")

    reader.recv_length = checked_length


def _closed(data: bytes) -> Closed:
    if len(data) < 2:
        return Closed(1005)
    return Closed(int.from_bytes(data[:2], "big"), bytes(data[2:]).decode("utf-8", "replace"))
