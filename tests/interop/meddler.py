"""A proxy on loopback that may change, drop, repeat or reorder the frames between a client and a hub."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Optional, Union

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

from .hubs import HOST

Frame = Union[str, bytes]
#: What becomes of a frame: those that go on in its place. The number counts frames of its direction from 0.
Change = Callable[[int, Frame], list[Frame]]

END_SECONDS = 10.0


def as_it_is(number: int, frame: Frame) -> list[Frame]:
    """Change nothing."""
    return [frame]


class Proxy:
    """Listens on `port` while in a `with`; `down` and `up` may be replaced at any time, for the next connection."""

    def __init__(self, port: int, listen: Callable[[], None], stop: Callable[[], None]) -> None:
        self.down: Change = as_it_is
        self.up: Change = as_it_is
        self.connections = 0
        self.port = port
        self._stop = stop
        self._thread = threading.Thread(target=listen, name="meddler", daemon=True)

    def __enter__(self) -> Proxy:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        """Stop."""
        self._stop()
        self._thread.join(END_SECONDS)


class Meddler(Proxy):
    """Between a client over WebSocket and its hub."""

    def __init__(self, hub_port: int) -> None:
        self._hub_port = hub_port
        server: Server = serve(self._serve, HOST, 0, compression=None, max_size=None, ping_interval=None)
        super().__init__(server.socket.getsockname()[1], server.serve_forever, server.shutdown)

    def _serve(self, client: ServerConnection) -> None:
        self.connections += 1
        path = client.request.path if client.request is not None else "/"
        options: dict[str, Any] = {
            "compression": None,
            "max_size": None,
            "ping_interval": None,
            "proxy": None,
        }
        with connect(f"ws://{HOST}:{self._hub_port}{path}", **options) as hub:
            upward = threading.Thread(target=_pass_on, args=(client, hub, self.up), daemon=True)
            upward.start()
            _pass_on(hub, client, self.down)
            upward.join(END_SECONDS)


def _pass_on(source: Any, target: Any, change: Change) -> None:
    """Until one side hangs up; then the other is told the same code."""
    number = 0
    try:
        for frame in source:
            for changed in change(number, frame):
                target.send(changed)
            number += 1
        target.close()
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd is not None else 1011
        for side in (source, target):
            side.close(code, closed.rcvd.reason if closed.rcvd is not None else "")
