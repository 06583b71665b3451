"""HiveMessage: taken as given or refused, read from anything or one typed error."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from types import MappingProxyType, SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from hivemind_core_client.errors import FrameError, InvalidMessage, ProtocolError, UnknownMessageType
from hivemind_core_client.message import (
    OVOS_TYPES,
    WRAPPER_TYPES,
    HiveMessage,
    HiveMessageType,
    HiveMindBinaryPayloadType,
    is_ovos_message,
)
from hivemind_core_client.wire import json_text as jsontext
from hivemind_core_client.wire import message as message_module
from hivemind_core_client.wire.json_text import json_object, json_text
from tests.unit.strategies import JSON, OBJECTS

T = HiveMessageType
BIN = HiveMindBinaryPayloadType
INNER: dict[str, Any] = {"type": "speak", "data": {"utterance": "grüß dich"}, "context": {}}
OBJECT_TYPES = [t for t in T if t not in OVOS_TYPES and t not in WRAPPER_TYPES and t is not T.BINARY]

WIRE_NAMES = {
    "HANDSHAKE": "shake",
    "BUS": "bus",
    "SHARED_BUS": "shared_bus",
    "BROADCAST": "broadcast",
    "PROPAGATE": "propagate",
    "ESCALATE": "escalate",
    "HELLO": "hello",
    "QUERY": "query",
    "CASCADE": "cascade",
    "PING": "ping",
    "RENDEZVOUS": "rendezvous",
    "THIRDPRTY": "3rdparty",
    "BINARY": "bin",
    "INTERCOM": "intercom",
}


def ovos(**fields: Any) -> Any:
    return SimpleNamespace(**{"msg_type": "speak", "data": {"a": 1}, "context": {}, **fields})


def sample(msg_type: HiveMessageType, **extra: Any) -> HiveMessage:
    """A message of this type with a payload that fits."""
    if msg_type is T.BINARY:
        return HiveMessage(msg_type, b"\x00\xff", bin_type=BIN.FILE, **extra)
    if msg_type in WRAPPER_TYPES:
        return HiveMessage(msg_type, HiveMessage("bus", INNER), **extra)
    return HiveMessage(msg_type, INNER, **extra)


def test_the_wire_names_of_the_protocol() -> None:
    assert {member.name: member.value for member in T} == WIRE_NAMES
    assert [f"{member}" for member in T] == [str(member) for member in T] == list(WIRE_NAMES.values())
    assert f"{T.BUS:>5}" == "  bus" and len({T.BUS, "bus"}) == 1
    assert [(member.name, member.value) for member in BIN] == [
        ("UNDEFINED", 0),
        ("RAW_AUDIO", 1),
        ("NUMPY_IMAGE", 2),
        ("FILE", 3),
        ("STT_AUDIO_TRANSCRIBE", 4),
        ("STT_AUDIO_HANDLE", 5),
        ("TTS_AUDIO", 6),
    ]


@pytest.mark.parametrize("msg_type", [t for t in T if t is not T.BINARY])
def test_text_round_trip(msg_type: HiveMessageType) -> None:
    message = sample(
        msg_type,
        node="n",
        source_peer="a::b",
        route=[{"source": "a", "targets": ["b"]}],
        target_site_id="kitchen",
        target_pubkey="PEM",
        metadata={"ü": 1},
    )
    for form in (
        message.serialize(),
        message.as_json,
        str(message),
        message.as_json.encode(),
        message.as_dict,
    ):
        assert HiveMessage.deserialize(form) == message
    assert list(message.as_dict) == [
        "msg_type",
        "payload",
        "metadata",
        "route",
        "node",
        "target_site_id",
        "target_pubkey",
        "source_peer",
    ]
    assert "ü" in message.as_json


@pytest.mark.parametrize("msg_type", sorted(OVOS_TYPES))
def test_an_ovos_message_becomes_its_object_and_back(
    msg_type: HiveMessageType, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = HiveMessage(msg_type, ovos())
    assert message.raw_payload == {"type": "speak", "data": {"a": 1}, "context": {}}
    monkeypatch.setattr(
        message_module, "to_message", lambda fields: ovos(made_of=fields, data=fields["data"])
    )
    assert message.payload.made_of is message.raw_payload


def test_the_ovos_message_of_a_payload() -> None:
    from ovos_bus_client.message import Message

    payload = HiveMessage("bus", Message("speak", {"a": 1}, {"b": 2})).payload
    assert isinstance(payload, Message)
    assert (payload.msg_type, payload.data, payload.context["b"]) == ("speak", {"a": 1}, 2)


@pytest.mark.parametrize("msg_type", sorted(WRAPPER_TYPES))
def test_a_wrapper_gives_back_its_message(msg_type: HiveMessageType) -> None:
    assert sample(msg_type).payload == HiveMessage("bus", INNER)


def test_messages_payloads_are_as_given() -> None:
    """Row: `b""` became `{}`."""
    assert HiveMessage("bin", b"").payload == b""
    assert HiveMessage("bin", bytearray(b"x")).payload == HiveMessage("bin", memoryview(b"x")).payload == b"x"
    assert HiveMessage("ping").payload == HiveMessage("ping", None).payload == {}
    given_dict = {"a": 1}
    assert HiveMessage("3rdparty", given_dict).raw_payload is given_dict


REFUSED: list[tuple[str, Any, dict[str, Any]]] = [
    ("text that is no JSON", "ping", {"payload": "hi"}),
    ("JSON text of a list", "ping", {"payload": "[1]"}),
    ("JSON text of no Message", "bus", {"payload": '{"data": {}}'}),
    ("JSON text of a HiveMessage", "bus", {"payload": HiveMessage("bus", INNER).serialize()}),
    ("a list", "3rdparty", {"payload": [1]}),
    ("bytes that are not BINARY", "3rdparty", {"payload": b"x"}),
    ("BINARY of text", "bin", {"payload": "x"}),
    ("BINARY of nothing", "bin", {"payload": None}),
    ("BINARY of an object", "bin", {"payload": {}}),
    ("BINARY of a number", "bin", {"payload": 5}),
    ("a bus message without a type", "bus", {"payload": {"data": {}}}),
    ("a bus message whose type is no text", "bus", {"payload": {"type": 1}}),
    ("a bus message of nothing", "bus", {"payload": None}),
    ("a bus message with data that is text", "bus", {"payload": {"type": "x", "data": "y"}}),
    ("a bus message with a context that is a list", "bus", {"payload": {"type": "x", "context": []}}),
    ("a wrapper of nothing", "broadcast", {"payload": None}),
    ("a wrapper of an object", "query", {"payload": {"a": 1}}),
    ("a wrapper of an ovos message with data that is text", "query", {"payload": {"type": "x", "data": "y"}}),
    ("a wrapper of JSON text of an object", "query", {"payload": '{"a": 1}'}),
    ("a wrapper of BINARY", "propagate", {"payload": HiveMessage("bin", b"x")}),
    ("messages/bin_type on another type", "ping", {"bin_type": BIN.FILE}),
    ("an unknown bin_type", "bin", {"payload": b"", "bin_type": 16}),
]


@pytest.mark.parametrize(
    ("msg_type", "fields"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_does_not_fit_is_refused(msg_type: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessage):
        HiveMessage(msg_type, **fields)


@pytest.mark.parametrize("msg_type", ["", "BUS", "pong", None, 1, [], {}])
def test_messages_unknown_types_are_refused(msg_type: Any) -> None:
    """Row: unknown types were relabelled."""
    with pytest.raises(UnknownMessageType):
        HiveMessage(msg_type)
    with pytest.raises(UnknownMessageType):
        HiveMessage.deserialize({"msg_type": msg_type, "payload": {}})


UNREADABLE: list[Any] = [
    "",
    "{",
    "[]",
    "null",
    '"text"',
    "1",
    "{}",
    b"\xff\xfe",
    b"",
    '{"msg_type": "bus"}',
    '{"msg_type": "bus", "payload": "{}"}',
    '{"msg_type": "bus", "payload": {}}',
    '{"msg_type": "bus", "payload": null}',
    '{"msg_type": "bin", "payload": {}}',
    '{"msg_type": "bin", "payload": "00ff"}',
    '{"msg_type": "query", "payload": {}}',
    '{"type": 1}',
    '{"type": "speak", "data": []}',
    '{"msg_type": null, "type": "speak"}',
    '{"msg_type": "ping", "payload": []}',
    '{"msg_type": "ping", "payload": {}, "metadata": []}',
    '{"msg_type": "ping", "payload": {}, "metadata": "x"}',
    '{"msg_type": "ping", "payload": {}, "route": {}}',
    '{"msg_type": "ping", "payload": {}, "node": 1}',
    '{"msg_type": "ping", "payload": {}, "source_peer": []}',
    '{"msg_type": "ping", "payload": {}, "target_site_id": {}}',
    '{"msg_type": "ping", "payload": {}, "target_pubkey": true}',
    "[" * 100_000,
    '{"a":' * 100_000,
]


@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: repr(text)[:60])
def test_what_is_no_message_is_one_typed_error(text: Any) -> None:
    with pytest.raises(FrameError):
        HiveMessage.deserialize(text)


NAMES = st.none() | st.text(max_size=8)


@given(st.text() | st.binary())
def test_any_text_or_bytes_give_a_message_or_one_typed_error(text: Any) -> None:
    with contextlib.suppress(ProtocolError):
        assert isinstance(HiveMessage.deserialize(text), HiveMessage)


@given(
    msg_type=st.sampled_from(list(WIRE_NAMES.values())) | JSON,
    payload=JSON | st.fixed_dictionaries({"type": JSON}, optional={"data": JSON, "context": JSON}),
    fields=st.dictionaries(
        st.sampled_from(["metadata", "route", "node", "target_site_id", "target_pubkey", "source_peer"]), JSON
    ),
)
def test_any_object_gives_a_message_or_one_typed_error(msg_type: Any, payload: Any, fields: Any) -> None:
    try:
        message = HiveMessage.deserialize({"msg_type": msg_type, "payload": payload, **fields})
    except ProtocolError:
        return
    again = HiveMessage.deserialize(message.serialize())
    assert again == message and again.route == message.route


@given(st.sampled_from(OBJECT_TYPES), OBJECTS, OBJECTS, NAMES, NAMES)
def test_any_payload_comes_back(
    msg_type: HiveMessageType, payload: Any, metadata: Any, node: Any, site: Any
) -> None:
    message = HiveMessage(msg_type, payload, node=node, target_site_id=site, metadata=metadata)
    assert HiveMessage.deserialize(message.serialize()) == message


HOPS: list[tuple[Any, bool]] = [
    ({"source": "a", "targets": ["b"]}, True),
    ({"source": "a"}, True),
    ({"targets": ["b"]}, False),
    ({"source": "a", "targets": []}, True),
    ({"source": None, "targets": ["b"]}, False),
    ({"source": 5, "targets": ["b"]}, False),
    ({"source": "", "targets": ["b"]}, False),
    ("a", False),
    (None, False),
    ([], False),
]


@pytest.mark.parametrize(("hop", "kept"), HOPS)
def test_messages_malformed_hops_are_skipped(hop: Any, kept: bool) -> None:
    """Row: malformed hops crashed."""
    good = {"source": "x", "targets": ["y"]}
    message = HiveMessage("ping", {}, route=[good, hop])
    assert message.route == ([good, hop] if kept else [good])
    assert HiveMessage.deserialize(message.serialize()).route == message.route


def test_hops_are_noted() -> None:
    message = HiveMessage("ping", {}, source_peer="a", target_peers=["b"])
    message.update_hop_data({"x": 1}, y=2)
    assert message.route == [{"source": "a", "targets": ["b"], "x": 1, "y": 2}]
    message.update_hop_data(z=3)
    assert message.route == [{"source": "a", "targets": ["b"], "x": 1, "y": 2, "z": 3}]
    assert message.update_source_peer("c") is message and message.source_peer == "c"
    message.update_hop_data()
    assert message.route[-1] == {"source": "c", "targets": ["b"]}
    message.replace_route(["broken"])  # type: ignore[list-item]  # as a peer may send it
    message.update_hop_data()
    assert message.route == [{"source": "c", "targets": ["b"]}]


def test_target_peers() -> None:
    assert HiveMessage("ping", {}).target_peers == []
    message = HiveMessage("ping", {}, source_peer="me")
    assert message.target_peers == ["me"]
    message.add_target_peer("you")
    assert message.target_peers == ["you"]
    message.remove_target_peer("nobody")
    message.remove_target_peer("you")
    assert message.target_peers == ["me"]


def test_fields_of_the_envelope() -> None:
    message = HiveMessage("ping", {}, node="n", target_site_id="s", target_pubkey="k", metadata={"m": 1})
    assert (message.node_id, message.target_site_id, message.target_public_key) == ("n", "s", "k")
    assert message.metadata == {"m": 1} and message.bin_type is BIN.UNDEFINED


def test_fields_of_a_payload() -> None:
    message = HiveMessage("ping", {"a": 1})
    message["b"] = 2
    assert (message["a"], message["b"], message["c"]) == (1, 2, None)
    binary = HiveMessage("bin", b"x")
    with pytest.raises(TypeError):
        binary["a"]
    with pytest.raises(TypeError):
        binary["a"] = 1


def test_a_payload_can_be_replaced_by_one_that_fits() -> None:
    message = HiveMessage("bus", INNER)
    message.payload = ovos(msg_type="other")
    assert message["type"] == "other"
    with pytest.raises(InvalidMessage):
        message.payload = "text"
    assert message["type"] == "other"


def test_equality_is_of_what_travels() -> None:
    assert HiveMessage("ping", {}) == HiveMessage(T.PING)
    assert HiveMessage("ping", {}) != HiveMessage("hello", {})
    assert HiveMessage("bin", b"x") != HiveMessage("bin", b"x", bin_type=BIN.FILE)
    assert HiveMessage("ping", {}) != "ping"
    with pytest.raises(TypeError):
        hash(HiveMessage("ping"))


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (HiveMessage("3rdparty", {"password": "hunter2"}), "<HiveMessage THIRDPRTY, 1 fields>"),
        (HiveMessage("bin", b"hunter2"), "<HiveMessage BINARY, 7 bytes>"),
        (HiveMessage("bin", b"hunter2", bin_type=BIN.FILE), "<HiveMessage BINARY:FILE, 7 bytes>"),
    ],
)
def test_repr_shows_no_payload(message: HiveMessage, shown: str) -> None:
    assert repr(message) == shown


def test_binary_has_no_json_form() -> None:
    message = HiveMessage("bin", b"x")
    assert str(message) == repr(message)
    with pytest.raises(InvalidMessage):
        message.serialize()


@pytest.fixture(params=["standard library", "fastest"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which JSON library reads and writes: the one of Python, or the fastest that is installed."""
    if request.param == "standard library":
        monkeypatch.setattr(jsontext, "decode", jsontext.standard_decode)
        monkeypatch.setattr(jsontext, "fast_encode", None)
    return str(request.param)


