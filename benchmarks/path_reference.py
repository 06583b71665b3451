"""Workers of the group `path` of the reference 1.2.12a1: `path_reference.py threads|asyncio TARGET` (JSON)."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

from hivebench.path_worker import (
    Json,
    ListeningAsyncioClient,
    ListeningClient,
    serve_asyncio,
    serve_threads,
)


class Threads(ListeningClient):
    """The reference's HiveMessageBusClient, as it comes."""

    def __init__(self, target: Json) -> None:
        super().__init__()
        module = import_module("hivemind_bus_client.client")
        self._client = module.HiveMessageBusClient(**{**target, "host": f"ws://{target['host']}"})
        self.emit = self._client.emit  # type: ignore[method-assign]
        self._client.connect()
        if not self._client.handshake_event.is_set() or not self._client.crypto_key:
            raise RuntimeError("the reference returned from connect() without a key")
        self.listen(self._client.on_mycroft)

    def emit(self, message: Any) -> None:
        """Replaced by the client's."""


class Asyncio(ListeningAsyncioClient):
    """The reference's AsyncHiveMessageBusClient, as it comes."""

    def __init__(self, target: Json) -> None:
        super().__init__()
        module = import_module("hivemind_bus_client.async_client")
        self.client = module.AsyncHiveMessageBusClient(**{**target, "host": f"ws://{target['host']}"})
        self.emit = self.client.emit  # type: ignore[method-assign]

    async def emit(self, message: Any) -> None:
        """Replaced by the client's."""


async def connected(target: Json) -> Asyncio:
    """The client, when its handshake is done."""
    made = Asyncio(target)
    await made.client.connect(bus=made.client.internal_bus, site_id="path", handshake_max_retries=3)
    if not made.client.handshake_event.is_set() or not made.client.crypto_key:
        raise RuntimeError("the reference returned from connect() without a key")
    made.listen(made.client.on_mycroft)
    return made


if __name__ == "__main__":
    if sys.argv[1] == "threads":
        serve_threads(Threads, json.loads(sys.argv[2]))
    else:
        serve_asyncio(connected, json.loads(sys.argv[2]))
