"""The payload of a message: one object for whoever asks, taken in the forms that satellites of older versions send."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ovos_bus_client.message import Message

from hivemind_core_client.builtins import binary_serializer
from hivemind_core_client.errors import FrameError, InvalidMessage
from hivemind_core_client.message import OVOS_TYPES, WRAPPER_TYPES, HiveMessage, HiveMessageType
from hivemind_core_client.wire import message as message_module
from hivemind_core_client.wire.json_text import json_text
from tests.unit.strategies import OBJECTS

T = HiveMessageType
ENOUGH = 1 << 20
NAMES = st.text(min_size=1, max_size=8)


def speak(**context: Any) -> Message:
    return Message("speak", {"utterance": "ü"}, context)


def travelling(message: HiveMessage) -> list[Any]:
    """The payload of a message in every way that it is sent on."""
    frame = binary_serializer.encode(message)
    assert frame is not None
    return [
        message.raw_payload,
        message.as_dict["payload"],
        json.loads(message.serialize())["payload"],
        json.loads(str(message))["payload"],
        message.forward().raw_payload,
        message.copy().as_dict["payload"],
        binary_serializer.decode(frame, ENOUGH).raw_payload,
    ]


def change_in_place(payload: Any) -> None:
    payload.context["destination"] = "hall"


def set_anew(payload: Any) -> None:
    payload.context = {"destination": "hall"}


@pytest.mark.parametrize("change", [change_in_place, set_anew])
@pytest.mark.parametrize("msg_type", sorted(OVOS_TYPES))
@pytest.mark.parametrize("given_context", [{}, {"session": {}}, None])
def test_a_change_of_the_payload_travels(msg_type: HiveMessageType, change: Any, given_context: Any) -> None:
    message = HiveMessage(msg_type, {"type": "speak", "context": given_context})
    change(message.payload)
    assert message.payload is message.payload
    for fields in travelling(message):
        assert fields["context"]["destination"] == "hall"


def test_type_and_data_travel_too() -> None:
    message = HiveMessage("bus", speak())
    message.payload.msg_type, message.payload.data = "mycroft.stop", {}
    for fields in travelling(message):
        assert (fields["type"], fields["data"]) == ("mycroft.stop", {})


def test_a_change_deep_inside_wrappers_travels() -> None:
    message = HiveMessage.deserialize(
        HiveMessage("escalate", HiveMessage("propagate", HiveMessage("bus", speak()))).serialize()
    )
    message.payload.payload.payload.context = {"deep": 1}
    assert message.payload is message.payload
    for fields in travelling(message):
        assert fields["payload"]["payload"]["context"] == {"deep": 1}


def test_what_becomes_of_a_message_inside_travels() -> None:
    message = HiveMessage("propagate", HiveMessage("bus", speak()))
    inner = message.payload
    inner.update_source_peer("kitchen").add_target_peer("hall")
    inner.update_hop_data()
    inner.payload = Message("mycroft.stop")
    for fields in travelling(message):
        assert fields["source_peer"] == "kitchen" and fields["payload"]["type"] == "mycroft.stop"
        assert fields["route"] == [{"source": "kitchen", "targets": ["hall"]}]


@pytest.mark.parametrize("payload", [{"type": "speak"}, {"type": "speak", "data": None, "more": 1}])
def test_a_look_changes_nothing(payload: Any) -> None:
    message = HiveMessage("bus", payload)
    before = copy.deepcopy(payload)
    assert message.payload.context == {} and message.raw_payload is payload == before
    wrapper = HiveMessage("query", {"msg_type": "bus", "payload": payload, "more": 2})
    untouched = wrapper.copy()
    assert wrapper.payload.payload.msg_type == "speak" and wrapper == untouched


@given(OBJECTS, OBJECTS, NAMES)
def test_whatever_it_is_changed_to_travels(data: Any, context: Any, name: str) -> None:
    message = HiveMessage("bus", {"type": "before", "data": {"a": 1}, "context": {"b": 2}})
    payload = message.payload
    payload.msg_type, payload.data = name, data
    payload.context.clear()
    payload.context.update(context)
    again = HiveMessage.deserialize(message.serialize())
    assert again.raw_payload == {"type": name, "data": data, "context": context}
    assert again == message and again == HiveMessage.from_wire(again.as_dict)


@pytest.mark.parametrize(
    ("name", "value"), [("msg_type", None), ("data", [1]), ("data", "text"), ("context", 5)]
)
def test_a_change_to_what_has_no_form_is_refused_when_it_is_sent(name: str, value: Any) -> None:
    message = HiveMessage("bus", speak())
    setattr(message.payload, name, value)
    for send in (message.serialize, message.copy().serialize, lambda: binary_serializer.encode(message)):
        with pytest.raises(InvalidMessage):
            send()
    assert repr(message) == "<HiveMessage BUS, 3 fields>"  # a log is no place to fail


def test_fields_are_those_of_the_object() -> None:
    message = HiveMessage("bus", speak())
    payload = message.payload
    message["context"] = {"a": 1}
    assert payload.context == message["context"] == {"a": 1} and message.payload is payload
    message["more"] = 2
    assert message["more"] == 2 and message.payload.context == {"a": 1}
    wrapper = HiveMessage("query", message)
    assert wrapper.payload.payload.msg_type == "speak"
    wrapper["payload"] = {"type": "mycroft.stop"}
    assert wrapper.payload.payload.msg_type == "mycroft.stop"


def test_a_message_whose_payload_was_looked_at_can_be_copied() -> None:
    message = HiveMessage("query", HiveMessage("bus", speak()))
    message.payload.payload.context["a"] = 1
    for same in (copy.deepcopy(message), pickle.loads(pickle.dumps(message))):
        assert same == message and same.payload is not message.payload


def test_to_send_on() -> None:
    message = HiveMessage(
        "bus",
        speak(),
        node="n",
        source_peer="kitchen",
        route=[{"source": "a", "targets": ["b"]}],
        target_peers=["hall"],
        target_site_id="home",
        target_pubkey="PEM",
        metadata={"lang": "de"},
    )
    message.payload.context["a"] = 1
    onward = message.forward()
    assert onward == message and onward.target_peers == ["hall"] and onward.payload is message.payload
    onward.update_source_peer("hub").update_hop_data()
    onward.add_target_peer("office")
    onward.metadata["lang"] = "pt"
    assert (message.source_peer, message.target_peers) == ("kitchen", ["hall"])
    assert message.route == [{"source": "a", "targets": ["b"]}] and message.metadata == {"lang": "de"}
    other = message.forward(Message("mycroft.stop"), source_peer="hub", node=None, route=None, metadata=None)
    assert (other["type"], other.source_peer, other.node_id) == ("mycroft.stop", "hub", None)
    assert other.route == [] and other.metadata == {} and other.target_site_id == "home"


def test_to_send_on_inside_another() -> None:
    message = HiveMessage("bus", speak(), source_peer="kitchen")
    onward = message.forward(message, T.ESCALATE)
    assert onward.msg_type is T.ESCALATE and onward.payload == message and onward.source_peer == "kitchen"
    assert HiveMessage("bin", b"x", bin_type=1).forward(b"y").bin_type == 1
    with pytest.raises(InvalidMessage):
        message.forward(msg_type="bin")


@pytest.mark.parametrize("msg_type", sorted(WRAPPER_TYPES))
@pytest.mark.parametrize(
    "bare",
    [
        speak(a=1),
        {"type": "speak", "data": {"utterance": "ü"}, "context": {"a": 1}},
        json_text({"type": "speak", "data": {"utterance": "ü"}, "context": {"a": 1}}),
    ],
    ids=["Message", "dict", "text"],
)
def test_a_bare_message_in_a_wrapper_becomes_a_bus_message(msg_type: HiveMessageType, bare: Any) -> None:
    message = HiveMessage(msg_type, bare)
    whole = HiveMessage(msg_type, HiveMessage("bus", speak(a=1)))
    assert message == whole and message.serialize() == whole.serialize()
    assert binary_serializer.encode(message) == binary_serializer.encode(whole)
    assert message.payload.payload.context == {"a": 1}


def test_a_wrapper_that_arrives_with_a_bare_message_is_read() -> None:
    inner = {"type": "speak", "data": {}, "context": {}}
    arrived = HiveMessage.from_wire({"msg_type": "escalate", "payload": inner})
    assert arrived.payload == HiveMessage("bus", inner)


@given(st.sampled_from([t for t in T if t.form is dict and t not in OVOS_TYPES | WRAPPER_TYPES]), OBJECTS)
def test_json_text_is_the_dict_that_it_says(msg_type: HiveMessageType, payload: Any) -> None:
    assert HiveMessage(msg_type, json.dumps(payload)) == HiveMessage(msg_type, payload)


@given(st.sampled_from(sorted(OVOS_TYPES)), OBJECTS, OBJECTS)
def test_json_text_of_a_message_is_that_message(msg_type: HiveMessageType, data: Any, context: Any) -> None:
    fields = {"type": "speak", "data": data, "context": context}
    assert HiveMessage(msg_type, json.dumps(fields)) == HiveMessage(msg_type, fields)


def test_a_bare_message_is_read_where_anything_is() -> None:
    fields = {"type": "speak", "data": {"a": 1}, "context": {}}
    for form in (fields, json.dumps(fields), json.dumps(fields).encode()):
        assert HiveMessage.deserialize(form) == HiveMessage("bus", fields)
        with pytest.raises(FrameError):
            HiveMessage.from_wire(form)


def test_what_a_bare_message_says_of_the_message_around_it_goes_there() -> None:
    message = HiveMessage.deserialize(
        {
            "type": "speak",
            "data": {"a": 1},
            "metadata": {"lang": "en"},
            "target_site_id": "hall",
            "target_pubkey": "k",
        }
    )
    assert (message.msg_type, message.raw_payload) == (T.BUS, {"type": "speak", "data": {"a": 1}})
    assert (message.metadata, message.target_site_id, message.target_public_key) == (
        {"lang": "en"},
        "hall",
        "k",
    )
    with pytest.raises(FrameError):
        HiveMessage.deserialize({"type": "speak", "target_site_id": 5})


@pytest.mark.parametrize(("key", "value"), [("type", 5), ("type", None), ("data", "x"), ("context", [])])
@pytest.mark.parametrize("kind", ["bus", "propagate"])
def test_a_field_is_not_set_to_what_does_not_fit(kind: str, key: str, value: Any) -> None:
    message = HiveMessage(kind, {"type": "speak", "data": {}})
    target = message if kind == "bus" else message.payload
    before = message.as_json
    with pytest.raises(InvalidMessage):
        target[key] = value
    assert message.as_json == before


@pytest.mark.parametrize("kind", ["bus", "propagate"])
def test_threads_that_ask_at_once_get_the_same_object(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    message = HiveMessage(kind, speak())
    both, read, make = threading.Barrier(2), HiveMessage.from_wire, message_module.to_message

    def read_together(fields: Any) -> Any:
        both.wait(10)
        return read(fields)

    def make_together(fields: Any) -> Any:
        both.wait(10)
        return make(fields)

    monkeypatch.setattr(HiveMessage, "from_wire", staticmethod(read_together))
    monkeypatch.setattr(message_module, "to_message", make_together)
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(lambda _: message.payload, range(2))
    assert one is other is message.payload


def test_a_payload_that_is_set_while_another_thread_opens_the_former_one_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message, make = HiveMessage("bus", speak()), message_module.to_message

    def make_too_late(fields: Any) -> Any:
        monkeypatch.setattr(message_module, "to_message", make)
        message.payload = Message("mycroft.stop")
        return make(fields)

    monkeypatch.setattr(message_module, "to_message", make_too_late)
    assert message.payload.msg_type == "speak" and message.payload.msg_type == "mycroft.stop"
