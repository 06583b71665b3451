"""Message types and bin types that plugins bring: what a Link and its Dispatcher take and refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hivemind_core_client.errors import FrameError, UnknownMessageType
from hivemind_core_client.kernel.dispatch import Dispatcher
from hivemind_core_client.kernel.events import Arrived, ArrivedInside, Rejected
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.plugins.contract import (
    BinaryHandler,
    BinaryType,
    CallBack,
    Context,
    Deliver,
    Dispatch,
    MessageHandler,
    MessageType,
)
from hivemind_core_client.plugins.registry import Registry
from tests.unit.support import SITE, keyed_by_password, new_context, only, plugin, plugins_of, told

TIDE = MessageType("kernel.tide")
NOTE = MessageType("kernel.note", "text")
CRATE = MessageType("kernel.crate", "hive")
#: Defined in this process by nobody whose client is tried here.
STRANGE = MessageType("kernel.strange")
GRAPH, STRANGE_DATA = BinaryType(7, "KERNEL_GRAPH"), BinaryType(15, "KERNEL_STRANGE")


def deliver(context: Context, message: HiveMessage) -> Any:
    return [Deliver({"type": "tide", "data": message.payload, "context": {}})]


def open_crate(context: Context, message: HiveMessage) -> Any:
    return [Dispatch(message.payload)]


def receive_graph(context: Context, data: bytes, metadata: Any) -> Any:
    return [CallBack("handle_receive_undefined", {"bin_data": data})]


def hub() -> Any:
    """A session of a client whose plugins bring these types, with one whose plugins bring the strange ones."""
    plugins_of(
        plugin("strangers", hivemind_message_types=lambda: [STRANGE, STRANGE_DATA]), builtins=()
    ).registry()
    ours = plugin(
        "ours",
        hivemind_message_types=lambda: [TIDE, NOTE, CRATE, GRAPH],
        hivemind_message_handlers=lambda: [
            MessageHandler(TIDE, "tide", deliver),
            MessageHandler("kernel.crate", "crate", open_crate),
        ],
        hivemind_binary_handlers=lambda: [BinaryHandler(GRAPH, "graph", receive_graph)],
    )
    return keyed_by_password(tables=plugins_of(ours).registry())


def raw(name: str, payload: Any) -> str:
    return json.dumps({"msg_type": name, "payload": payload})


def test_a_message_of_such_a_type_goes_and_comes_as_text() -> None:
    session = hub()
    for message in (HiveMessage(TIDE, {"metres": 2}), HiveMessage("kernel.note", "höher")):
        [frame] = session.link.seal(session.link.prepare(message))
        assert json.loads(session.open(frame))["msg_type"] == message.msg_type
        assert session.read(frame) == message
    arrived, delivered = session.send(HiveMessage(TIDE, {"metres": 2}))
    assert told(arrived) == "arrived kernel.tide" and delivered.message["data"] == {"metres": 2}
    [arrived] = session.send(HiveMessage(NOTE, "höher"))
    assert arrived.message.payload == "höher" and arrived.message.msg_type is NOTE


def test_a_message_inside_another_one_is_told_of_before_its_handler_acts() -> None:
    session = hub()
    inside = HiveMessage(TIDE, {"metres": 2})
    for outer in (
        HiveMessage("broadcast", inside, target_site_id=SITE),
        HiveMessage(CRATE, inside),
    ):
        arrived, arrived_inside, delivered = session.send(outer)
        assert isinstance(arrived, Arrived) and arrived.message.msg_type == outer.msg_type
        assert isinstance(arrived_inside, ArrivedInside) and arrived_inside.message.payload == {"metres": 2}
        assert isinstance(delivered, Deliver)
    [prepared] = [
        session.link.prepare(HiveMessage(CRATE, HiveMessage("bus", {"type": "x", "data": {}, "context": {}})))
    ]
    assert prepared.payload.payload.context["session"]  # what the handler of BUS fills in, inside too


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (raw("kernel.strange", {}), UnknownMessageType),
        (raw("kernel.nobody", {}), UnknownMessageType),
        (raw("kernel.tide", "text"), FrameError),
        (raw("kernel.note", {}), FrameError),
        (raw("kernel.crate", {}), FrameError),
    ],
)
def test_what_this_client_does_not_know_is_rejected(frame: str, error: type[Exception]) -> None:
    session = hub()
    [rejected] = session.link.receive(session.seal(frame))
    assert isinstance(rejected, Rejected) and isinstance(rejected.error, error)


def test_inside_another_message_it_is_rejected_too_and_nobody_is_told() -> None:
    session = hub()
    arrived, rejected = session.send(HiveMessage("broadcast", HiveMessage(STRANGE, {}), target_site_id=SITE))
    assert told(arrived) == "arrived BROADCAST"
    assert isinstance(rejected.error, UnknownMessageType)


def test_sending_what_this_client_does_not_know_says_how_to_mend_it() -> None:
    session = hub()
    for message in (HiveMessage(STRANGE, {}), HiveMessage("propagate", HiveMessage(STRANGE, {}))):
        with pytest.raises(UnknownMessageType) as raised:
            session.link.prepare(message)
        assert str(raised.value) == (
            "no plugin of this client brings the message type kernel.strange. Install the plugin that brings it, or "
            "select it with HIVEMIND_CLIENT_PLUGINS; see 'hivemind-client plugins'"
        )


def test_bin_types_are_known_by_client_too() -> None:
    session = hub()
    graph = HiveMessage("bin", b"\0\1", bin_type=7)
    arrived, called = session.send(graph, binary=True)
    assert arrived.message.bin_type.name == "KERNEL_GRAPH" and called.arguments == {"bin_data": b"\0\1"}
    assert session.link.prepare(graph) is graph
    [rejected] = session.send(HiveMessage("bin", b"", bin_type=STRANGE_DATA), binary=True)
    assert isinstance(rejected, Rejected) and "bin type 15" in str(rejected.error)
    with pytest.raises(FrameError, match="no plugin of this client brings the bin type 15"):
        session.link.prepare(HiveMessage("bin", b"", bin_type=15))


def test_a_type_whose_handler_is_missing_is_no_message() -> None:
    lone = Dispatcher(Registry(message_types={}), new_context())
    assert isinstance(only(Rejected, list(lone.receive(HiveMessage(TIDE, {})))).error, UnknownMessageType)
    known = Dispatcher(Registry(message_types={"kernel.tide": TIDE}), new_context())
    assert list(known.receive(HiveMessage(TIDE, {}))) == []
