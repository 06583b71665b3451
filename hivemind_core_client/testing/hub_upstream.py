"""The embedded hub's connection with the hub above it."""

from __future__ import annotations

import logging
from typing import Callable, Optional

from hivemind_core_client.config.identity import NodeIdentity
from hivemind_core_client.sync.client import HiveMessageBusClient
from hivemind_core_client.testing.hub_link import Account
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


class Upstream:
    """A client of the hub at `address()` (URL and port), by `account` there. It carries messages and acts on none.

    `public_key` and `site_id` are those of the hub below.
    """

    def __init__(
        self, account: Account, address: Callable[[], tuple[str, int]], public_key: str, site_id: str
    ) -> None:
        self._account = account
        self._address = address
        self._public_key = public_key
        self._site_id = site_id
        self._client: Optional[HiveMessageBusClient] = None

    def start(self, receive: Callable[[HiveMessage], None]) -> None:
        """Connect; `receive` gets what comes down. Raises like `HiveMessageBusClient.connect`."""
        account = self._account
        url, port = self._address()
        client = HiveMessageBusClient(
            account.key,
            account.password,
            account.crypto_key,
            host=url,
            port=port,
            identity=NodeIdentity({"name": account.name, "public_key": self._public_key}),
            plugins=(),
            blocked_plugins=(
                "builtin_ping",
            ),  # the hub answers floods itself, with the name that its clients know
        )
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
