"""The crowd of this library; runs under the Python that runs the benchmark."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from hivebench.crowd import Crowd, main
from hivebench.worker import Json


class Ours(Crowd):
    """AsyncHiveMessageBusClient, as it comes."""

    def load(self) -> None:
        """Import the client."""
        from ovos_bus_client.message import Message

        from hivemind_core_client import AsyncHiveMessageBusClient, NodeIdentity

        self._client, self._message = AsyncHiveMessageBusClient, Message
        self._identity = NodeIdentity({})

    def make(self, target: Json, number: int, hear: Callable[[str], None]) -> Any:
        """A client; all of them are one node."""
        client = self._client(**target, useragent=f"crowd-{number}", identity=self._identity)
        client.on_mycroft("speak", lambda message: hear(message.data["utterance"]))
        return client

    async def connect(self, client: Any) -> None:
        """Return when the session stands."""
        await client.connect()

    def say(self, client: Any, utterance: str) -> Awaitable[Any]:
        """Send an utterance."""
        sent: Awaitable[Any] = client.emit(
            self._message("recognizer_loop:utterance", {"utterances": [utterance]})
        )
        return sent


if __name__ == "__main__":
    sys.exit(main(Ours()))
