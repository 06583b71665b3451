"""What the reference client has over HTTP beside the verbs of every client."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import Deadlines, HiveMindHTTPClient, NodeIdentity
from hivemind_core_client import errors as err
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import PATIENCE, Log, ask, until
from tests.unit.http_support import Gateway, make
from tests.unit.support import PASSWORD


def options(**more: Any) -> dict[str, Any]:
    return {"key": "k", "password": PASSWORD, "host": "h", "identity": NodeIdentity({}), **more}


def places(*more: Any) -> tuple[Any, ...]:
    return ("k", PASSWORD, None, "h", 1, "", True, False, True, True, NodeIdentity({}), None, None, *more)


def test_the_address_and_the_login_can_be_read() -> None:
    client = HiveMindHTTPClient(**options(port=1, useragent="lamp", host="https://h/hive/"))
    assert client.base_url == "https://h:1/hive/"
    assert client.auth == "bGFtcDpr"


def test_seconds_of_a_request_bound_each_of_them() -> None:
    plain = HiveMindHTTPClient(**options())
    assert (plain.http_timeout, plain.deadlines.write) == (20, 30)
    client = HiveMindHTTPClient(**options(http_timeout=4, deadlines=Deadlines(send=1)))
    assert (client.http_timeout, client.websocket_ping_timeout) == (4, 4)
    assert (client.deadlines.write, client.deadlines.upgrade, client.deadlines.send) == (4, 4, 1)
    other = HiveMindHTTPClient(**options(http_timeout=4, websocket_ping_timeout=3))
    assert (other.http_timeout, other.deadlines.write) == (3, 4)
    with pytest.raises(err.InvalidOption, match="http_timeout is 0"):
        HiveMindHTTPClient(**options(http_timeout=0))


def test_arguments_may_be_given_by_the_places_that_the_reference_has() -> None:
    client = HiveMindHTTPClient(*places(4, 2))
    assert (client.http_timeout, client.max_protocol_version, client.port) == (4, 2, 1)
    with pytest.raises(TypeError, match="15 arguments"):
        HiveMindHTTPClient(*places(4, 2, 1))


@pytest.mark.parametrize("versions", [(0, 2), (3, 3)])
def test_what_a_poll_brings_is_shown_and_handled(versions: tuple[int, int]) -> None:
    heard = Log()
    with EmbeddedHub({"k": PASSWORD}, versions=versions) as hub, Gateway(hub.url) as gateway:
        with make(gateway.url) as client:
            client.on_mycroft("news", heard)
            assert client.connected is client.connected_event
            assert client.connected.is_set() and client.is_alive()
            ask, other = client.get_messages, client.get_binary_messages
            if versions == (3, 3):
                ask, other = other, ask

            def came() -> list[Any]:
                hub.broadcast(Message("news"))
                return list(ask())

            shown: list[Any] = []
            assert until(lambda: shown or shown.extend(came()))
            assert all(isinstance(frame, bytes if versions == (3, 3) else str) for frame in shown)
            assert "news" not in str(shown)  # they are sealed
            assert other() == []
            assert heard.wait(1)


def test_who_is_not_connected_cannot_poll(hub: EmbeddedHub) -> None:
    with Gateway(hub.url) as gateway:
        client = make(gateway.url)
        for poll in (client.get_messages, client.get_binary_messages):
            with pytest.raises(ConnectionAbortedError, match=r"call connect\(\) first"):
                poll()
        client.connect()
        client.close()
        with pytest.raises(err.ClientClosed):
            client.get_messages()


def test_disconnecting_says_whether_there_was_a_session(hub: EmbeddedHub) -> None:
    with Gateway(hub.url) as gateway:
        client = make(gateway.url)
        assert client.disconnect() == {"error": "Already Disconnected"}
        client.connect()
        assert client.disconnect() == {"status": "Disconnected"}
        hub.wait_for_sessions(0)
        client.connect()
        assert ask(client) == "you said: hello"
        client.shutdown()
        assert (client.state, client.is_alive()) == ("closed", False)


def test_it_can_be_waited_for_like_a_thread(hub: EmbeddedHub) -> None:
    with Gateway(hub.url) as gateway:
        client = make(gateway.url)
        client.join()  # it does not run
        client.connect()
        client.join(0.01)
        assert client.is_alive()
        waiting = threading.Thread(target=client.join)
        waiting.start()
        client.close()
        waiting.join(PATIENCE)
        assert not waiting.is_alive()
