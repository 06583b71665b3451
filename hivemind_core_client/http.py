"""HiveMindHTTPClient: the client for a hub that is reached by HTTP alone."""

from __future__ import annotations

from typing import Any, Optional

from attrs import evolve

from hivemind_core_client.client import HiveMessageBusClient
from hivemind_core_client.http_transport import HttpTransport, Polling
from hivemind_core_client.settings import HttpAddress, one_of

__all__ = ["HiveMindHTTPClient", "Polling"]


class HiveMindHTTPClient(HiveMessageBusClient):
    """A HiveMessageBusClient over HTTP, for hubs with hivemind-http-protocol: the same arguments, verbs and errors.

    It asks for messages as often as `polling` says. `host` may be `h`, `http://h` or `https://h`; one written `ws://h`
    or `wss://h` is taken for its name and TLS alone. `port` is 5679 where nothing says otherwise; 5678 in the
    environment or the identity file is the WebSocket's and does not count. `binarize` has no effect: only BINARY
    messages are binary, and they can be sent in a session of protocol version 3 alone. `websocket_ping_timeout` bounds
    a poll.

    Raises what HiveMessageBusClient raises. A hub keeps one session for each access key over HTTP: two clients
    with one key end each other's sessions.
    """

    _address = HttpAddress

    def __init__(self, *args: Any, polling: Optional[Polling] = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.satellite.options = evolve(self.satellite.options, binarize=False)
        self.polling = one_of(Polling, "polling", polling)

    def _new_transport(self) -> HttpTransport:
        address, limits = self.satellite.settings.address, self.satellite.options.limits
        return HttpTransport(address, self._tls, self.deadlines, limits.frame, self.polling, self._ping[1])
