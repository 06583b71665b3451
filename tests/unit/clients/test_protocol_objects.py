"""All clients: the protocol object of the reference client, passed to `connect` or bound by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ovos_bus_client.message import Message
from ovos_utils.fakebus import FakeBus

from hivemind_core_client import FakeHiveMessageBus, HiveMessage, HiveMessageBusClient, NodeIdentity
from hivemind_core_client import errors as err
from hivemind_core_client.hive_map import HiveMapper
from hivemind_core_client.message import HiveMessageType
from hivemind_core_client.protocol import (
    HiveMindSlaveInternalProtocol,
    HiveMindSlaveProtocol,
    Link,
)
from hivemind_core_client.testing import Account, EmbeddedHub
from tests.unit.client_support import PATIENCE, Log, Make, ask, settled, until
from tests.unit.support import PASSWORD, SITE

_TYPES = HiveMessageType


def inner(kind: str = "for.us") -> HiveMessage:
    return HiveMessage(_TYPES.BUS, Message(kind, {"n": 1}))


@contextmanager
def connected(client: Any, protocol: Any, bus: Any = None) -> Iterator[Any]:
    client.connect(FakeBus() if bus is None else bus, protocol=protocol, site_id=SITE)
    try:
        yield protocol
    finally:
        client.close()


def overriding(*names: str, as_usual: bool = False) -> tuple[type[HiveMindSlaveProtocol], Log]:
    """A subclass that logs the name and the message in these methods, and with `as_usual` does what we do then."""
    log = Log()

    def method(name: str) -> Any:
        def handle(self: Any, message: HiveMessage, **more: Any) -> Any:
            result = getattr(HiveMindSlaveProtocol, name)(self, message, **more) if as_usual else None
            log((name, message, *more.items()))
            return result

        return handle

    return type("Own", (HiveMindSlaveProtocol,), {name: method(name) for name in names}), log


def test_a_protocol_object_belongs_to_its_client(hub: EmbeddedHub, make: Make) -> None:
    client, bus, told = make(hub), FakeBus(), Log()
    bus.on("for.us", told)
    protocol = HiveMindSlaveProtocol(client)
    with connected(client, protocol, bus):
        assert client.protocol is protocol and client.internal_bus is bus
        assert protocol.identity is client.identity and protocol.hive_mapper is client.hive_map
        assert (protocol.site_id, protocol.query_timeout) == (SITE, 30.0)
        assert client.hub is not None and protocol.node_id == client.hub.node_id
        assert protocol.mpubkey == client.hub.public_key
        internal = protocol.internal_protocol
        assert isinstance(internal, HiveMindSlaveInternalProtocol)
        assert internal.bus is bus and internal.node_id == protocol.node_id
        hub.broadcast(Message("for.us"))
        settled(hub, client)
        assert len(told.calls) == 1
        assert ask(client) == "you said: hello"
        client.protocol = None  # none that is in use is taken away from under its session
        assert isinstance(client.protocol, Link) and ask(client) == "you said: hello"
    assert client.protocol is not protocol


@pytest.mark.parametrize("name", ["handle_bus", "handle_broadcast", "handle_propagate", "handle_ping"])
def test_a_method_that_is_overridden_takes_the_place_of_ours(name: str, hub: EmbeddedHub, make: Make) -> None:
    kind, log = overriding(name)
    client, bus, told = make(hub), FakeBus(), Log()
    bus.on("for.us", told)
    sent = {
        "handle_bus": inner(),
        "handle_broadcast": HiveMessage(_TYPES.BROADCAST, inner(), target_site_id=SITE),
        "handle_propagate": HiveMessage(_TYPES.PROPAGATE, HiveMessage(_TYPES.PING, {"flood_id": "f"})),
        "handle_ping": HiveMessage(_TYPES.PROPAGATE, HiveMessage(_TYPES.PING, {"flood_id": "f"})),
    }[name]
    with connected(client, kind(client), bus):
        hub.broadcast(sent)
        ((called, message),) = log.wait(1)
        assert called == name and isinstance(message, HiveMessage)
        ask(client)
        assert told.calls == [] and not [each for each in hub.received if each.msg_type == "propagate"]


def test_the_method_of_this_class_does_what_we_do(hub: EmbeddedHub, make: Make) -> None:
    names = "handle_bus", "handle_broadcast", "handle_propagate", "handle_ping"
    kind, log = overriding(*names, as_usual=True)
    client, bus, told = make(hub), FakeBus(), Log()
    bus.on("for.us", told)
    with connected(client, kind(client), bus):
        hub.broadcast(HiveMessage(_TYPES.BROADCAST, inner(), target_site_id=SITE))
        hub.broadcast(HiveMessage(_TYPES.PROPAGATE, HiveMessage(_TYPES.PING, {"flood_id": "f"})))
        assert {name for name, *_ in log.wait(4)} == set(names)
        (message,) = told.wait(1)
        assert message.data == {"n": 1}
        (answer,) = hub.wait_for("propagate")
        assert answer.payload.payload["flood_id"] == "f"


def test_a_message_is_delivered_while_the_method_runs(hub: EmbeddedHub, make: Make) -> None:
    order: list[str] = []
    done = threading.Event()

    class Own(HiveMindSlaveProtocol):
        def handle_bus(self, message: HiveMessage, verified_source: Any = None) -> None:
            order.append("before")
            super().handle_bus(message, verified_source)
            order.append("after")
            done.set()

    client, bus = make(hub), FakeBus()
    bus.on("for.us", lambda _: order.append("told"))
    with connected(client, Own(client), bus):
        hub.broadcast(inner())
        assert done.wait(PATIENCE)
    assert order == ["before", "told", "after"]


def test_answers_to_questions(hub: EmbeddedHub, make: Make) -> None:
    kind, log = overriding("handle_query", "handle_cascade", as_usual=True)
    client = make(hub)
    with connected(client, kind(client)):
        answer = client.query(Message("recognizer_loop:utterance", {"utterances": ["why"]}), PATIENCE).first
        assert answer.message.data["utterance"] == "you said: why"
        client.cascade(Message("recognizer_loop:utterance", {"utterances": ["who"]}), 0.5)
        assert {name for name, *_ in log.wait(2)} >= {"handle_query", "handle_cascade"}


def test_what_only_satellites_send(hub: EmbeddedHub, make: Make) -> None:
    kind, log = overriding("handle_illegal_msg", as_usual=True)
    client = make(hub)
    with connected(client, kind(client)):
        hub.broadcast(HiveMessage(_TYPES.ESCALATE, inner()))
        hub.broadcast(HiveMessage(_TYPES.SHARED_BUS, Message("for.us")))
        assert [message.msg_type for _, message in log.wait(2)] == ["escalate", "shared_bus"]


def test_the_methods_of_a_handshake_come_beside_ours(hub: EmbeddedHub, make: Make) -> None:
    kind, log = overriding("handle_hello", "handle_handshake", as_usual=True)
    client = make(hub)
    protocol = kind(client)
    with connected(client, protocol):
        names = [name for name, *_ in log.wait(3)]
        assert names[:2] == ["handle_hello", "handle_handshake"]
        assert client.hub is not None and until(lambda: protocol.node_id == client.hub.node_id)


def test_a_letter_brings_the_key_that_has_signed_it(make: Make) -> None:
    accounts = [Account("k", PASSWORD, name="kitchen"), Account("other", PASSWORD, name="attic")]
    kind, log = overriding("handle_bus", "handle_intercom", as_usual=True)
    with EmbeddedHub(accounts) as hub, make(hub, key="other") as sender:
        sender.identity.create_keys()
        client = make(hub)
        client.identity.create_keys()
        client.identity.add_trusted_key("attic", str(sender.identity.public_key))
        bus, told = FakeBus(), Log()
        bus.on("for.us", told)
        with connected(client, kind(client), bus):
            sender.emit_intercom(Message("for.us"), str(client.identity.public_key))
            (message,) = told.wait(1)
            assert message.context["hivemind_verified_source_peer"] == sender.identity.public_key
            by_name = {name: more for name, _, *more in log.wait(2)}
            assert by_name == {
                "handle_intercom": [],
                "handle_bus": [("verified_source", sender.identity.public_key)],
            }


def test_without_its_plugin_nothing_comes_of_a_letter(hub: EmbeddedHub, make: Make) -> None:
    client = make(hub, blocked_plugins=["intercom"])
    protocol = HiveMindSlaveProtocol(client)
    with connected(client, protocol):
        assert protocol.handle_intercom(HiveMessage(_TYPES.INTERCOM, {"ciphertext": ""})) is False


def test_a_method_may_be_set_on_the_object(hub: EmbeddedHub, make: Make) -> None:
    client, log = make(hub), Log()
    protocol = HiveMindSlaveProtocol(client)
    protocol.handle_bus = log  # type: ignore[method-assign]
    with connected(client, protocol):
        hub.broadcast(inner())
        assert log.wait(1)[0].payload.msg_type == "for.us"


def test_a_method_that_raises_harms_nobody(
    hub: EmbeddedHub, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: Any, message: HiveMessage) -> None:
        raise LookupError("mine")

    client = make(hub)
    with connected(client, type("Own", (HiveMindSlaveProtocol,), {"handle_broadcast": broken})(client)):
        hub.broadcast(HiveMessage(_TYPES.BROADCAST, inner(), target_site_id=SITE))
        assert until(lambda: "LookupError: mine" in caplog.text)
        assert ask(client) == "you said: hello"


def test_a_protocol_object_may_be_bound_by_hand(hub: EmbeddedHub, make: Make) -> None:
    kind, log = overriding("handle_bus")
    client, bus = make(hub), FakeBus()
    kind(client, site_id="attic").bind(bus)
    with client:
        assert client.internal_bus is bus and client.site_id == "attic"
        hub.broadcast(inner())
        log.wait(1)
        (hello,) = hub.wait_for("hello")
        assert hello["site_id"] == "attic"


def test_it_counts_from_the_next_connection_on(hub: EmbeddedHub, make: Make) -> None:
    kind, log = overriding("handle_bus")
    with make(hub) as client:
        told = Log()
        client.on_mycroft("for.us", told)
        client.protocol = kind(client)
        hub.broadcast(inner())
        told.wait(1)
        hub.drop()
        hub.wait_for("hello", count=2)
        hub.broadcast(inner())
        assert len(log.wait(1)) == len(told.calls) == 1


def test_what_is_given_is_set_on_the_client(hub: EmbeddedHub, make: Make) -> None:
    client, own, mapped = make(hub), NodeIdentity({"name": "own"}), HiveMapper()
    protocol = HiveMindSlaveProtocol(
        client,
        own,
        shared_bus=True,
        query_timeout=7,
        cascade_timeout=0.5,
        cascade_select_callback=max,
        hive_mapper=mapped,
    )
    protocol.bind(FakeBus())
    assert client.identity is own and client.share_bus and client.hive_map is mapped
    assert (client.query_timeout, client.cascade_select_callback) == (7, max)
    assert client.profile.context.cascade_timeout == 0.5


def test_without_a_bus_it_takes_that_of_the_device(
    hub: EmbeddedHub, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LocalOvos(FakeBus):
        def __init__(self) -> None:
            super().__init__()
            self.connected_event = threading.Event()

        def run_in_thread(self) -> None:
            self.connected_event.set()

    monkeypatch.setattr("ovos_bus_client.MessageBusClient", LocalOvos)
    client = make(hub)
    HiveMindSlaveProtocol(client).bind()
    assert isinstance(client.internal_bus, LocalOvos)


def test_attempts_are_made_until_the_hub_is_there(make: Make) -> None:
    """A hub that is started before the hub above it is to find that when it comes."""
    hub = EmbeddedHub({"k": PASSWORD}).start()
    hub.stop()
    client = make(hub)
    failed = Log()
    client.on("error", failed)
    connecting = threading.Thread(target=client.connect, args=(FakeBus(), HiveMindSlaveProtocol(client)))
    connecting.start()
    try:
        failed.wait(2)
        with hub:
            connecting.join(PATIENCE)
            assert not connecting.is_alive() and ask(client) == "you said: hello"
    finally:
        client.close()


def test_attempts_may_be_bounded(make: Make) -> None:
    hub = EmbeddedHub({"k": PASSWORD}).start()
    hub.stop()
    client = make(hub)
    with pytest.raises(err.HubConnectionError):
        client.connect(FakeBus(), HiveMindSlaveProtocol(client), handshake_max_retries=1)


def test_two_halves_of_a_node_answer_a_flood_once(hub: EmbeddedHub, make: Make) -> None:
    class Cache(set[str]):
        def check(self, flood_id: str) -> bool:
            known = flood_id in self
            self.add(flood_id)
            return known

    cache, client = Cache({"known"}), make(hub)
    protocol = HiveMindSlaveProtocol(client)
    protocol.bind_flood_cache(cache)
    with connected(client, protocol):
        for flood_id in ("known", "new", "new"):
            hub.broadcast(HiveMessage(_TYPES.PROPAGATE, HiveMessage(_TYPES.PING, {"flood_id": flood_id})))
        settled(hub, client)
        (answer,) = hub.wait_for("propagate")
        assert answer.payload.payload["flood_id"] == "new" and cache == {"known", "new"}


def test_what_the_internal_bus_has_for_the_hub(hub: EmbeddedHub, make: Make) -> None:
    client, bus = make(hub), FakeBus()
    protocol = HiveMindSlaveProtocol(client)
    with connected(client, protocol, bus):
        internal = protocol.internal_protocol
        assert internal is not None
        internal.handle_outgoing_mycroft(Message("up.1", {}, {"destination": protocol.node_id}))
        internal.handle_outgoing_mycroft(Message("stays", {}, {"destination": "others"}).serialize())
        asked = {"msg_type": "escalate", "payload": inner("up.2").as_dict}
        internal.handle_send(Message("hive.send.upstream", asked))
        assert hub.wait_for("up.1") and hub.wait_for("escalate")
        bus.emit(Message("up.3", {}, {"destination": protocol.node_id}))
        assert len(hub.wait_for("up.3")) == 1
        assert not [each for each in hub.received if each.msg_type == "bus" and each["type"] == "stays"]


def test_an_object_that_belongs_to_nobody_says_so(make: Make, hub: EmbeddedHub) -> None:
    protocol = HiveMindSlaveProtocol(make(hub))
    assert protocol.node_id == ""
    with pytest.raises(err.InvalidOption, match="bind"):
        protocol.handle_bus(inner())


def test_before_there_is_a_connection_a_method_works_too(make: Make, hub: EmbeddedHub) -> None:
    client, bus, told = make(hub), FakeBus(), Log()
    bus.on("for.us", told)
    protocol = HiveMindSlaveProtocol(client)
    protocol.bind(bus)
    protocol.handle_bus(inner())
    told.wait(1)


def test_connect_refuses_what_is_no_protocol_object(make: Make, hub: EmbeddedHub) -> None:
    with pytest.raises(err.InvalidOption, match="HiveMindSlaveProtocol, not a object"):
        make(hub).connect(protocol=object())  # type: ignore[arg-type]


def test_the_fakes_have_protocol_objects_too() -> None:
    kind, log = overriding("handle_bus", as_usual=True)
    client, told = FakeHiveMessageBus(), Log()
    client.on_mycroft("for.us", told)
    client.connect(protocol=kind(client))
    client.receive(inner())
    assert len(log.calls) == len(told.calls) == 1
    client.close()


def test_it_works_without_a_client_of_its_own_class(hub: EmbeddedHub) -> None:
    class Mine(HiveMessageBusClient):
        """As programs subclass it."""

    client = Mine("k", PASSWORD, host=hub.url, identity=NodeIdentity({}))
    with connected(client, HiveMindSlaveProtocol(client)):
        assert ask(client) == "you said: hello"