class Serializable:
    def serialize(self) -> dict[str, int]:
        return {"n": 1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"s": Serializable()}, '{"s":{"n":1}}'),
        ({"s": frozenset([1])}, '{"s":[1]}'),
        ({"t": (1, 2)}, '{"t":[1,2]}'),
        ({"m": MappingProxyType({"a": 1})}, '{"m":{"a":1}}'),
        ({"e": T.BUS}, '{"e":"bus"}'),
        ({"ü": "\U0001f600"}, '{"ü":"\U0001f600"}'),
        ({1: 2**70, "x": 1.5}, '{"1":1180591620717411303424,"x":1.5}'),
        ({"s": "\ud800"}, '{"s":"\ud800"}'),
    ],
)
def test_objects_inside_a_payload_take_their_json_form(value: Any, text: str, library: str) -> None:
    assert json_text(value) == text


@frozen
class FrozenThing:
    size: int


class Colour(Enum):
    RED = "red"


def circle() -> dict[str, Any]:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    return loop


def tower() -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(100_000):
        value = {"a": value}
    return value


NO_FORM: dict[str, Callable[[], Any]] = {
    "an object": object,
    "bytes": lambda: b"x",
    "infinity": lambda: float("inf"),
    "no number": lambda: [{"a": float("nan")}],
    "a time": lambda: datetime(2026, 1, 1),
    "an id": lambda: UUID(int=1),
    "a decimal number": lambda: Decimal(1),
    "an attrs object": lambda: FrozenThing(1),
    "a member of an enumeration": lambda: Colour.RED,
    "a key that is no text": lambda: {(1, 2): 3},
    "a circle": circle,
    "a tower": tower,
}


