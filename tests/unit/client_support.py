"""What tests of clients over a wire share: who logs in, questions and their answers, and waiting for what happens."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, Callable, ClassVar

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import Backoff, HiveMessageBusClient, HiveMindHTTPClient, Polling
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.testing import EmbeddedHub, HttpGateway, hub_link
from hivemind_core_client.testing.hub_noise import noise_offer
from tests.unit.support import PASSWORD, SITE, UTTERANCE

QUICK = Backoff(first=0.01, cap=0.05)
#: For what comes sooner, unless the machine is busy; in seconds.
PATIENCE = 20.0

#: The newest hub that denies what it does not allow and that this Python can talk to: 5.3 speaks version 3 alone.
NEWEST = "5.3" if sys.version_info >= (3, 10) else "4.15"

#: Makes a client of a hub, with the options of the constructor.
Make = Callable[..., HiveMessageBusClient]
#: The client's threads that were not there when the test began.
NewThreads = Callable[[], "list[threading.Thread]"]


def login(host: str, /, **options: Any) -> dict[str, Any]:
    """The options of a client that the hubs of these tests know, and that comes back soon."""
    site = options.pop("site_id", SITE)
    defaults = {"key": "k", "password": PASSWORD, "host": host, "backoff": QUICK}
    return {"identity": NodeIdentity({"site_id": site}), **defaults, **options}


def utterance(text: str) -> Message:
    return Message(UTTERANCE, {"utterances": [text]})


def ask(client: HiveMessageBusClient, text: str = "hello") -> str:
    """What the hub answers to this utterance."""
    answer = client.wait_for_response(utterance(text), "speak", PATIENCE)
    assert answer is not None
    return str(answer.payload.data["utterance"])


def until(reached: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Whether this becomes so in time, looking often: for what tells nobody."""
    tick, end = threading.Event(), time.monotonic() + seconds
    while not reached() and time.monotonic() < end:
        tick.wait(0.005)
    return bool(reached())


class Log:
    """What a handler was called with, and waiting for it."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self._changed = threading.Condition()

    def __call__(self, argument: Any = None) -> None:
        with self._changed:
            self.calls.append(argument)
            self._changed.notify_all()

    def wait(self, count: int) -> list[Any]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.calls) >= count, PATIENCE), self.calls
        return self.calls


def settled(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    """Return when everything the hub sent so far has been handled."""
    marker = Log()
    client.on_mycroft("test.marker", marker)
    hub.broadcast(Message("test.marker"))
    marker.wait(1)
    client.remove("test.marker", marker)


class OverHttp(HiveMindHTTPClient):
    """Finds a hub behind a gateway, which it starts."""

    _gateways: ClassVar[list[HttpGateway]] = []

    def __init__(self, *arguments: Any, **options: Any) -> None:
        host = str(options.get("host"))
        if host.startswith("ws://127"):
            self._gateways.append(HttpGateway(host).start())
            options["host"] = self._gateways[-1].url
        super().__init__(*arguments, polling=Polling(0.01, 0.05), **options)

    @classmethod
    def end_all(cls) -> None:
        """Stop every gateway."""
        while cls._gateways:
            cls._gateways.pop().stop()


def offer_no_kk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let embedded hubs offer XXpsk2 alone, to clients that they know too."""
    monkeypatch.setattr(hub_link, "noise_offer", lambda is_pinned, suites: noise_offer(False, suites))
