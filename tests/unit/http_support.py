"""What tests of the client over HTTP share: a gateway that answers as a test likes, and restarts of its hub."""

from __future__ import annotations

import itertools
from typing import Any, Callable, Optional, Union

from hivemind_core_client import HiveMindHTTPClient
from hivemind_core_client import errors as err
from hivemind_core_client.testing import EmbeddedHub, HttpGateway
from tests.unit.client_support import ask, login, until
from tests.unit.support import PASSWORD


class Gateway(HttpGateway):
    """A gateway whose answers a test may change, by endpoint."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self.instead: dict[str, Callable[[], Union[tuple[int, dict[str, Any]], bytes, None]]] = {}

    def __enter__(self) -> Gateway:
        self.start()
        return self

    def answer(self, method: str, endpoint: str, login: str, form: dict[str, str]) -> Any:
        instead = self.instead.get(endpoint, lambda: None)()
        return super().answer(method, endpoint, login, form) if instead is None else instead


def make(host: str, **options: Any) -> HiveMindHTTPClient:
    return HiveMindHTTPClient(**login(host, **options))


def restart(gateway: Gateway, before: int = 0, answered: bool = True) -> None:
    """Let the hub lose its sessions with one of the next messages to it, after `before` others."""
    count = itertools.count()

    def end() -> Optional[tuple[int, dict[str, Any]]]:
        if next(count) < before:
            return None
        del gateway.instead["send_message"]
        gateway.forget()
        return (200, {"status": "message sent"}) if answered else None

    gateway.instead["send_message"] = end


def back(gateway: Gateway, client: HiveMindHTTPClient, contacts: int) -> bool:
    """Whether the client has a session again with its contact of this number."""
    until(lambda: gateway.requests.count("connect") >= contacts and client.connected_event.is_set())
    return client.state == "connected" and gateway.requests.count("connect") == contacts


def check_restart_in_handshake(versions: tuple[int, int], before: int) -> None:
    with EmbeddedHub({"k": PASSWORD}, versions=versions) as hub, Gateway(hub.url) as gateway:
        with make(gateway.url) as client:
            assert ask(client) == "you said: hello"
            restart(gateway, before)
            gateway.forget()
            assert back(gateway, client, 3)
            assert ask(client) == "you said: hello"


def check_second_refusal(versions: tuple[int, int]) -> None:
    def refuse() -> Optional[tuple[int, dict[str, Any]]]:
        if not gateway.sessions:
            return None
        gateway.forget()
        return 200, {"status": "message sent"}

    with EmbeddedHub({"k": PASSWORD}, versions=versions) as hub, Gateway(hub.url) as gateway:
        with make(gateway.url) as client:
            assert ask(client) == "you said: hello"
            gateway.instead["send_message"] = refuse
            gateway.forget()
            assert until(lambda: client.state == "refused")
            assert isinstance(client.last_error, err.HubRefused)
            assert gateway.requests.count("connect") == 3
