"""Own transports for tests, as their authors would write them, and a peer that sends everything back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional, Union

from attrs import evolve
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import serve

from hivemind_core_client.config.settings import read_address
from hivemind_core_client.config.tls import Tls
from hivemind_core_client.kernel.policy import Deadlines
from hivemind_core_client.plugins.contract import Closed, Frame, Transport, TransportSettings
from hivemind_core_client.testing.transport_check import ECHO_CODE, ECHO_END


def send_back(connection: Any) -> None:
    """Serve one connection of an echo: it hangs up when it is asked to."""
    for frame in connection:
        if frame == ECHO_END:
            connection.close(ECHO_CODE)
            return
        connection.send(frame)


@contextmanager
def echo() -> Iterator[int]:
    """The port of a WebSocket that sends back what comes, and hangs up when it is asked to."""
    with serve(send_back, "127.0.0.1", 0, max_size=None, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join(10)


def _wire_url(settings: TransportSettings) -> str:
    return "ws://" + settings.url.partition("://")[2].replace("?", "/?", 1)


def _ending(error: ConnectionClosed) -> Closed:
    return Closed(None) if error.rcvd is None else Closed(error.rcvd.code, error.rcvd.reason)


class BlockingSocket:
    """A WebSocket by the blocking half of a library."""

    def __init__(self, settings: TransportSettings) -> None:
        self._settings = settings
        self._connection: Any = None

    def open(self) -> None:
        url = _wire_url(self._settings)
        made = connect(url, max_size=None, ping_interval=None, close_timeout=1, compression=None)
        self._connection = made.__enter__()

    def send(self, frame: Frame) -> None:
        self._connection.send(frame)

    def receive(self) -> Union[Frame, Closed]:
        try:
            return self._connection.recv()  # type: ignore[no-any-return]
        except ConnectionClosed as error:
            return _ending(error)

    def ping(self) -> None:
        self._connection.ping().wait()

    def farewell(self) -> None:
        self._connection.close()

    def abort(self) -> None:
        if self._connection is not None:
            self._connection.close_socket()


class AsyncSocket:
    """A WebSocket by the asyncio half of a library."""

    def __init__(self, settings: TransportSettings) -> None:
        self._settings = settings
        self._connection: Any = None

    async def open(self) -> None:
        from websockets.asyncio.client import connect

        url = _wire_url(self._settings)
        self._connection = await connect(
            url, max_size=None, ping_interval=None, close_timeout=1, compression=None, proxy=None
        )

    async def send(self, frame: Frame) -> None:
        await self._connection.send(frame)

    async def receive(self) -> Union[Frame, Closed]:
        try:
            return await self._connection.recv()  # type: ignore[no-any-return]
        except ConnectionClosed as error:
            return _ending(error)

    async def ping(self) -> None:
        await (await self._connection.ping())

    async def farewell(self) -> None:
        await self._connection.close()

    def abort(self) -> None:
        if self._connection is not None:
            self._connection.transport.abort()

    async def release(self) -> None:
        if self._connection is not None:
            await self._connection.wait_closed()


BLOCKING = Transport("own", blocking=BlockingSocket, default_port=9, pings=True)
ASYNCIO = Transport("own", asyncio=AsyncSocket, default_port=9, pings=True)
BOTH = evolve(BLOCKING, asyncio=AsyncSocket)


#: What a script says of a call that never ends by itself.
FOREVER = object()


class Scripted:
    """A blocking carrier that does what its attributes say: values are returned, errors raised, functions called."""

    def __init__(self, **script: Any) -> None:
        self.script = {"open": None, "send": None, "ping": None, **script}
        self.calls: list[str] = []
        self.aborted = threading.Event()

    def __call__(self, settings: Any) -> Any:
        return self

    def _do(self, name: str, *arguments: Any) -> Any:
        self.calls.append(name)
        done = self.script.get(name)
        if isinstance(done, list):
            done = done.pop(0) if done else FOREVER
        if done is FOREVER:
            return self.aborted.wait()
        if isinstance(done, Exception):
            raise done
        return done(*arguments) if callable(done) else done

    def open(self) -> Any:
        return self._do("open")

    def send(self, frame: Frame) -> Any:
        return self._do("send", frame)

    def receive(self) -> Any:
        return self._do("receive")

    def ping(self) -> Any:
        return self._do("ping")

    def farewell(self) -> Any:
        return self._do("farewell")

    def abort(self) -> None:
        self.aborted.set()
        self._do("abort")

    def release(self) -> Any:
        return self._do("release")


class AsyncScripted:
    """The same for asyncio: what a function of the script returns may be awaited."""

    def __init__(self, inner: Scripted) -> None:
        self.inner = inner

    def __call__(self, settings: Any) -> Any:
        return self

    async def _do(self, name: str, *arguments: Any) -> Any:
        import asyncio

        self.inner.calls.append(name)
        done = self.inner.script.get(name)
        if isinstance(done, list):
            done = done.pop(0) if done else FOREVER
        if done is FOREVER:
            return await asyncio.Event().wait()
        if isinstance(done, Exception):
            raise done
        return done(*arguments) if callable(done) else done

    async def open(self) -> Any:
        return await self._do("open")

    async def send(self, frame: Frame) -> Any:
        return await self._do("send", frame)

    async def receive(self) -> Any:
        return await self._do("receive")

    async def ping(self) -> Any:
        return await self._do("ping")

    async def farewell(self) -> Any:
        return await self._do("farewell")

    def abort(self) -> None:
        self.inner.abort()

    async def release(self) -> Any:
        return await self._do("release")


def made_of(form: str, carrier: Optional[Scripted], **fields: Any) -> Transport:
    """A transport `own` with this carrier, in one form."""
    scripted = carrier or Scripted()
    forms: dict[str, Any] = (
        {"blocking": scripted} if form == "blocking" else {"asyncio": AsyncScripted(scripted)}
    )
    return Transport("own", default_port=9, **{"pings": True, **forms, **fields})


def settings(url: str, **changes: Any) -> TransportSettings:
    """What a connection with this address is opened with."""
    address = read_address(url, transports={"own": BLOCKING, "ws": BLOCKING})
    made = TransportSettings(address, url, "u", "k", Tls(), Deadlines(), 2**20, 2**20)
    return evolve(made, **changes)
