"""The built-in transport for `http://` and `https://`. What opens sockets is imported when one is to be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hivemind_core_client.config.settings import one_of
from hivemind_core_client.kernel.policy import Polling
from hivemind_core_client.plugins.contract import Transport, TransportSettings
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.wire.errors import InvalidOption, Mend

if TYPE_CHECKING:
    from hivemind_core_client.transports.http import HttpTransport

#: How long a poll may take at most: a day, in seconds.
_LONGEST_POLL_S = 86_400


@hookimpl
def hivemind_transports() -> list[Transport]:
    """HTTP by polling, for threads."""
    return [
        Transport(
            ("http", "https"), _blocking, default_port=5679, secure="https", pings=True, prefers_text=True
        )
    ]


def check_poll_timeout(seconds: Any, name: str = "websocket_ping_timeout") -> None:
    """Raises InvalidOption for what cannot bound a poll; `name` is the option."""
    if not isinstance(seconds, (int, float)) or not 0 < seconds <= _LONGEST_POLL_S:
        mend = Mend("pass seconds, a day at most", joint=": ")
        raise InvalidOption(f"{name} is {seconds!r}", mend)


def _blocking(settings: TransportSettings) -> HttpTransport:
    from hivemind_core_client.transports.http import HttpHistory, HttpTransport

    check_poll_timeout(settings.ping_timeout)
    address: Any = settings.address
    tls: Any = settings.tls
    return HttpTransport(
        address,
        tls,
        settings.deadlines,
        settings.largest_frame,
        one_of(Polling, "polling", settings.options.get("polling")),
        settings.ping_timeout,
        settings.memory.setdefault("http", HttpHistory()),
        # Bytes in base64, and text as JSON within JSON, take more than they are.
        max_early=2 * settings.largest_early,
    )
