"""HiveMindHTTPClient: the client for a hub that is reached by HTTP alone."""

from __future__ import annotations

from typing import Any, Optional

from attrs import evolve

from hivemind_core_client.config.settings import HttpAddress, one_of
from hivemind_core_client.kernel.policy import Polling
from hivemind_core_client.sync.client import HiveMessageBusClient
from hivemind_core_client.transports.http import HttpHistory, HttpTransport
from hivemind_core_client.wire.errors import InvalidOption, Mend

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

    _address = HttpAddress

    def __init__(self, *args: Any, polling: Optional[Polling] = None, **options: Any) -> None:
        super().__init__(*args, **options)
        if not isinstance(self._ping[1], (int, float)) or not 0 < self._ping[1] <= 86_400:
            mend = Mend("pass seconds, a day at most", joint=": ")
            raise InvalidOption(f"websocket_ping_timeout is {self._ping[1]!r}", mend)
        self.profile.options = evolve(self.profile.options, binarize=False)
        self.polling = one_of(Polling, "polling", polling)

        self._history = HttpHistory()
        self._history_of: object = None

    def _new_transport(self) -> HttpTransport:
        settings, limits = self.profile.settings, self.profile.options.limits
        # Whoever connects anew is told of a refusal at once: that makes another worker.
        if self._history_of != (self._worker, settings):
            self._history, self._history_of = HttpHistory(), (self._worker, settings)
        rest = (limits.frame, self.polling, self._ping[1], self._history)
        # Bytes in base64, and text as JSON within JSON, take more than they are.
        early = 2 * limits.unauthenticated
        return HttpTransport(settings.address, self._tls, self.deadlines, *rest, max_early=early)
