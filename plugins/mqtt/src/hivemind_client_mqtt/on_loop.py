"""The asyncio form: the loop watches the socket, so a connection needs no thread once it is made."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from hivemind_client_mqtt.connection import BrokerConnection, OlderVersionWanted
from hivemind_core_client.errors import ConnectionLost

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Closed, Frame, TransportSettings


class AsyncMqtt:
    """One connection, for the loop that opens it."""

    def __init__(self, settings: TransportSettings) -> None:
        """Raises InvalidOption and InvalidCredential for what makes no sense."""
        self._settings = settings
        self._connection = BrokerConnection(settings, self._unwatch)
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        #: What the loop watches, and whether it waits for something to read or for room to write.
        self._watched: Any = None
        self._is_reading = self._is_writing = self._is_aborted = False
        self._timer: Optional[asyncio.TimerHandle] = None
        #: Set whenever the connection has acted.
        self._news = asyncio.Event()

    @property
    def largest_frame(self) -> Optional[int]:
        """The most bytes of a frame that the broker takes; None where it does not say."""
        return self._connection.largest_frame

    async def open(self) -> None:
        """Connect with the broker, and go online. Raises BrokerUnreachable, BrokerRefused, SecureConnectionFailed."""
        self._loop = asyncio.get_running_loop()
        try:
            await self._open()
        except OlderVersionWanted:
            self._unwatch()
            self._connection.close()
            self._connection = BrokerConnection(self._settings, self._unwatch, is_old=True)
            await self._open()

    async def _open(self) -> None:
        connection = self._connection
        await _on_thread(connection.connect, connection.close)
        self._watched = connection.socket
        self._act(connection.write)
        self._tick()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._until(lambda: connection.is_open), self._settings.deadlines.upgrade)
        if not connection.is_open:
            connection.end(connection.late())
        connection.check_open()

    async def send(self, frame: Frame) -> None:
        """Publish one frame. Returns when the system has taken all of it. Raises ConnectionLost."""
        connection = self._connection
        connection.publish(frame)
        self._watch()
        await self._until(lambda: not connection.has_more)
        connection.check()

    async def receive(self) -> Union[Frame, Closed]:
        """The next frame, or how the hub ended the session. Raises ConnectionLost or HubOffline."""
        await self._until(lambda: bool(self._connection.arrived))
        found = self._connection.next()
        if self._connection.has_unread and not self._connection.arrived.is_full and self._watched is not None:
            self._act(self._connection.read)
        self._watch()
        return found

    async def farewell(self) -> None:
        """Tell the hub that we go."""
        connection = self._connection
        self._act(connection.leave)
        await self._until(lambda: not connection.has_more)

    def abort(self) -> None:
        """End the connection at once."""
        self._is_aborted = True
        self._unwatch()
        found = self._connection.socket
        if found is not None:
            with suppress(OSError, ValueError):
                socket.socket.shutdown(found, socket.SHUT_RDWR)  # that of TLS would end TLS alone first
        self._connection.end(ConnectionLost("the connection with the broker is closed"))
        self._news.set()

    async def release(self) -> None:
        """Close the socket."""
        self._unwatch()
        self._connection.close()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so, or the connection has ended."""
        while not is_so() and self._connection.ending is None:
            self._news.clear()
            await self._news.wait()

    def _act(self, act: Callable[[], None]) -> None:
        """Let the connection act, and wait for what it needs next."""
        act()
        if not self._connection.is_awake:
            self._tick()  # what has come may make something due sooner
        self._watch()
        self._news.set()

    def _tick(self) -> None:
        if self._is_aborted or self._watched is None or self._loop is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        due = self._connection.tick()
        self._watch()
        self._news.set()
        if self._connection.ending is None:
            self._timer = self._loop.call_later(due, self._tick)

    def _watch(self) -> None:
        """Have the loop tell what the connection needs now."""
        connection, loop = self._connection, self._loop
        if loop is None or self._watched is None:
            return
        if connection.ending is not None or connection.socket is None or self._is_aborted:
            self._unwatch()
            return
        reading, writing = not connection.arrived.is_full, connection.has_more
        if reading is not self._is_reading:
            if reading:
                loop.add_reader(self._watched, self._act, connection.read)
            else:
                loop.remove_reader(self._watched)
            self._is_reading = reading
        if writing is not self._is_writing:
            if writing:
                loop.add_writer(self._watched, self._act, connection.write)
            else:
                loop.remove_writer(self._watched)
            self._is_writing = writing

    def _unwatch(self) -> None:
        """Leave the socket alone."""
        if self._timer is not None:
            self._timer.cancel()
        watched, loop = self._watched, self._loop
        self._watched = None
        if watched is None or loop is None:
            return
        if self._is_reading:
            loop.remove_reader(watched)
        if self._is_writing:
            loop.remove_writer(watched)
        self._is_reading = self._is_writing = False


async def _on_thread(work: Callable[[Callable[[], bool]], None], undo: Callable[[], None]) -> None:
    """Wait for what blocks, which may ask whether somebody waits. If nobody does when it is done, it is undone."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(error: Optional[Exception]) -> None:
        if done.done():
            undo()
        elif error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error: Optional[Exception] = None
        try:
            work(lambda: not done.done())
        except Exception as raised:  # for whoever waits
            error = raised
        try:
            loop.call_soon_threadsafe(tell, error)
        except RuntimeError:  # the loop is closed
            undo()

    threading.Thread(target=run, name="hivemind-mqtt-connects", daemon=True).start()
    await done