@pytest.mark.parametrize("name", NO_FORM)
def test_what_has_no_json_form_is_refused(name: str, library: str) -> None:
    with pytest.raises(InvalidMessage):
        json_text({"value": NO_FORM[name]()})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 123456789012345678901234567890}', 123456789012345678901234567890),
        ('{"a": "\\u00fc\\ud83d\\ude00"}', "ü😀"),
        (b'{"a": "\xc3\xbc"}', "ü"),
        ('{"a": 1, "a": 2}', 2),
        ('{"a": 1.7976931348623157e308}', 1.7976931348623157e308),
        ('{"a": 1e-400}', 0.0),
        ('{"a": NaN}', None),
        (b'{"a": [1, Infinity]}', [1, None]),
        ('{"a": -Infinity}', None),
        ('{"a": 1e400}', None),
        ('{"a": {"b": -1E+400}}', {"b": None}),
        ('{"a": 1.7976931348623159e308}', None),
        (f'{{"a": {"9" * 400}.0}}', None),
        ('{"a": "NaN"}', "NaN"),
    ],
)
def test_json_is_read_alike_by_both_libraries(text: str | bytes, value: object, library: str) -> None:
    assert json_object(text) == {"a": value}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "\\ud800"}',
        '{"a": "\ud800"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"\\udfff": 1}',
        '{"a": "\\ud800\\u0041"}',
        "{" * 100_000,
        "nul",
        b"\xff",
        '{"a": nan}',
        '{"a": +Infinity}',
        '{"a": Infinity0}',
    ],
    ids=lambda text: repr(text)[:30],
)
def test_what_is_no_json_is_one_error_by_both_libraries(text: str | bytes, library: str) -> None:
    with pytest.raises(FrameError):
        json_object(text)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=2)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=2) | st.integers() | st.booleans() | st.none(), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(VALUES)
