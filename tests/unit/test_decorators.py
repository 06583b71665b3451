"""The decorators of the reference client: its names and its order of arguments, each message once, and an end."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Iterator
from typing import Any, Callable
from unittest.mock import Mock

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import FakeHiveMessageBus, HiveMessage, HiveMessageType, decorators
from hivemind_core_client.client import HiveMessageBusClient
from hivemind_core_client.decorators import (
    HiveMessageListener,
    HivePayloadListener,
    on_broadcast,
    on_hive_message,
    on_mycroft_message,
    on_payload,
    on_ping,
    on_propagate,
    on_third_party,
)
from hivemind_core_client.errors import InvalidOption, UnknownMessageType
from hivemind_core_client.testing import EmbeddedHub

BUS = HiveMessage("bus", Message("speak", {"utterance": "hello"}))
WRAPPERS = ["broadcast", "propagate", "escalate", "query", "cascade"]
#: The decorators with a payload type, by the hive type they are for.
BY_TYPE = {
    "bus": decorators.on_mycroft_message,
    "shared_bus": decorators.on_shared_bus,
    "broadcast": decorators.on_broadcast,
    "propagate": decorators.on_propagate,
    "escalate": decorators.on_escalate,
    "query": decorators.on_query,
    "cascade": decorators.on_cascade,
    "ping": decorators.on_ping,
    "hello": decorators.on_hello,
    "shake": decorators.on_handshake,
    "rendezvous": decorators.on_rendezvous,
}
#: What has another signature.
OTHERS = {"HiveMessageListener", "HivePayloadListener", "on_hive_message", "on_payload", "on_third_party"}


@pytest.fixture
def bus() -> Iterator[FakeHiveMessageBus]:
    with FakeHiveMessageBus() as bus:
        yield bus


def message_of(name: str) -> HiveMessage:
    """A message of a hive type, and in it what its decorator can be asked for: `speak`, `bus` or a msg_type."""
    if name in ("bus", "shared_bus"):
        return HiveMessage(name, Message("speak", {"utterance": "hello"}))
    return HiveMessage(name, BUS if name in WRAPPERS else {"msg_type": "bus", "a": 1})


@pytest.mark.parametrize("name", BY_TYPE)
def test_each_decorator_is_for_its_type(name: str, bus: FakeHiveMessageBus) -> None:
    wanted, everything, other = [], [], []
    inner = "speak" if name in ("bus", "shared_bus") else "bus"

    @BY_TYPE[name](inner, bus)
    def on_wanted(payload: Any) -> None:
        wanted.append(payload)

    @BY_TYPE[name](bus=bus)
    def on_everything(payload: Any) -> None:
        everything.append(payload)

    @BY_TYPE[name](payload_type="another", bus=bus)
    def on_other(payload: Any) -> None:
        other.append(payload)

    for sent in BY_TYPE:
        bus.receive(message_of(sent))
    assert len(wanted) == len(everything) == 1
    assert other == []
    expected = message_of(name).payload
    assert type(wanted[0]) is type(expected)
    assert wanted[0] == expected or wanted[0].serialize() == expected.serialize()


@pytest.mark.parametrize("name", sorted(set(decorators.__all__) - OTHERS))
def test_names_and_order_of_arguments_are_those_of_the_reference_client(name: str) -> None:
    decorator = getattr(decorators, name)
    assert decorator in BY_TYPE.values()
    assert list(inspect.signature(decorator).parameters) == ["payload_type", "bus"]
    assert decorator.__name__ == name
    assert decorator.__doc__


def test_the_other_signatures_too() -> None:
    assert list(inspect.signature(on_hive_message).parameters) == ["message_type", "bus"]
    assert list(inspect.signature(on_third_party).parameters) == ["bus"]
    assert list(inspect.signature(on_payload).parameters) == ["message_type", "payload_type", "bus"]
    assert all(hasattr(decorators, name) for name in decorators.__all__)


def test_a_hive_message_is_handed_over_whole(bus: FakeHiveMessageBus) -> None:
    heard: list[Any] = []

    @on_hive_message(HiveMessageType.THIRDPRTY, bus)
    def on_any(message: HiveMessage) -> str:
        heard.append(message)
        return "called"

    third = on_third_party(bus)(lambda message: heard.append(message))
    bus.receive(HiveMessage("3rdparty", {"door": "open"}))
    assert [message.payload for message in heard] == [{"door": "open"}] * 2
    assert all(isinstance(message, HiveMessage) for message in heard)
    assert on_any(BUS) == "called"
    on_any.shutdown()  # type: ignore[attr-defined]
    third.shutdown()  # type: ignore[attr-defined]
    bus.receive(HiveMessage("3rdparty", {}))
    assert len(heard) == 3


def test_an_ovos_type_works_with_on_hive_message_as_with_on(bus: FakeHiveMessageBus) -> None:
    heard: list[Any] = []
    handler = on_hive_message("speak", bus)(Mock(side_effect=heard.append))
    bus.receive(BUS)
    handler.shutdown()
    bus.receive(BUS)
    assert [message.data for message in heard] == [{"utterance": "hello"}]


def test_one_function_for_several_types(bus: FakeHiveMessageBus) -> None:
    heard: list[str] = []

    @on_broadcast("bus", bus)
    @on_propagate("bus", bus)
    @on_mycroft_message(["speak", "ask"], bus)
    def handler(payload: Any) -> None:
        heard.append(payload.msg_type)

    def send_all() -> None:
        for name in ("broadcast", "propagate", "bus"):
            bus.receive(message_of(name))
        bus.receive(Message("ask"))
        bus.receive(Message("neither"))

    send_all()
    assert heard == ["bus", "bus", "speak", "ask"]
    handler.shutdown()  # type: ignore[attr-defined]
    handler.shutdown()  # type: ignore[attr-defined]
    send_all()
    assert len(heard) == 4
    on_broadcast("bus", bus)(handler)
    send_all()
    assert len(heard) == 5


def test_a_message_reaches_a_function_once_however_often_it_is_decorated(bus: FakeHiveMessageBus) -> None:
    heard: list[str] = []

    def handler(payload: Any) -> None:
        heard.append(payload.msg_type)

    on_mycroft_message("speak", bus)(handler)
    on_mycroft_message("speak", bus)(handler)
    on_payload("bus", ["speak", "ask"], bus)(handler)
    bus.receive(BUS)
    bus.receive(Message("ask"))
    bus.receive(Message("neither"))
    assert heard == ["speak", "ask"]
    on_payload(HiveMessageType.BUS, bus=bus)(handler)
    bus.receive(BUS)
    bus.receive(Message("neither"))
    assert heard == ["speak", "ask", "speak", "neither"]


def test_two_functions_and_two_buses_are_told_apart(bus: FakeHiveMessageBus) -> None:
    heard: list[str] = []

    def first(payload: Any) -> None:
        heard.append("first")

    def second(payload: Any) -> None:
        heard.append("second")

    with FakeHiveMessageBus() as other:
        for each in (bus, other):
            on_mycroft_message("speak", each)(first)
        on_mycroft_message("speak", other)(second)
        bus.receive(BUS)
        other.receive(BUS)
        assert heard == ["first", "first", "second"]
        first.shutdown()  # type: ignore[attr-defined]
        other.receive(BUS)
    assert heard == ["first", "first", "second", "second"]


def test_a_method_of_an_object(bus: FakeHiveMessageBus) -> None:
    class Lamp:
        def __init__(self) -> None:
            self.heard: list[str] = []
            self.handler = on_broadcast("bus", bus)(on_mycroft_message("speak", bus)(self.switch))

        def switch(self, payload: Any) -> None:
            """Switch."""
            self.heard.append(payload.msg_type)

    one, two = Lamp(), Lamp()
    on_mycroft_message("speak", bus)(one.switch)
    bus.receive(BUS)
    bus.receive(message_of("broadcast"))
    assert one.heard == two.heard == ["speak", "bus"]
    assert one.handler.__doc__ == "Switch."
    one.handler.shutdown()  # type: ignore[attr-defined]
    bus.receive(BUS)
    bus.receive(message_of("broadcast"))
    one.handler(BUS)
    assert one.heard == ["speak", "bus", "bus"]
    assert two.heard == ["speak", "bus", "speak", "bus"]


def test_what_takes_no_attributes(bus: FakeHiveMessageBus) -> None:
    heard: list[Any] = []
    handler = on_ping(bus=bus)(on_broadcast("bus", bus)(heard.append))
    bus.receive(message_of("ping"))
    bus.receive(message_of("broadcast"))
    handler.shutdown()  # type: ignore[attr-defined]
    bus.receive(message_of("ping"))
    bus.receive(message_of("broadcast"))
    assert len(heard) == 2


def test_an_exception_is_logged_and_harms_nobody(
    bus: FakeHiveMessageBus, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Any] = []

    @on_mycroft_message("speak", bus)
    def broken(payload: Any) -> None:
        heard.append("broken")
        raise ValueError("broken on purpose")

    on_mycroft_message("speak", bus)(heard.append)
    with caplog.at_level(logging.ERROR):
        bus.receive(BUS)
        bus.receive(BUS)
    assert len(heard) == 4
    assert "broken on purpose" in caplog.text
    assert "broken raised" in caplog.text


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_payload_that_cannot_be_read_reaches_nobody(
    name: str, bus: FakeHiveMessageBus, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Any] = []
    on_payload(name, bus=bus)(heard.append)
    with caplog.at_level(logging.INFO, "hivemind_core_client.decorators"):
        bus.receive(HiveMessage(name, {"msg_type": "nonsense"}))
    assert heard == []
    assert "cannot be read" in caplog.text
    bus.receive(message_of(name))
    assert len(heard) == 1


@pytest.mark.parametrize("nothing", [None, "bus", 5])
def test_what_is_no_bus_is_refused(nothing: Any) -> None:
    for decorator in (on_broadcast("bus", nothing), on_hive_message("bus", nothing), on_third_party(nothing)):
        with pytest.raises(InvalidOption, match="bus=bus"):
            decorator(print)


def test_misuse_is_told(bus: FakeHiveMessageBus) -> None:
    with pytest.raises(InvalidOption, match="cannot be called"):
        on_broadcast("bus", bus)("no function")  # type: ignore[type-var]
    with pytest.raises(InvalidOption, match="payload_type is a int"):
        on_broadcast(5, bus)(print)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="payload_type is a list"):
        on_broadcast([], bus)(print)
    with pytest.raises(UnknownMessageType):
        on_payload("nonsense", "bus", bus)(print)


def test_listeners_by_themselves(bus: FakeHiveMessageBus) -> None:
    heard: list[Any] = []
    whole = HiveMessageListener(bus, HiveMessageType.BUS)
    payload = HivePayloadListener("speak", bus=bus, message_type=HiveMessageType.BUS)
    for listener in (whole, payload):
        listener.add_handler(heard.append)
        assert listener.listen() is listener
        listener.listen()
    bus.receive(BUS)
    assert sorted(type(one).__name__ for one in heard) == ["HiveMessage", "Message"]
    payload.clear_handlers()
    whole.shutdown()
    bus.receive(BUS)
    assert len(heard) == 2


def test_with_a_real_client(
    hivemind_hub: EmbeddedHub, hivemind_client_factory: Callable[..., HiveMessageBusClient]
) -> None:
    client, came = hivemind_client_factory(), threading.Event()

    @on_mycroft_message("speak", client)
    def on_speak(message: Message) -> None:
        if message.data["utterance"] == "hello":
            came.set()

    client.connect()
    hivemind_hub.broadcast(BUS)
    assert came.wait(5)
