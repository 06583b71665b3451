"""The crowd of the reference, hivemind-bus-client 1.2.12a1; runs under the Python of its own environment."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from hivebench.crowd import Crowd, main
from hivebench.worker import Json

#: How often a client of the reference tries its handshake again, of 5 s each.
_RETRIES = 3


class Reference(Crowd):
    """The reference's AsyncHiveMessageBusClient, as it comes."""

    # While one of them connects, it holds up the loop for more than a second: others would run into their deadlines.
    abreast = 1

    def load(self) -> None:
        """Import the client."""
        self._module = import_module("hivemind_bus_client.async_client")
        self._message = import_module("ovos_bus_client.message").Message
        self._identity = import_module("hivemind_bus_client.identity").NodeIdentity()

    def make(self, target: Json, number: int, hear: Callable[[str], None]) -> Any:
        """A client; all of them are one node."""
        options = {**target, "host": f"ws://{target['host']}", "useragent": f"crowd-{number}"}
        client = self._module.AsyncHiveMessageBusClient(**options, identity=self._identity)
        client.hear = hear
        return client

    async def connect(self, client: Any) -> None:
        """Return when the session stands."""
        await client.connect(bus=client.internal_bus, site_id="crowd", handshake_max_retries=_RETRIES)
        if not client.handshake_event.is_set() or not client.crypto_key:
            raise RuntimeError("the reference returned from connect() without a key")
        client.on_mycroft("speak", lambda message: client.hear(message.data["utterance"]))

    def say(self, client: Any, utterance: str) -> Awaitable[Any]:
        """Send an utterance."""
        sent: Awaitable[Any] = client.emit(
            self._message("recognizer_loop:utterance", {"utterances": [utterance]})
        )
        return sent


if __name__ == "__main__":
    sys.exit(main(Reference()))
