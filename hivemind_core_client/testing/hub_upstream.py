"""The embedded hub's connection with the hub above it."""

from __future__ import annotations

import logging
from typing import Callable, Optional, Protocol

from hivemind_core_client.wire.errors import HiveMindError
from hivemind_core_client.wire.message import HiveMessage, HiveMessageType

log = logging.getLogger(__name__)

#: What comes down from the hub above and goes on.
_DOWN = (
    HiveMessageType.BROADCAST,
    HiveMessageType.PROPAGATE,
    HiveMessageType.QUERY,
    HiveMessageType.CASCADE,
)


class UpstreamClient(Protocol):
    """What is needed of the client of the hub above."""

    def on(self, event_name: str, func: Callable[[HiveMessage], object]) -> None:
        """Call `func` for each message of a type."""

    def connect(self, *, site_id: str) -> object:
        """Connect."""

    def emit(self, message: HiveMessage) -> object:
        """Send a message."""

    def close(self) -> object:
        """Disconnect."""


class Upstream:
    """A client of the hub above, made by `new_client`. It carries messages and acts on none.

    `site_id` is that of the hub below.
    """

    def __init__(self, new_client: Callable[[], UpstreamClient], site_id: str) -> None:
        self._new_client = new_client
        self._site_id = site_id
        self._client: Optional[UpstreamClient] = None

    def start(self, receive: Callable[[HiveMessage], None]) -> None:
        """Connect; `receive` gets what comes down. Raises like `HiveMessageBusClient.connect`."""
        client = self._new_client()
        for msg_type in _DOWN:
            client.on(msg_type, receive)
        self._client = client  # before it connects: something may come down at once
        try:
            client.connect(site_id=self._site_id)
        except HiveMindError:
            self.stop()
            raise

    def send(self, message: HiveMessage) -> None:
        """Pass a message up; one that does not get there is logged."""
        if self._client is None:
            return
        try:
            self._client.emit(message)
        except HiveMindError as error:
            log.warning("a %s was not passed up: %s", message.msg_type.name, error)

    def stop(self) -> None:
        """Leave the hub above. Idempotent."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
