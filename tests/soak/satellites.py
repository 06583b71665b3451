"""The clients of a soak: each sends numbered messages all the while, and keeps its books."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

from ovos_bus_client.message import Message

from hivemind_core_client import (
    Backoff,
    Deadlines,
    HiveMessageBusClient,
    HiveMindError,
    HiveMindHTTPClient,
)
from hivemind_core_client.errors import HubRefused
from hivemind_core_client.identity import NodeIdentity
from tests.interop.answerer import COUNT, COUNTED
from tests.interop.on_loop import OnLoop

from .books import Ledger, Windows

KINDS: dict[str, Callable[..., Any]] = {
    "threads": HiveMessageBusClient,
    "asyncio": OnLoop,
    "http": HiveMindHTTPClient,
}
_DEADLINES = Deadlines(tcp=5, tls=5, upgrade=10, first_frame=10, handshake=20, write=10, send=1, close=3)
_BACKOFF = Backoff(first=0.5, cap=8.0)
#: How long before the end of a connection a message may have left that it took with it, in seconds: until a ping is
#: missed, twice over.
_UNCERTAIN_S = 30.0


class Satellite:
    """One client of a hub, by `name`. `ledger` are its books."""

    def __init__(self, name: str, kind: str, pause: float, **options: Any) -> None:
        self.name, self.kind = name, kind
        self.ledger = Ledger()
        self.unexpected: list[str] = []
        self._pause = pause
        self._over = threading.Event()
        self._ends = Windows(_UNCERTAIN_S, 1.0)
        self.client = KINDS[kind](
            identity=NodeIdentity({"site_id": "soak"}),
            deadlines=_DEADLINES,
            backoff=_BACKOFF,
            websocket_ping_interval=5.0,
            websocket_ping_timeout=5.0,
            **options,
        )
        #: Whether the client tells what it is not sure of.
        self.tells = hasattr(self.client, "metrics")
        self.client.on_mycroft(COUNTED, self._answered)
        self.client.on("close", self._ended)
        if self.tells:
            self.client.on("doubt", self._doubted)
        self._thread = threading.Thread(target=self._send, name=f"sender {name}", daemon=True)

    def start(self) -> None:
        """Connect and begin to send, both in a thread: hubs that have just begun are slow on a busy machine."""
        self._thread.start()

    def stop_sending(self) -> None:
        """Return when nothing more is sent."""
        self._over.set()
        self._thread.join(60)

    def close(self) -> None:
        """Close the client."""
        self._over.set()
        self.client.close()

    def settle(self, patience: float, went_with_hub: Callable[[float], bool]) -> None:
        """Close the books of what was sent so long ago."""
        self.ledger.settle(patience, went_with_hub, self._is_doubtful)

    def _is_doubtful(self, moment: float) -> bool:
        """For a client that tells nothing: what it sent just before its connection ended."""
        return not self.tells and self._ends.hold(moment)

    def _connect(self) -> None:
        while not self._over.is_set():
            try:
                self.client.connect()
                return
            except HubRefused as error:
                self.unexpected.append(f"{self.name}: {error}")
                return
            except HiveMindError:
                continue

    def _send(self) -> None:
        self._connect()
        while not self._over.wait(self._pause * random.uniform(0.5, 1.5)):  # no secret
            number = self.ledger.begin()
            try:
                self.client.emit(Message(COUNT, {"client": self.name, "number": number}))
            except HiveMindError:
                self.ledger.failed(number)
            except Exception as error:
                self.ledger.failed(number)
                self.unexpected.append(f"{type(error).__name__}: {error}")
                del self.unexpected[20:]
            else:
                self.ledger.succeeded(number)

    def _answered(self, message: Any) -> None:
        if message.data.get("client") == self.name:
            self.ledger.answered(message.data["number"])

    def _doubted(self, unconfirmed: Any) -> None:
        payloads = [message.payload for message in unconfirmed.messages]
        self.ledger.doubt(each.data["number"] for each in payloads if each.msg_type == COUNT)

    def _ended(self, *_: Any) -> None:
        self._ends.begin()
        self._ends.end()


def wait_for_sessions(satellites: list[Satellite], seconds: float) -> list[str]:
    """The names of those that have no session after so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not all(each.client.state == "connected" for each in satellites):
        threading.Event().wait(0.1)
    return [f"{each.name} is {each.client.state}" for each in satellites if each.client.state != "connected"]
