"""A proxy on loopback that may change, drop, repeat or reorder the frames between a client and a hub."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Union

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

from .hubs import HOST

Frame = Union[str, bytes]
#: What becomes of a frame: those that go on in its place. The number counts frames of its direction from 0.
Change = Callable[[int, Frame], list[Frame]]

_END_SECONDS = 10.0


def as_it_is(number: int, frame: Frame) -> list[Frame]:
    """Change nothing."""
    return [frame]


class Meddler:
    """Listens on `port` while in a `with`; `down` and `up` may be replaced at any time, for the next connection."""

    def __init__(self, hub_port: int) -> None:
        self.down: Change = as_it_is
        self.up: Change = as_it_is
        self.connections = 0
        self._hub_port = hub_port
        self._server: Server = serve(
            self._serve, HOST, 0, compression=None, max_size=None, ping_interval=None
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="meddler", daemon=True)
        self.port: int = self._server.socket.getsockname()[1]

    def __enter__(self) -> Meddler:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join(_END_SECONDS)

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
            upward.join(_END_SECONDS)


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
