"""The transport `memory:NAME`: a client and an EmbeddedHub of one process, without a socket between them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, Callable, Optional, Union

from hivemind_core_client.plugins.contract import Closed, Frame, Transport, TransportSettings
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.errors import InvalidOption

#: What serves the connections of a name.
_LISTENERS: dict[str, Callable[[Any], None]] = {}


@hookimpl
def hivemind_transports() -> list[Transport]:
    """The embedded hubs of this process, by name."""
    return [Transport("memory", MemoryCarrier, pings=True)]


class MemoryConnection:
    """One connection, as the hub sees it: what it uses of a WebSocket."""

    def __init__(self, target: str) -> None:
        self.request = SimpleNamespace(path=target)
        #: The hub shuts it down like a socket.
        self.socket = self
        self.to_client: SimpleQueue[Union[Frame, Closed]] = SimpleQueue()
        self._to_hub: SimpleQueue[Union[Frame, threading.Event, None]] = SimpleQueue()
        self._ending = threading.Lock()
        self._pings: set[threading.Event] = set()
        self.is_over = False

    def hand_over(self, frame: Frame) -> None:
        """Give the hub a frame of the client."""
        self._check()
        self._to_hub.put(bytes(frame) if isinstance(frame, bytearray) else frame)

    def round_trip(self) -> None:
        """Return when the hub has dealt with what came before."""
        answered = threading.Event()
        self._pings.add(answered)
        self._to_hub.put(answered)
        if not self.is_over:
            answered.wait()
        self._pings.discard(answered)
        self._check()

    def __iter__(self) -> Iterator[Frame]:
        """What the client sends, until it goes."""
        while (item := self._to_hub.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
            else:
                yield item

    def send(self, frame: Frame) -> None:
        """Send to the client. Raises ConnectionResetError when it has gone."""
        self._check()
        self.to_client.put(bytes(frame) if isinstance(frame, (bytearray, memoryview)) else frame)

    def close(self, code: Optional[int] = 1000, reason: str = "") -> None:
        """Hang up with this code."""
        self._end(Closed(1005 if code is None else code, reason))

    def shutdown(self, how: int = 0) -> None:
        """Hang up without a word, from either side."""
        self._end(Closed(None))

    def dealt_with(self) -> None:
        """Nothing to do: pings wait in the row."""

    def _end(self, ending: Closed) -> None:
        with self._ending:
            if self.is_over:
                return
            self.is_over = True
        self.to_client.put(ending)
        self._to_hub.put(None)
        for waiting in list(self._pings):
            waiting.set()

    def _check(self) -> None:
        if self.is_over:
            raise ConnectionResetError("the connection has ended")


class MemoryCarrier:
    """The client's end of a connection."""

    def __init__(self, settings: TransportSettings) -> None:
        self._settings = settings
        self._connection = MemoryConnection(_target(settings.useragent, settings.key))

    def open(self) -> None:
        """Find the hub. Raises ConnectionRefusedError where none of this name runs."""
        name = self._settings.address.host
        serve = _LISTENERS.get(name)
        if serve is None:
            raise ConnectionRefusedError(f"no EmbeddedHub(memory={name!r}) runs in this process")
        serve(self._connection)

    def send(self, frame: Frame) -> None:
        """Hand a frame to the hub."""
        self._connection.hand_over(frame)

    def receive(self) -> Union[Frame, Closed]:
        """What the hub sent, or how it ended."""
        return self._connection.to_client.get()

    def ping(self) -> None:
        """Return when the hub has dealt with what was sent."""
        self._connection.round_trip()

    def abort(self) -> None:
        """Hang up."""
        self._connection.shutdown()


class MemoryListener:
    """A hub that is reached by a name in this process, by so many clients at once.

    Raises InvalidOption for a name that a running hub has.
    """

    port = 0

    def __init__(self, name: str, serve: Callable[[Any], None], most: int) -> None:
        if _LISTENERS.setdefault(name, self._begin) != self._begin:
            raise InvalidOption(f"an embedded hub called {name!r} runs in this process already")
        self._name = name
        self._serve = serve
        self._room = threading.Semaphore(most)

    def close(self) -> None:
        """Take no more clients."""
        _LISTENERS.pop(self._name, None)

    def _begin(self, connection: MemoryConnection) -> None:
        if not self._room.acquire(blocking=False):
            connection.shutdown()
            return
        threading.Thread(
            target=self._run, args=(connection,), name="embedded-hub-client", daemon=True
        ).start()

    def _run(self, connection: MemoryConnection) -> None:
        try:
            self._serve(connection)
        finally:
            connection.shutdown()
            self._room.release()


def _target(useragent: str, key: str) -> str:
    """The login as a WebSocket hub gets it in its first line."""
    from hivemind_core_client.config.addresses import Address

    return "/?" + Address("", 1).with_login(useragent, key).partition("?")[2]
