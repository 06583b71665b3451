"""A message type of a plugin, end to end: from client to client over a hub that knows it, and at one that does not."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import FakeHiveMessageBus, HiveMessage
from hivemind_core_client.errors import UnknownMessageType
from hivemind_core_client.plugins.contract import (
    Actions,
    BinaryHandler,
    BinaryType,
    Context,
    Deliver,
    MessageHandler,
    MessageType,
)
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.testing import Account, EmbeddedHub
from tests.unit.client_support import Log, Make, ask, until
from tests.unit.support import PASSWORD, SITE

WEATHER = MessageType("clients.weather")
CLOUD = BinaryType(7, "CLIENTS_CLOUD")


class Weather:
    @hookimpl
    def hivemind_message_types(self) -> list[Any]:
        return [WEATHER, CLOUD]

    @hookimpl
    def hivemind_message_handlers(self) -> list[MessageHandler]:
        return [MessageHandler("clients.weather", "weather", self.receive)]

    @hookimpl
    def hivemind_binary_handlers(self) -> list[BinaryHandler]:
        return [BinaryHandler(7, "cloud", self.receive_cloud)]

    def receive(self, context: Context, message: HiveMessage) -> Actions:
        return [Deliver({"type": "weather.told", "data": message.payload, "context": {}})]

    def receive_cloud(self, context: Context, data: bytes, metadata: Any) -> Actions:
        return [Deliver({"type": "cloud.told", "data": {"size": len(data)}, "context": {}})]


PLUGIN = Weather()
KNOWING = {"plugins": [PLUGIN]}
SUNNY = HiveMessage(WEATHER, {"sky": "clear"})


def accounts() -> list[Account]:
    return [
        Account("k", PASSWORD, name="kitchen", admin=True),
        Account("other", PASSWORD, name="attic"),
    ]


@pytest.mark.parametrize("versions", [(0, 1), (3, 3)] if sys.version_info >= (3, 10) else [(0, 1)])
def test_it_goes_both_ways_as_text(make: Make, versions: tuple[int, int]) -> None:
    options: dict[str, Any] = {"binarize": True, "versions": versions, **KNOWING}
    with EmbeddedHub(accounts(), **options) as hub, make(hub, **KNOWING) as client:
        client.emit(HiveMessage("clients.weather", {"sky": "grey"}))
        [sent] = hub.wait_for("clients.weather")
        assert sent == HiveMessage(WEATHER, {"sky": "grey"})
        listened, told = Log(), Log()
        client.on("clients.weather", listened)
        client.on_mycroft("weather.told", told)
        hub.broadcast(SUNNY)
        assert listened.wait(1)[0].payload == told.wait(1)[0].data == {"sky": "clear"}
        assert client.rejected == 0


@pytest.mark.parametrize("wrapper", ["broadcast", "propagate"])
def test_inside_another_message_it_goes_from_client_to_client(make: Make, wrapper: str) -> None:
    with EmbeddedHub(accounts(), **KNOWING) as hub, make(hub, **KNOWING) as sender:
        receiver = make(hub, key="other", **KNOWING)
        receiver.connect()
        receiver.identity.add_trusted_key(
            "kitchen", sender.profile.private_key() and sender.identity.public_key
        )
        listened, told = Log(), Log()
        receiver.on("clients.weather", listened)
        receiver.on_mycroft("weather.told", told)
        sender.ping(settle=0.1)
        assert until(lambda: any(node.public_key for node in receiver.hive_map.nodes.values()))
        sender.emit(HiveMessage(wrapper, SUNNY, target_site_id="elsewhere"))
        sender.emit(HiveMessage(wrapper, SUNNY, target_site_id=SITE))
        assert listened.wait(1)[0].payload == told.wait(1)[0].data == {"sky": "clear"}
        assert len(listened.calls) == len(told.calls) == 1
        receiver.close()


def test_who_waits_gets_it(make: Make) -> None:
    with EmbeddedHub(accounts(), **KNOWING) as hub, make(hub, **KNOWING) as client:
        client.on_mycroft("send.it", lambda message: hub.broadcast(SUNNY))
        hub.broadcast(Message("send.it"))
        found = client.wait_for_message("clients.weather", 20)
        assert found is not None and found.payload == {"sky": "clear"}


def test_a_client_without_the_plugin_takes_and_sends_none(make: Make) -> None:
    with EmbeddedHub(accounts(), **KNOWING) as hub, make(hub, plugins=()) as client:
        ovos = Log()
        client.on("clients.weather", ovos)  # a name like any other, of an OVOS Message
        hub.broadcast(SUNNY)
        hub.broadcast(Message("clients.weather", {"from": "OVOS"}))
        assert [message.data for message in ovos.wait(1)] == [{"from": "OVOS"}]
        assert client.rejected == 1
        with pytest.raises(UnknownMessageType, match="no plugin of this client brings the message type"):
            client.emit(SUNNY)
        assert ask(client)


@pytest.mark.otherwise("http", why="a client over HTTP is not told how the hub ended its session")
def test_a_hub_without_the_plugin_does_as_real_ones(make: Make) -> None:
    with EmbeddedHub(accounts(), plugins=()) as hub, make(hub, **KNOWING) as client:
        closed, denied = Log(), Log()
        client.on("close", closed)
        client.on_mycroft("hive.policy.denied", denied)
        client.emit(HiveMessage("propagate", SUNNY, target_site_id=SITE))
        assert denied.wait(1)[0].data["code"] == "malformed_payload"
        assert closed.calls == []
        client.emit(SUNNY)
        closed.wait(1)
        assert until(lambda: client.connected_event.is_set())


@pytest.mark.otherwise("http", why="over HTTP a hub takes bytes in version 3 alone")
def test_a_bin_type_goes_both_ways(make: Make) -> None:
    with EmbeddedHub(accounts(), **KNOWING) as hub, make(hub, **KNOWING) as client:
        client.emit(HiveMessage("bin", b"\0" * 5, bin_type=7))
        client.emit(HiveMessage("bin", b"\0" * 6), CLOUD)
        assert [each.bin_type.name for each in hub.wait_for("bin", count=2)] == ["CLIENTS_CLOUD"] * 2
        told = Log()
        client.on_mycroft("cloud.told", told)
        hub.broadcast(HiveMessage("bin", b"\0" * 7, bin_type=CLOUD))
        assert told.wait(1)[0].data == {"size": 7}


def test_the_fake_client_carries_it() -> None:
    client = FakeHiveMessageBus(**KNOWING)
    client.connect()
    told = Log()
    client.on_mycroft("weather.told", told)
    client.respond("clients.weather", lambda message: HiveMessage(WEATHER, {"answer": message.payload}))
    client.emit(SUNNY)
    assert client.emitted_of("clients.weather") == [SUNNY]
    assert told.calls[0].data == {"answer": {"sky": "clear"}}
