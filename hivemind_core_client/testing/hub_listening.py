"""How clients come to the embedded hub: over a WebSocket on loopback."""

from __future__ import annotations

import ssl
import threading
from typing import Any, Callable, Optional

from websockets.sync.server import serve

from hivemind_core_client.testing import hub_bounds
from hivemind_core_client.testing.hub_sockets import InOrder, bound_writing

#: How long, in seconds, a client may take to log in, and to answer a farewell.
_OPEN_TIMEOUT_S, _CLOSE_TIMEOUT_S = 5.0, 1.0
#: Seconds after which a client that does not read is given up; those whose messages go to it wait so long.
_WRITE_TIMEOUT_S = 5.0


class SocketListener:
    """A WebSocket server, and the thread that serves. Raises OSError where it cannot listen."""

    def __init__(
        self,
        where: tuple[str, int],
        tls: Optional[ssl.SSLContext],
        serve_one: Callable[[Any], None],
        most: int,
    ) -> None:
        def handle(connection: Any) -> None:
            bound_writing(connection.socket, _WRITE_TIMEOUT_S)
            serve_one(connection)

        self._server = serve(
            handle,
            *where,
            ssl=tls,
            create_connection=InOrder,
            compression=None,
            max_size=hub_bounds.MOST_EARLY_BYTES,
            ping_interval=None,
            open_timeout=_OPEN_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
        )
        hub_bounds.bound_connections(self._server, most)
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="embedded-hub", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._thread.join(5)
