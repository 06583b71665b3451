"""A hub in this process that a soak can hurt, for the tests of the soak itself."""

from __future__ import annotations

from typing import Any

from hivemind_core_client import HiveMessageType
from hivemind_core_client.testing import EmbeddedHub, HttpGateway


class StandIn:
    """An EmbeddedHub with a gateway before it. It cannot stand still: it only goes on as if it had."""

    def __init__(self, accounts: dict[str, str]) -> None:
        self.embedded = EmbeddedHub(accounts)
        self.gateway = HttpGateway("")
        self._taken = 0

    def __enter__(self) -> StandIn:
        """Start both."""
        self.embedded.start()
        self.gateway.hub_url = self.embedded.url
        self.gateway.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop both."""
        self.gateway.stop()
        self.embedded.stop()

    def kill(self) -> None:
        """Stop the hub; the gateway stays."""
        self.embedded.stop()

    def start_again(self) -> None:
        """Start it on the same port."""
        self.embedded.start()

    def pause(self) -> None:
        """Nothing: it has no process of its own."""

    def resume(self) -> None:
        """Nothing."""

    def take_seen(self, msg_type: str) -> list[dict[str, Any]]:
        """The messages of a type that came since this was last called."""
        received = list(self.embedded.received)
        new, self._taken = received[self._taken :], len(received)
        payloads = [each.raw_payload for each in new if each.msg_type is HiveMessageType.BUS]
        return [payload for payload in payloads if payload["type"] == msg_type]

    def bus_is_lost(self) -> bool:
        """It has no OVOS bus to lose."""
        return False
