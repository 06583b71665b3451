"""The blocking form: whoever receives reads the socket, and whoever sends writes to it."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Union

from hivemind_client_mqtt.connection import BrokerConnection, OlderVersionWanted
from hivemind_core_client.errors import ConnectionLost

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Closed, Frame, TransportSettings

#: How long to wait for a socket before the connection is looked at again, in seconds.
_LOOK_S = 1.0
#: One that takes any number of files, where the system has it.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class BlockingMqtt:
    """One connection, for one thread that reads and one that writes."""

    def __init__(self, settings: TransportSettings) -> None:
        """Raises InvalidOption and InvalidCredential for what makes no sense."""
        self._settings = settings
        self._connection = BrokerConnection(settings)
        #: Held while the connection acts: it is made for one thread at a time.
        self._lock = threading.Lock()
        self._aborted = threading.Event()

    @property
    def largest_frame(self) -> Union[int, None]:
        """The most bytes of a frame that the broker takes; None where it does not say."""
        return self._connection.largest_frame

    def open(self) -> None:
        """Connect with the broker, and go online. Raises BrokerUnreachable, BrokerRefused, SecureConnectionFailed."""
        try:
            self._open()
        except OlderVersionWanted:
            self._connection.close()
            self._connection = BrokerConnection(self._settings, is_old=True)
            self._open()

    def _open(self) -> None:
        connection = self._connection
        connection.connect(lambda: not self._aborted.is_set())
        if self._aborted.is_set():
            self._shut()
        end = time.monotonic() + self._settings.deadlines.upgrade
        while not connection.is_open and connection.ending is None:
            left = end - time.monotonic()
            if left <= 0:
                connection.end(connection.late())
            self._turn(left)
        connection.check_open()

    def send(self, frame: Frame) -> None:
        """Publish one frame. Returns when the system has taken all of it. Raises ConnectionLost."""
        connection = self._connection
        with self._lock:
            connection.publish(frame)
        while connection.has_more:
            _wait(connection.socket, selectors.EVENT_WRITE, _LOOK_S)
            with self._lock:
                connection.write()
        connection.check()

    def receive(self) -> Union[Frame, Closed]:
        """The next frame, or how the hub ended the session. Raises ConnectionLost or HubOffline."""
        connection = self._connection
        while not connection.arrived:
            self._turn(_LOOK_S)
        return connection.next()

    def farewell(self) -> None:
        """Tell the hub that we go."""
        connection = self._connection
        with self._lock:
            connection.leave()
        while connection.has_more:
            _wait(connection.socket, selectors.EVENT_WRITE, _LOOK_S)
            with self._lock:
                connection.write()

    def abort(self) -> None:
        """End the connection at once, and wake who waits for it."""
        self._aborted.set()
        self._shut()

    def release(self) -> None:
        """Close the socket."""
        with self._lock:
            self._connection.close()

    def _shut(self) -> None:
        found = self._connection.socket
        if found is not None:
            with suppress(OSError, ValueError):
                # Which wakes who waits; `close` would not. That of TLS would let others go on without TLS.
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    def _turn(self, seconds: float) -> None:
        """Wait for the socket, for so long at most, and let the connection act."""
        connection = self._connection
        with self._lock:
            due = connection.tick()
            found, events = connection.socket, selectors.EVENT_READ
            if connection.has_more:
                events |= selectors.EVENT_WRITE
            has_unread = found is not None and connection.has_unread
        if found is None or connection.arrived:
            return
        ready = _wait(found, events, 0.0 if has_unread else min(due, max(0.0, seconds)))
        if has_unread:
            ready |= selectors.EVENT_READ
        with self._lock:
            if ready & selectors.EVENT_READ:
                connection.read()
            if ready & selectors.EVENT_WRITE:
                connection.write()


def _wait(found: Any, events: int, seconds: float) -> int:
    """Which of these events the socket is ready for, within so many seconds."""
    with _Selector() as selector:
        try:
            selector.register(found, events)
        except (KeyError, ValueError) as error:
            raise ConnectionLost("the connection with the broker is closed") from error
        return next((ready for _, ready in selector.select(seconds)), 0)
