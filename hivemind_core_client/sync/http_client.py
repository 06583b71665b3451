"""HiveMindHTTPClient: the client for a hub that is reached by HTTP alone."""

from __future__ import annotations

from typing import Any, Optional

from hivemind_core_client.config.settings import one_of
from hivemind_core_client.kernel.policy import Polling
from hivemind_core_client.sync.client import HiveMessageBusClient
from hivemind_core_client.transports import http as _http  # noqa: F401  # an extra that is missing is told of now
from hivemind_core_client.transports.builtin.http import check_poll_timeout

__all__ = ["HiveMindHTTPClient", "Polling"]


class HiveMindHTTPClient(HiveMessageBusClient):
    """A HiveMessageBusClient over HTTP, for hubs with hivemind-http-protocol: the same arguments, verbs and errors.

    It asks for messages as often as `polling` says. `host` may be `h`, `http://h` or `https://h`. One written `ws://h`
    or `wss://h` is taken for its name and TLS alone, not for its port: it is reached at 5679, the default for HTTP,
    unless `port` is given. 5678 in the environment or the identity file is the WebSocket's and does not count.
    `binarize` has no effect: only BINARY messages are binary, and they can be sent in a session of protocol version 3
    alone. `websocket_ping_timeout` bounds a poll, and is at most a day.

    Raises what HiveMessageBusClient raises. A hub keeps one session for each access key over HTTP: two clients
    with one key end each other's sessions.
    """

    _scheme = "http"

    def __init__(self, *args: Any, polling: Optional[Polling] = None, **options: Any) -> None:
        self.polling = one_of(Polling, "polling", polling)
        more = {"polling": self.polling, **(options.pop("transport_options", None) or {})}
        super().__init__(*args, transport_options=more, **options)
        check_poll_timeout(self._ping[1])
