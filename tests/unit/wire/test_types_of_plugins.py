"""MessageType and BinaryType: what plugins may call their types, and messages of them."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageType
from hivemind_core_client.errors import FrameError, InvalidMessage, UnknownMessageType
from hivemind_core_client.plugins.contract import BinaryType, MessageType
from hivemind_core_client.shell.handlers import CONNECTION_EVENTS
from hivemind_core_client.wire.message_types import RESERVED, define, same

EVENT = {"type": "speak", "data": {"utterance": "hi"}, "context": {}}


def test_a_type_is_its_wire_name() -> None:
    kind = MessageType("wire.tide")
    assert kind == "wire.tide" == kind.name == kind.value == str(kind) == f"{kind}"
    assert repr(kind) == "MessageType('wire.tide', 'object')"
    graph = BinaryType(9, "WIRE_GRAPH")
    assert graph == 9 == graph.value and graph.name == "WIRE_GRAPH"
    assert repr(graph) == "BinaryType(9, 'WIRE_GRAPH')"


@pytest.mark.parametrize("kind", [MessageType("wire.crate", "hive"), BinaryType(8, "WIRE_POINTS")])
def test_a_copy_of_a_type_is_the_same(kind: Any) -> None:
    for made in (copy.deepcopy(kind), pickle.loads(pickle.dumps(kind))):  # our own bytes
        assert type(made) is type(kind) and same(made, kind)


@pytest.mark.parametrize("name", ["", "Weather", "über", "a b", "a" * 65, ".a", None, 7])
def test_names_that_no_type_can_have(name: Any) -> None:
    with pytest.raises(ValueError, match="is no name of a message type"):
        MessageType(name)


@pytest.mark.parametrize("name", [*(each.value for each in HiveMessageType), "binary", "open", "message"])
def test_names_that_are_taken(name: str) -> None:
    with pytest.raises(ValueError, match="built-in"):
        MessageType(name)


def test_what_a_client_calls_its_own_events_is_taken() -> None:
    assert CONNECTION_EVENTS <= RESERVED


def test_payloads_that_no_type_can_have() -> None:
    with pytest.raises(ValueError, match="BinaryType"):
        MessageType("wire.bytes", "bytes")
    with pytest.raises(ValueError, match="'nonsense'"):
        MessageType("wire.nonsense", "nonsense")


@pytest.mark.parametrize("arguments", [(6, "SIX"), (16, "SIXTEEN"), (True, "ONE"), ("7", "SEVEN")])
def test_numbers_that_no_bin_type_can_have(arguments: Any) -> None:
    with pytest.raises(ValueError, match="7 to 15"):
        BinaryType(*arguments)


@pytest.mark.parametrize("name", ["", "FILE", "graph", "A B", None])
def test_names_that_no_bin_type_can_have(name: Any) -> None:
    with pytest.raises(ValueError, match="is no name for a bin type"):
        BinaryType(7, name)


@pytest.mark.parametrize(
    ("kind", "payload", "travels", "reads"),
    [
        (MessageType("wire.o", "object"), None, {}, {}),
        (MessageType("wire.o", "object"), {"a": 1}, {"a": 1}, {"a": 1}),
        (MessageType("wire.t", "text"), None, "", ""),
        (MessageType("wire.t", "text"), "grüße", "grüße", "grüße"),
        (MessageType("wire.m", "ovos"), EVENT, EVENT, Message("speak", {"utterance": "hi"})),
        (MessageType("wire.m", "ovos"), Message("speak", {"utterance": "hi"}), EVENT, None),
        (MessageType("wire.h", "hive"), HiveMessage("ping", {"n": 1}), None, HiveMessage("ping", {"n": 1})),
    ],
)
def test_a_payload_is_what_its_type_says(kind: MessageType, payload: Any, travels: Any, reads: Any) -> None:
    define(kind)
    message = HiveMessage(kind, payload)
    if travels is not None:
        assert message.raw_payload == travels
    if isinstance(reads, Message):
        assert message.payload.data == reads.data
    elif reads is not None:
        assert message.payload == reads
    assert HiveMessage.deserialize(message.as_json) == message
    assert message.copy(payload=message.raw_payload) == message


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (MessageType("wire.o"), "text"),
        (MessageType("wire.o"), b""),
        (MessageType("wire.t", "text"), {}),
        (MessageType("wire.t", "text"), b"bytes"),
        (MessageType("wire.t", "text"), Message("speak")),
        (MessageType("wire.m", "ovos"), {"data": {}}),
        (MessageType("wire.h", "hive"), {}),
    ],
)
def test_another_payload_is_refused(kind: MessageType, payload: Any) -> None:
    with pytest.raises(InvalidMessage):
        HiveMessage(kind, payload)


def test_a_text_has_no_fields() -> None:
    message = HiveMessage(MessageType("wire.t", "text"), "grüße")
    assert repr(message) == "<HiveMessage wire.t, 5 characters>"
    with pytest.raises(TypeError, match=r"a wire\.t payload has no fields"):
        message["a"]


def test_a_name_that_nobody_has_defined_is_unknown_and_its_object_is_not() -> None:
    kind = MessageType("wire.undefined")
    assert HiveMessage(kind, {}).msg_type is kind
    with pytest.raises(UnknownMessageType, match="known once a client with that plugin is made"):
        HiveMessage("wire.undefined")
    with pytest.raises(FrameError):
        HiveMessage.deserialize({"msg_type": "wire.undefined", "payload": {}})


def test_a_name_means_what_it_meant_first() -> None:
    first, other = MessageType("wire.first"), MessageType("wire.first", "text")
    assert define(first) is first
    assert define(MessageType("wire.first")) is first
    assert define(other) is first and not same(first, other)


@pytest.mark.parametrize("base", [MessageType, BinaryType])
def test_a_type_is_no_base(base: type) -> None:
    """A client that lacks the plugin would not know an object of such a class from a built-in type."""
    with pytest.raises(TypeError, match="cannot be a base: make an object of it"):
        type("Own", (base,), {})