def test_what_is_written_means_the_same_by_both_libraries(value: Any) -> None:
    try:
        standard = jsontext.standard_text({"value": value})
    except InvalidMessage:
        with pytest.raises(InvalidMessage):
            json_text({"value": value})
    else:
        assert json.loads(json_text({"value": value})) == json.loads(standard)


NUMBERS = st.from_regex(r"-?[1-9][0-9]{0,330}(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
TEXTS = st.recursive(
    NUMBERS | st.sampled_from(["NaN", "Infinity", "-Infinity", "null", '"1e400"', '"NaN"']),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda each: f"[{','.join(each)}]")
        | inner.map(lambda each: f'{{"é": {each}}}')
    ),
    max_leaves=5,
)


@given(TEXTS)
def test_what_is_read_can_be_written_and_both_libraries_agree(text: str) -> None:
    text = f'{{"a": {text}}}'
    fastest = jsontext.decode
    assert fastest is not jsontext.standard_decode, "the tests are run with msgspec"
    results: list[object] = []
    for source in (text, text.encode()):
        for decode in (fastest, jsontext.standard_decode):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(jsontext, "decode", decode)
                try:
                    results.append(json_object(source))
                except FrameError:
                    results.append("refused")
    assert all(each == results[0] for each in results)
    assert results[0] == with_null(json.loads(text))
    assert json.loads(json_text(results[0])) == results[0]


