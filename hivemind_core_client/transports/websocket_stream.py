"""One WebSocket on an event loop, over the sans-IO layer of websockets; what a peer may cost us is bounded."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Optional, Union

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidState, InvalidStatus, PayloadTooBig
from websockets.frames import Frame as WireFrame
from websockets.uri import parse_uri

from hivemind_core_client.kernel.bounds import too_much
from hivemind_core_client.kernel.delivery import Delivery
from hivemind_core_client.kernel.fragments import CLOSE, PONG, Assembly
from hivemind_core_client.transports import failures
from hivemind_core_client.transports.failures import Closed
from hivemind_core_client.transports.slices import Slices
from hivemind_core_client.transports.timing import wake
from hivemind_core_client.transports.watches import IdleWatch
from hivemind_core_client.transports.write_buffer import WriteBuffer
from hivemind_core_client.wire.errors import ConnectionLost, FrameTooLarge, HiveMindError

if TYPE_CHECKING:
    from hivemind_core_client.config.settings import Address
    from hivemind_core_client.plugins.contract import Frame

#: More messages than this wait, or more bytes of them, and nothing more is read before some were taken.
_MOST_WAITING, _MOST_WAITING_BYTES = 64, 256 * 1024
#: How every pong begins: a frame of its own (RFC 6455, 5.2).
_PONG_BYTE = bytes([0x80 | PONG])

#: Why we hang up (RFC 6455, 7.4.1).
_NO_UTF8_CODE, _TOO_BIG_CODE = 1007, 1009

# What websockets would say at the level DEBUG holds the access key, so it says nothing there.
_quiet = logging.getLogger(f"{__name__}.websockets")
_quiet.setLevel(logging.CRITICAL + 1)


class WebSocketStream(asyncio.Protocol):
    """A WebSocket from its upgrade to its end. `ending` says how it ended: by what the hub did, or by an error."""

    def __init__(
        self,
        address: Address,
        url: str,
        max_frame: int,
        max_early: Optional[int],
        write_seconds: float,
        delivery: Delivery,
    ) -> None:
        self.ending: Union[Closed, HiveMindError, None] = None
        self.messages: deque[Frame] = deque()
        self.stalled = False
        self.buffer = WriteBuffer(write_seconds, self._not_taken)
        self._address = address
        self._delivery = delivery
        self._max_frame = max_frame
        #: How many more bytes are taken until `lift` is called, of how many; None for no bound of that kind.
        self._left, self._max_early = max_early, max_early
        self._write_seconds = write_seconds
        self._loop = asyncio.get_running_loop()
        self._wire = ClientProtocol(parse_uri(url), max_size=max_frame, logger=_quiet)
        self._assembly = Assembly(max_frame)
        self._slices = Slices(self._take, self._emptied)
        self._transport: Optional[asyncio.Transport] = None
        self._upgraded: asyncio.Future[None] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._arrival: Optional[asyncio.Future[None]] = None
        self._pings: dict[bytes, tuple[float, asyncio.Future[float]]] = {}
        self._waiting_bytes = 0
        self._heard = 0.0
        self._is_open = self._hung_up = self._leaving = False
        self._idle: Optional[IdleWatch] = None

    # its life

    @property
    def is_connected(self) -> bool:
        """Whether it has a transport, which owns the socket then."""
        return self._transport is not None

    def begin(self, transport: asyncio.Transport, below: Optional[asyncio.WriteTransport] = None) -> None:
        """Stand on this transport from now on; `below` it is another one, if it does TLS."""
        self._transport = transport
        self.buffer.begin(transport, below)
        self._slices.begin(transport)

    async def upgrade(self, user_agent: str) -> None:
        """Make it a WebSocket. Raises NotAHub or KeyRefused."""
        if self.ending is None:
            request = self._wire.connect()
            request.headers["User-Agent"] = user_agent
            self._wire.send_request(request)
            self._flush()
            await self._upgraded
        if not self._is_open:
            raise self._no_websocket()

    def watch(self, interval: float, timeout: float) -> None:
        """From now on the hub is asked when it says nothing."""
        if self._idle is None and self.ending is None:
            self._idle = IdleWatch(
                interval,
                timeout,
                lambda: self._loop.time() if self._slices.is_held else self._heard,
                lambda: self._send_ping(b""),
                lambda: self._end(failures.silent(self._address, timeout)),
            )

    def lift(self) -> None:
        """More may come now."""
        self._left = None

    async def leave(self, seconds: float) -> None:
        """Say that we go, and wait so many seconds at most for the hub to hang up."""
        if self.ending is None and self._is_open and not self._leaving:
            self._leaving = True
            self._wire.send_close(1000)
            self._flush()
            self._slices.is_full = False  # the hub's farewell may stand behind messages that nobody takes
            self._slices.go_on()
            await asyncio.wait({self._gone}, timeout=seconds)
        self.abort()

    def abort(self) -> None:
        """Close at once, and wake whoever reads or writes."""
        self._slices.drop()
        if self._transport is not None:
            self._transport.abort()

    async def gone(self) -> None:
        """Return when the loop has nothing more to do with it."""
        if self._transport is not None:
            await self._gone

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, on a connection without TLS."""
        if isinstance(transport, asyncio.Transport):
            self.begin(transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        self._heard = self._loop.time()
        if self.ending is None:
            self._slices.feed(data)

    def eof_received(self) -> None:
        """The hub hung up. What it said before counts."""
        self._hung_up = True
        self._slices.go_on()

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """The connection is over. What the hub said before counts."""
        wake(self._gone)
        self.buffer.end()
        self.eof_received()

    def pause_writing(self) -> None:
        """The buffer is full."""
        self.buffer.fill()

    def resume_writing(self) -> None:
        """It is nearly empty."""
        self.buffer.empty()

    # what comes

    def arrival(self) -> asyncio.Future[None]:
        """Done when there is a message, or the end. For one reader."""
        self._arrival = self._loop.create_future()
        return self._arrival

    def next_message(self) -> Frame:
        """A message, of which there must be one."""
        message = self.messages.popleft()
        self._waiting_bytes -= len(message)
        if self._slices.is_full and not self._is_crowded():
            self._slices.is_full = False
            self._slices.go_on()
        return message

    def _is_crowded(self) -> bool:
        return len(self.messages) > _MOST_WAITING or self._waiting_bytes > _MOST_WAITING_BYTES

    def _take(self, data: bytes) -> int:
        wire, arrival = self._wire, self._arrival
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                self._fail(_TOO_BIG_CODE, too_much(str(self._address), self._max_early or 0))
                return 0
        wire.receive_data(data)
        events = wire.events_received()
        try:
            for event in events:
                if isinstance(event, WireFrame):
                    self._take_frame(event)
                else:
                    self._is_open = wire.handshake_exc is None
                    wake(self._upgraded)
        except UnicodeDecodeError:
            self._fail(_NO_UTF8_CODE, failures.no_utf8(self._address))
        except FrameTooLarge as error:
            self._fail(_TOO_BIG_CODE, error)
        self._flush()
        if wire.close_expected() or not self._is_open:
            self._look_for_end()
        if arrival is not None and self.messages:
            self._arrival = None
            wake(arrival)
        return len(events)

    def _take_frame(self, frame: WireFrame) -> None:
        opcode = frame.opcode
        if opcode < CLOSE:
            message = self._assembly.add(opcode, frame.data, frame.fin)
            if message is None or (self._leaving and self._is_crowded()):
                return  # nobody may take any more, and the hub's farewell is waited for
            self.messages.append(message)
            self._waiting_bytes += len(message)
            if len(self.messages) > _MOST_WAITING or self._waiting_bytes > _MOST_WAITING_BYTES:
                self._slices.is_full = not self._leaving
        elif opcode == PONG:
            payload = bytes(frame.data)
            self._delivery.ponged(payload, perf_counter())
            began, waiting = self._pings.pop(payload, (0.0, None))
            if waiting is not None and not waiting.done():
                waiting.set_result(perf_counter() - began)

    def _look_for_end(self) -> None:
        """The peer took its leave, or did what a hub does not."""
        wire = self._wire
        if wire.handshake_exc is not None:
            self._end(self._no_websocket())
        elif wire.close_rcvd is not None:
            self._end(Closed(wire.close_rcvd.code, wire.close_rcvd.reason))
        elif isinstance(wire.parser_exc, PayloadTooBig):
            self._end(self._assembly.too_large(self._max_frame + 1))
        elif wire.parser_exc is not None:
            self._end(failures.broken(self._address, wire.parser_exc))

    def _emptied(self) -> None:
        if self._hung_up and self.ending is None:
            self._wire.receive_eof()
            self._end(Closed(None))

    # what goes

    def write(self, frame: Frame) -> None:
        """Write one message, whole. Raises ConnectionLost where it gets nowhere."""
        transport = self._transport
        if self.ending is not None or transport is None:
            raise self._lost()
        try:
            if isinstance(frame, str):
                self._wire.send_text(frame.encode())
            else:
                self._wire.send_binary(frame)
        except InvalidState as error:  # we are leaving
            raise failures.broken(self._address, error, while_sending=True) from error
        self._flush()
        if transport.is_closing():
            raise self._lost()

    def ping(self, payload: bytes) -> asyncio.Future[float]:
        """The seconds until the answer to this ping. Raises ConnectionLost, then or later."""
        self.check_open()
        waiting: asyncio.Future[float] = self._loop.create_future()
        self._pings[payload] = perf_counter(), waiting
        self._send_ping(payload)
        return waiting

    def ask(self) -> None:
        """Send a ping that nobody waits for, where little is in the way."""
        if self.ending is None and not self._leaving and self.buffer.has_room():
            self._send_ping(b"")

    def forget(self, payload: bytes) -> None:
        """Nobody waits for the answer to this ping any more."""
        self._pings.pop(payload, None)

    def check_open(self) -> None:
        """Raises ConnectionLost where what is sent gets nowhere."""
        if self.ending is not None or self._transport is None or self._transport.is_closing():
            raise self._lost()

    def _send_ping(self, payload: bytes) -> None:
        self._wire.send_ping(self._delivery.asked(perf_counter(), payload or None))
        self._flush()

    def _flush(self) -> None:
        pong = b""
        for data in self._wire.data_to_send():
            if data.startswith(_PONG_BYTE):
                pong = data
            elif data:  # else it is time to hang up, which is done in `_end`
                self.buffer.write(data)
        if pong:
            self.buffer.pong(pong)

    # how it ends

    def _not_taken(self) -> None:
        self.stalled = True
        self._end(failures.not_taken(self._address, self._write_seconds))

    def _fail(self, code: int, error: HiveMindError) -> None:
        self._wire.fail(code)
        self._flush()
        self._end(error)

    def _end(self, ending: Union[Closed, HiveMindError]) -> None:
        if self.ending is not None:
            return
        self.ending = ending
        if self._idle is not None:
            self._idle.stop()
        self.buffer.end()
        self.abort()
        for _, waiting in self._pings.values():
            if not waiting.done():
                waiting.set_exception(self._lost())
        wake(self._upgraded)
        self._wake_reader()

    def _wake_reader(self) -> None:
        if self._arrival is not None:
            wake(self._arrival)
            self._arrival = None

    def _lost(self) -> ConnectionLost:
        if self.stalled:
            return failures.not_taken(self._address, self._write_seconds)
        if isinstance(self.ending, HiveMindError):
            return failures.broken(self._address, self.ending, while_sending=True)
        said = "" if self.ending is None or self.ending.code is None else f" (code {self.ending.code})"
        return failures.broken(self._address, OSError(f"it was closed{said}"), while_sending=True)

    def _no_websocket(self) -> HiveMindError:
        error = self._wire.handshake_exc or EOFError()
        if isinstance(error, InvalidStatus):
            where = error.response.headers.get_all("Location")
            return failures.bad_status(self._address, error.response.status_code, where[0] if where else None)
        return failures.no_websocket(self._address, error)
