"""HiveMindHTTPClient: the client for a hub that is reached by HTTP alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from attrs import evolve

from hivemind_core_client.config.settings import login_texts, one_of
from hivemind_core_client.kernel.policy import Deadlines, Polling
from hivemind_core_client.sync.client import HiveMessageBusClient
from hivemind_core_client.sync.serving import ServingWorker
from hivemind_core_client.transports.builtin.http import check_poll_timeout
from hivemind_core_client.transports.http import HttpTransport  # an extra that is missing is told of now

if TYPE_CHECKING:
    from hivemind_core_client.plugins.contract import Frame
    from hivemind_core_client.shell.protocols import EventProtocol

__all__ = ["HiveMindHTTPClient", "Polling"]

#: How many arguments have the places that they have in HiveMessageBusClient, and how many follow.
_SHARED, _OWN = 13, 2


class HiveMindHTTPClient(HiveMessageBusClient):
    """A HiveMessageBusClient over HTTP, for hubs with hivemind-http-protocol: the same arguments, verbs and errors.

    It asks the hub for messages as often as `polling` says.

    `host` may be `h`, `http://h` or `https://h`. You may also write `ws://h` or `wss://h`. Of these, only the name and
    TLS count, not the port. The port is then 5679, the default for HTTP, unless you give `port`. Port 5678 in the
    environment or the identity file does not count: it is the port for WebSocket.

    `binarize` has no effect: only BINARY messages are binary. You can send them only in a session of protocol
    version 3.

    `websocket_ping_timeout` is the longest time of a poll, in seconds. It is at most a day. `http_timeout` is the
    longest time of every request, in seconds. It sets `websocket_ping_timeout`, unless you give that too. It also sets
    `upgrade` and `write` of `deadlines`. As positional arguments, `http_timeout` comes after `bin_callbacks`, and
    `max_protocol_version` comes after `http_timeout`.

    Raises what HiveMessageBusClient raises. Over HTTP a hub keeps one session for each access key. If two clients use
    one key, each ends the session of the other.
    """

    _scheme = "http"

    def __init__(
        self,
        *args: Any,
        polling: Optional[Polling] = None,
        http_timeout: Optional[float] = None,
        max_protocol_version: Optional[int] = None,
        **options: Any,
    ) -> None:
        if len(args) > _SHARED + _OWN:
            raise TypeError(f"HiveMindHTTPClient takes {_SHARED + _OWN} arguments by their places")
        own = (*args[_SHARED:], None, None)
        seconds = http_timeout if own[0] is None else own[0]
        version = max_protocol_version if own[1] is None else own[1]
        self.polling = one_of(Polling, "polling", polling)
        if seconds is not None:
            check_poll_timeout(seconds, "http_timeout")
            options.setdefault("websocket_ping_timeout", seconds)
            deadlines = one_of(Deadlines, "deadlines", options.get("deadlines"))
            options["deadlines"] = evolve(deadlines, upgrade=seconds, write=seconds)
        more = {"polling": self.polling, **(options.pop("transport_options", None) or {})}
        options.update(transport_options=more, max_protocol_version=version)
        super().__init__(*args[:_SHARED], **options)
        check_poll_timeout(self.http_timeout)

    # what the reference client has beside

    @property
    def http_timeout(self) -> float:
        """The longest time of a poll, in seconds."""
        return self.websocket_ping_timeout

    @property
    def base_url(self) -> str:
        """The address of the hub, without a login: `http://h:5679`."""
        return str(self.profile.place)

    @property
    def auth(self) -> str:
        """The login in base64, as each request sends it. It contains the access key: keep it out of logs."""
        return login_texts(self.useragent, self.key)[0]

    @property
    def connected(self) -> EventProtocol:
        """The same as `connected_event`: set while there is a session."""
        return self.connected_event

    def get_messages(self) -> list[str]:
        """Ask the hub now, and return the text frames that came. They are still sealed.

        The client handles these frames as usual. To get messages, set handlers. In a session of protocol version 3 all
        frames are bytes. Raises NotConnected without a session, and ConnectionLost if it ends during the call.
        """
        return [frame for frame in self._poll() if isinstance(frame, str)]

    def get_binary_messages(self) -> list[bytes]:
        """Ask the hub now, and return the binary frames that came. Otherwise like `get_messages`."""
        return [frame for frame in self._poll() if isinstance(frame, bytes)]

    def disconnect(self) -> dict[str, str]:
        """Close the client, as `close` does.

        Returns `{"status": "Disconnected"}` if there was a session, else `{"error": "Already Disconnected"}`.
        """
        stood = self._worker.lifecycle.stands
        self.close()
        return {"status": "Disconnected"} if stood else {"error": "Already Disconnected"}

    def shutdown(self) -> None:
        """The same as `close`."""
        self.close()

    def is_alive(self) -> bool:
        """True while this client is connected or tries to connect."""
        return self.started_running and not self.stopping

    def join(self, timeout: Optional[float] = None) -> None:
        """Return when the client is closed or refused, or after `timeout` seconds (None: no limit).

        Returns at once if the client never began to connect.
        """
        if self.started_running:
            self._worker.wait_finished(timeout)

    def _poll(self) -> list[Frame]:
        worker = self._worker
        self.profile.history.check()
        worker.lifecycle.check_begun()
        transport = worker.transport if isinstance(worker, ServingWorker) else None
        if transport is None or not worker.lifecycle.stands:
            raise worker.lifecycle.why_not_sent()
        return transport.polled(self.http_timeout) if isinstance(transport, HttpTransport) else []