def with_null(value: Any) -> Any:
    """The same with null for each number that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: with_null(each) for key, each in value.items()}
    return [with_null(each) for each in value] if isinstance(value, list) else value


class Serializable:
    """As an OVOS Session, which knows its own form."""

    def serialize(self) -> dict[str, Any]:
        return {"lat": math.nan}


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"score": math.nan}, "payload.data.score"),
        ({"a": [1, {"b": (2, -math.inf)}]}, "payload.data.a[1].b[1]"),
        ({"ok": 1e308, "session": Serializable()}, "payload.data.session.lat"),
    ],
)
def test_a_number_that_json_does_not_have_is_named(data: dict[str, Any], field: str, library: str) -> None:
    message = HiveMessage("bus", {"type": "x", "data": data, "context": {}})
    with pytest.raises(InvalidMessage) as caught:
        message.serialize()
    assert str(caught.value) == (
        f"{field} is a number that JSON does not have; send None in its place (NaN and Infinity are none)"
    )


def test_a_number_that_is_no_field_is_told_too(library: str) -> None:
    with pytest.raises(InvalidMessage, match="a payload is a number"):
        json_text(math.inf)
    with pytest.raises(InvalidMessage, match="no JSON form"):
        json_text({math.nan: 1})


def test_a_number_that_stands_deep_is_an_error_all_the_same(library: str) -> None:
    value: Any = math.nan
    for _ in range(600):
        value = [value]
    with pytest.raises(InvalidMessage):
        json_text({"x": value})
    with pytest.raises(InvalidMessage) as caught:
        json_text({"long" * 1000: math.nan})
    assert len(str(caught.value)) < 300


def test_json_objects_only() -> None:
    assert json_object(b'{"a": 1}') == {"a": 1}
    with pytest.raises(FrameError, match="the offer is a JSON list"):
        json_object("[]", "the offer")


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        (ovos(), True),
        (ovos(data=None), False),
        (ovos(context=None), False),
        (ovos(msg_type=None), False),
        ("x", False),
        (HiveMessage("ping"), False),
    ],
)
def test_an_ovos_message_is_told_by_its_shape(value: Any, is_one: bool) -> None:
    assert is_ovos_message(value) is is_one


ENVELOPE: dict[str, Any] = {
    "node": "n",
    "source_peer": "s",
    "route": [{"source": "a", "targets": ["b"]}, "broken", {"targets": []}],
    "target_peers": ["t"],
    "target_site_id": "kitchen",
    "target_pubkey": "PEM",
    "metadata": {"m": 1},
}
CHANGES: dict[str, Any] = {
    **{name: value[:1] if name == "route" else value for name, value in ENVELOPE.items()},
    "node": "other",
    "source_peer": "other",
    "target_site_id": "other",
    "target_pubkey": "other",
    "target_peers": ["x", "y"],
    "metadata": {},
}


def facts_of(message: HiveMessage) -> dict[str, Any]:
    return {
        "msg_type": message.msg_type,
        "payload": message.raw_payload,
        "node": message.node_id,
        "source_peer": message.source_peer,
        "route": message.raw_route,
        "target_peers": message.target_peers,
        "target_site_id": message.target_site_id,
        "target_pubkey": message.target_public_key,
        "bin_type": message.bin_type,
        "metadata": message.metadata,
    }


@pytest.mark.parametrize("msg_type", list(T))
def test_a_copy_has_everything_malformed_hops_included(msg_type: HiveMessageType) -> None:
    message = sample(msg_type, **ENVELOPE)
    copied = message.copy()
    assert facts_of(copied) == facts_of(message) and copied is not message
    assert copied.raw_payload is message.raw_payload or msg_type is T.BINARY


@pytest.mark.parametrize("name", CHANGES)
def test_a_copy_differs_in_what_was_asked_for_only(name: str) -> None:
    message = sample(T.BUS, **ENVELOPE)
    changed = message.copy(**{name: CHANGES[name]})
    assert facts_of(changed) == {**facts_of(message), name: CHANGES[name]}
    assert facts_of(message) == facts_of(sample(T.BUS, **ENVELOPE))


def test_a_copy_and_its_message_do_not_share_route_and_peers() -> None:
    message = sample(T.PING, **{**ENVELOPE, "route": [{"source": "a", "targets": ["b"]}]})
    copied = message.copy()
    copied.update_hop_data()
    copied.add_target_peer("x")
    assert len(message.raw_route) == 1 and message.target_peers == ["t"]


def test_a_copy_is_checked_like_any_message() -> None:
    with pytest.raises(InvalidMessage):
        sample(T.BUS).copy(payload={"no": "type"})
    with pytest.raises(InvalidMessage):
        sample(T.BUS).copy(bin_type=BIN.FILE)
    assert sample(T.BINARY).copy(bin_type=BIN.TTS_AUDIO).bin_type is BIN.TTS_AUDIO
    inner = {"msg_type": "bus", "payload": {"type": "a"}}
    assert sample(T.BUS).copy(payload=inner, msg_type=T.BROADCAST).payload.msg_type is T.BUS
    assert sample(T.BUS).copy(payload=SimpleNamespace(msg_type="a", data={"b": 1}, context={})).raw_payload[
        "data"
    ] == {"b": 1}
    with pytest.raises(TypeError, match="no_such_argument"):
        sample(T.BUS).copy(no_such_argument=1)


@pytest.mark.parametrize("name", sorted(set(CHANGES) - {"payload"}))
def test_none_in_a_copy_means_what_it_means_in_the_constructor(name: str) -> None:
    copied = sample(T.PING, **ENVELOPE).copy(**{name: None})
    made = sample(T.PING, **{**ENVELOPE, name: None})
    assert facts_of(copied) == facts_of(made)


@pytest.mark.parametrize(("hop", "kept"), HOPS)
def test_the_raw_route_hides_no_hop(hop: Any, kept: bool) -> None:
    fields = {"msg_type": "ping", "payload": {}, "route": [hop]}
    message = HiveMessage.deserialize(fields)
    assert message.raw_route == [hop]
    assert bool(message.route) is kept


@pytest.mark.parametrize("last", [{"source": "me::1", "targets": []}, {"source": "me::1"}, {}, "me::1", None])
def test_a_hop_without_targets_does_not_stand_for_our_own(last: Any) -> None:
    """A sender could put one there, which older nodes would then leave out: nobody would have sent it."""
    message = HiveMessage("propagate", HiveMessage("bus", {"type": "x"}), source_peer="me::1", route=[last])
    message.update_hop_data()
    assert message.raw_route == [last, {"source": "me::1", "targets": ["me::1"]}]
