"""All clients: what programs that were written for the reference client do with one, such as Home Assistant's."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from ovos_bus_client.message import Message
from ovos_utils.fakebus import FakeBus

from hivemind_core_client import HiveMessage, HiveMessageBusClient, HiveMessageType, NodeIdentity
from hivemind_core_client import errors as err
from hivemind_core_client.fakebus import FakeHiveMessageBus
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import QUICK, Log, Make, ask


def host_of(client: Any) -> Any:
    """The host as other programs read it."""
    return client._host


def bus_of(session_id: Any) -> FakeBus:
    bus = FakeBus()
    bus.session_id = session_id
    return bus


def test_a_program_connects_again_as_home_assistant_does(hub: EmbeddedHub, make: Make) -> None:
    """Its button closes, clears the events, drops the protocol, and connects; its bus says which session it is."""
    client = make(hub, internal_bus=bus_of("home-assistant-1"))
    client.connect(site_id="attic")
    try:
        first = client.protocol
        assert first is not None and client.handshake_event.is_set()
        for _ in range(2):
            client.close()
            client.handshake_event.clear()
            client.connected_event.clear()
            client.protocol = None
            assert client.protocol is None
            client.connect(site_id=client.site_id)
            assert client.protocol not in (None, first)
            assert ask(client) == "you said: hello"
        hellos = hub.wait_for("hello", count=3)
        assert [hello["session"]["session_id"] for hello in hellos] == ["home-assistant-1"] * 3
        assert [hello["site_id"] for hello in hellos] == ["attic"] * 3
        client.emit(Message("next"))
        (message,) = hub.wait_for("next")
        assert message.payload.context["session"]["session_id"] == client.session_id == "home-assistant-1"
    finally:
        client.close()


def test_a_connection_keeps_its_protocol(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    link = client.protocol
    client.protocol = None
    assert client.protocol is link
    assert ask(client) == "you said: hello"
    with pytest.raises(err.InvalidOption, match="HiveMindSlaveProtocol, not a Link"):
        client.protocol = link  # type: ignore[assignment]


@pytest.mark.parametrize("session_id", ["default", "", None, 5])
def test_a_bus_without_a_session_of_its_own_changes_nothing(
    hub: EmbeddedHub, make: Make, session_id: Any
) -> None:
    """Hubs refuse the session `default`, which each OVOS bus has that was given none."""
    with make(hub, internal_bus=bus_of(session_id)) as client:
        assert len(client.session_id) == 36
        assert ask(client) == "you said: hello"


def test_a_bus_that_comes_later_does_not_move_the_session(
    hub: EmbeddedHub, client: HiveMessageBusClient
) -> None:
    before = client.session_id
    client.internal_bus = bus_of("late")
    assert client.session_id == before


def test_a_bus_that_is_given_to_connect_says_the_session_too(hub: EmbeddedHub, make: Make) -> None:
    client = make(hub)
    client.connect(bus=bus_of("given-to-connect"))
    try:
        assert client.session_id == "given-to-connect"
    finally:
        client.close()


HOSTS = [("wss://hub.local", "wss://hub.local"), ("192.168.1.8", "192.168.1.8"), ("ws://h:9", "ws://h:9")]


@pytest.mark.parametrize(("given", "read"), HOSTS)
def test_the_host_is_read_as_it_was_given(client_class: Any, given: str, read: str) -> None:
    stored = NodeIdentity({"access_key": "k", "default_master": "other"})
    assert host_of(client_class(host=given, identity=stored)) == read
    known = NodeIdentity({"access_key": "k", "default_master": given})
    assert host_of(client_class(identity=known)) == read


def test_the_fakes_do_the_same() -> None:
    with FakeHiveMessageBus(internal_bus=bus_of("mine")) as fake:
        assert fake.session_id == "mine" and host_of(fake)
        fake.close()
        fake.protocol = None
        fake.connect()


@pytest.mark.otherwise("asyncio", why="a wait that blocks would keep the loop from calling the handler")
def test_a_handler_may_wait_on_the_internal_bus(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    """So ovos-audio asks for the volume before it speaks."""
    bus, found = client.internal_bus, Log()
    bus.on("volume?", lambda message: bus.emit(message.response({"percent": 0.5})))
    bus.on("speak", lambda message: found(bus.wait_for_response(Message("volume?"), timeout=20)))
    hub.broadcast(Message("speak", {"utterance": "hello"}))
    (answer,) = found.wait(1)
    assert answer.data == {"percent": 0.5}


@pytest.mark.otherwise("asyncio", why="it is used on its loop alone")
def test_handlers_go_by_the_verbs_of_an_emitter_too(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    heard, once, told = Log(), Log(), Log()
    assert client.emitter.on(HiveMessageType.BUS, heard) is heard
    client.emitter.once("bus", once)
    client.emitter.on("close", lambda: told("close"))
    client.emitter.on("speak", told)
    for _ in range(2):
        hub.broadcast(Message("speak"))
    heard.wait(2)
    told.wait(2)
    assert len(once.calls) == 1
    shown = HiveMessage(HiveMessageType.BUS, Message("shown"))
    assert client.emitter.emit(HiveMessageType.BUS, shown) and heard.calls[-1] is shown
    assert client.emitter.emit("close") and told.calls[-1] == "close"
    assert not client.emitter.emit("speak", Message("speak")) and len(told.calls) == 3
    client.emitter.remove_listener(HiveMessageType.BUS, heard)
    client.emitter.remove_all_listeners("close")
    assert not client.emitter.emit(HiveMessageType.BUS, shown) and not client.emitter.emit("close")
    assert [message["type"] for message in hub.received if message.msg_type == "bus"] == []


def test_what_an_emitter_shows_ends_a_wait() -> None:
    bus = FakeHiveMessageBus()
    shown = HiveMessage(HiveMessageType.THIRDPRTY, {"a": 1})
    bus.respond("ask", lambda _: bus.emitter.emit(HiveMessageType.THIRDPRTY, shown) or None)
    assert bus.wait_for_response(Message("ask"), HiveMessageType.THIRDPRTY) is shown


def told(bus: Any) -> type[Any]:
    """A subclass of this client that notes in `calls` what its methods are told, as `on_open` does by a handler too."""

    class Told(bus):  # type: ignore[misc]  # any of the clients
        def __init__(self) -> None:
            super().__init__(backoff=QUICK)
            self.calls: list[tuple[Any, ...]] = []
            self.on("open", self.on_open)
            self.on("close", lambda: self.calls.append(("handler of close",)))

        def on_open(self, *args: Any) -> None:
            super().on_open(*args)
            self.calls.append(("open", *args))

        def on_close(self, *args: Any) -> None:
            super().on_close(*args)
            self.calls.append(("close", *args))

        def on_error(self, *args: Any) -> None:
            super().on_error(*args)
            self.calls.append(("error", *map(type, args)))
            raise RuntimeError("broken")

    return Told


#: What is told of a session that stands, is lost and comes back, and of a hub that refuses.
TOLD = [("open",), ("close",), ("handler of close",), ("open",)]


def test_a_subclass_is_told_by_its_methods(caplog: pytest.LogCaptureFixture) -> None:
    with told(FakeHiveMessageBus)() as bus:
        bus.drop()
        bus.restore()
        assert bus.calls == TOLD
    failing = told(FakeHiveMessageBus)()
    failing.drop(err.KeyRefused("fake"))
    with pytest.raises(err.KeyRefused):
        failing.connect()
    assert failing.calls == [("error", err.KeyRefused)] and "on_error raised" in caplog.text
    failing.close()


@pytest.mark.skipif(sys.version_info < (3, 10), reason="the client for asyncio needs Python 3.10")
def test_a_subclass_for_asyncio_is_told_by_its_methods() -> None:
    from hivemind_core_client.fakebus import AsyncFakeHiveMessageBus

    class Told(told(AsyncFakeHiveMessageBus)):  # type: ignore[misc]  # made anew for each test
        async def on_open(self, *args: Any) -> None:
            await asyncio.sleep(0)
            self.calls.append(("open", *args))

    async def main() -> list[Any]:
        async with Told() as bus:
            await bus.settle()
            await bus.drop()
            await bus.restore()
            return list(bus.calls)

    assert asyncio.run(main()) == TOLD


def test_who_waits_for_frames_is_told_that_none_come(caplog: pytest.LogCaptureFixture) -> None:
    class OfFrames(HiveMessageBusClient):
        def on_message(self, *args: Any) -> None:
            raise AssertionError("a frame")

    assert caplog.messages == [
        f"{OfFrames.__qualname__}.on_message is never called: frames go to the kernel, messages to on()"
    ]
