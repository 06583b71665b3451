"""What of the local OVOS bus goes up to the hub."""

from __future__ import annotations

from typing import Any

import pytest

from hivemind_core_client.kernel.bridge import SENT_BY, UPSTREAM, marked, upward
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.plugins.contract import HubFacts
from tests.unit.support import new_context

HUB = HubFacts("hub-1")


def message(msg_type: str = "speak", data: Any = None, **context: Any) -> dict[str, Any]:
    return {"type": msg_type, "data": data or {}, "context": context}


def up(some: dict[str, Any], share_bus: bool = False, hub: Any = HUB) -> list[str]:
    sent = upward(new_context(hub=hub), some, share_bus)
    assert all(isinstance(one, HiveMessage) for one in sent)
    return [one.msg_type.value for one in sent]


ROWS: list[tuple[str, dict[str, Any], bool, Any, list[str]]] = [
    ("for nobody", message(), False, HUB, []),
    ("for somebody else", message(destination="skills"), False, HUB, []),
    ("for the hub", message(destination="hub-1"), False, HUB, ["bus"]),
    ("for the hub among others", message(destination=["audio", "hub-1"]), False, HUB, ["bus"]),
    ("for an object", message(destination={"hub-1": 1}), False, HUB, []),
    ("shared", message(), True, HUB, ["shared_bus"]),
    ("shared and for the hub", message(destination="hub-1"), True, HUB, ["shared_bus", "bus"]),
    ("no hub yet", message(destination="hub-1"), False, None, []),
    ("a hub without a name", message(destination=""), False, HubFacts(), []),
    ("without context", {"type": "speak"}, True, HUB, ["shared_bus"]),
    ("context null", {"type": "speak", "context": None}, False, HUB, []),
]


@pytest.mark.parametrize(
    ("some", "share", "hub", "sent"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_which_messages_go_up(some: dict[str, Any], share: bool, hub: Any, sent: list[str]) -> None:
    assert up(some, share, hub) == sent


UPSTREAMS: list[tuple[Any, list[str]]] = [
    ({"msg_type": "propagate", "payload": {"msg_type": "ping", "payload": {}}}, ["propagate"]),
    ({"msg_type": "bus", "payload": {"type": "x"}}, ["bus"]),
    ({"msg_type": "3rdparty"}, ["3rdparty"]),
    ({"msg_type": "broadcast", "payload": {"msg_type": "ping", "payload": {}}}, []),
    ({"msg_type": "hello", "payload": {}}, []),
    ({"msg_type": "shake", "payload": {}}, []),
    ({"msg_type": "nonsense", "payload": {}}, []),
    ({"msg_type": "bus", "payload": "text"}, []),
    ({"msg_type": "bin", "payload": "text"}, []),
    ({}, []),
]


@pytest.mark.parametrize(("data", "sent"), UPSTREAMS)
def test_others_on_the_bus_can_ask_for_a_message(data: Any, sent: list[str]) -> None:
    assert up(message(UPSTREAM, data), share_bus=True) == sent


def test_what_was_asked_for_wrongly_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    up(message(UPSTREAM, {"msg_type": "nonsense"}))
    assert UPSTREAM in caplog.text and "nonsense" in caplog.text


def test_messages_what_we_sent_up_is_not_sent_twice() -> None:
    context = new_context(hub=HUB)
    mine = marked(context, message(destination="hub-1", a=1))
    assert mine["context"]["a"] == 1
    assert upward(context, mine, share_bus=True) == []


def test_a_reply_to_what_we_sent_up_still_goes_up() -> None:
    context = new_context(hub=HUB)
    mine = marked(context, message("question", destination="hub-1"))
    reply = {**mine, "type": "question.response"}
    assert [one.msg_type.value for one in upward(context, reply, share_bus=False)] == ["bus"]


def test_the_mark_of_another_client_does_not_count() -> None:
    context, other = new_context(hub=HUB), new_context(hub=HUB)
    other.session.session_id = "session-2"
    theirs = marked(other, message(destination="hub-1"))
    assert len(upward(context, theirs, share_bus=False)) == 1


def test_marking_changes_a_copy() -> None:
    original = message(a=1)
    assert SENT_BY in marked(new_context(), original)["context"]
    assert original == message(a=1)
    assert marked(new_context(), {"type": "x", "context": None})["context"]
