"""The handlers of BUS, HELLO and HANDSHAKE."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hivemind_core_client.builtins import bus, handshake, hello
from hivemind_core_client.builtins.bus import MOST_SESSION_BYTES
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import Conclude, Context, Deliver, HubFacts, Introduce, Negotiate
from tests.unit.support import SESSION, SITE, identity, keyed, new_context, only, registry

T = HiveMessageType


def received(context: Context, **fields: Any) -> dict[str, Any]:
    """The context of the one Message that is delivered."""
    (action,) = (
        bus.receive(context, HiveMessage("bus", {"type": "speak", "data": {"a": 1}, "context": fields})) or ()
    )
    assert isinstance(action, Deliver)
    assert (action.message["type"], action.message["data"]) == ("speak", {"a": 1})
    delivered: dict[str, Any] = action.message["context"]
    return delivered


def prepared(context: Context, **fields: Any) -> dict[str, Any]:
    message = bus.prepare(context, HiveMessage("bus", {"type": "speak", "context": fields}))
    sent: dict[str, Any] = message["context"]
    return sent


def test_messages_a_bus_message_is_delivered_exactly_once() -> None:
    """Row: inner BUS messages were delivered twice, or to a bus nobody listened on."""
    hub = keyed()
    events = hub.send(HiveMessage("bus", {"type": "speak", "data": {"a": 1}, "context": {}}))
    assert only(Deliver, events) == Deliver({"type": "speak", "data": {"a": 1}, "context": {}})


@pytest.mark.parametrize("absent", [{}, {"data": None, "context": None}])
def test_what_is_absent_is_empty(absent: dict[str, Any]) -> None:
    (action,) = bus.receive(new_context(), HiveMessage("bus", {"type": "x", **absent})) or ()
    assert action == Deliver({"type": "x", "data": {}, "context": {}})


DESTINATIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"source": "hub", "destination": "me"}, {"source": "me"}),
    ({"destination": ["me"]}, {"source": ["me"]}),
    ({"destination": None, "source": "hub"}, {"source": None}),
    ({"source": "hub"}, {"source": "hub"}),
    ({}, {}),
]


@pytest.mark.parametrize(("arrived", "native"), DESTINATIONS)
def test_the_destination_becomes_the_source(arrived: dict[str, Any], native: dict[str, Any]) -> None:
    assert received(new_context(), **arrived) == native


def test_a_verified_source_from_the_wire_is_stripped() -> None:
    """Only the INTERCOM handler may set it: from anywhere else it is a forgery."""
    assert received(new_context(), hivemind_verified_source_peer="admin", a=1) == {"a": 1}


def test_messages_the_session_of_the_hub_is_kept_and_sent_back() -> None:
    """Row: the session state the hub returned was forgotten, so follow-up answers were lost."""
    context = new_context()
    session = {"session_id": SESSION, "site_id": "cellar", "active_skills": ["follow-up"]}
    received(context, session=session)
    assert prepared(context)["session"] == {**session, "site_id": SITE}
    received(context, session={"session_id": SESSION, "lang": "de"})
    assert prepared(context)["session"] == {"session_id": SESSION, "lang": "de", "site_id": SITE}


def test_our_site_is_not_moved() -> None:
    context = new_context()
    received(context, session={"session_id": SESSION, "site_id": "cellar"})
    assert context.session.site_id == SITE and context.session.state["site_id"] == SITE


@pytest.mark.parametrize(
    "session", [{"session_id": "other", "lang": "de"}, {"lang": "de"}, {}, None, "x", [1]]
)
def test_a_session_of_somebody_else_is_not_ours(session: Any) -> None:
    context = new_context()
    received(context, session=session)
    assert context.session.state == {}


def test_what_the_sender_left_open_is_filled_in() -> None:
    assert prepared(new_context(useragent="sat")) == {
        "source": "sat",
        "platform": "sat",
        "destination": "HiveMind",
        "session": {"session_id": SESSION, "site_id": SITE},
    }


def test_messages_the_callers_session_and_context_are_kept() -> None:
    """Row: a session or context the caller had set was overwritten."""
    context = new_context()
    context.session.state = {"session_id": SESSION, "lang": "de"}
    mine = {"session_id": "mine", "site_id": "attic", "lang": "fr"}
    given = {"source": "a", "platform": "b", "destination": ["c"], "session": mine, "x": 1}
    assert prepared(context, **given) == given
    part = prepared(context, session={"lang": "fr"})["session"]
    assert part == {"session_id": SESSION, "site_id": SITE, "lang": "fr"}
    assert prepared(context, session={"session_id": "mine"})["session"] == {
        "session_id": "mine",
        "site_id": SITE,
    }


@pytest.mark.parametrize("session", [None, "x", 5, SimpleNamespace()])
def test_a_session_that_is_none_is_ours(session: Any) -> None:
    assert prepared(new_context(), session=session)["session"]["session_id"] == SESSION


def test_a_session_object_is_serialized() -> None:
    session = SimpleNamespace(serialize=lambda: {"session_id": "mine", "lang": "it"})
    assert prepared(new_context(), session=session)["session"] == {
        "session_id": "mine",
        "lang": "it",
        "site_id": SITE,
    }


def test_preparing_changes_nothing_of_the_callers() -> None:
    message = HiveMessage("bus", {"type": "speak", "data": {"a": 1}, "context": {"session": {"lang": "it"}}})
    before = message.serialize()
    bus.prepare(new_context(), message)
    assert message.serialize() == before


def test_preparing_keeps_the_envelope() -> None:
    message = HiveMessage(
        "bus",
        {"type": "speak"},
        node="n",
        source_peer="p",
        route=[{"source": "a", "targets": ["b"]}],
        target_peers=["t"],
        target_site_id="s",
        target_pubkey="k",
        metadata={"m": 1},
    )
    sent = bus.prepare(new_context(), message)
    kept = {**message.as_dict, "payload": None}
    assert {**sent.as_dict, "payload": None} == kept and sent.target_peers == ["t"]


@pytest.mark.parametrize(
    ("payload", "facts"),
    [
        ({"node_id": "n", "peer": "p", "pubkey": "k"}, HubFacts("n", "p", "k")),
        ({}, HubFacts()),
        ({"node_id": 1, "peer": None, "pubkey": ["k"]}, HubFacts()),
    ],
)
def test_hello_tells_who_the_hub_is(payload: dict[str, Any], facts: HubFacts) -> None:
    assert hello.receive(new_context(), HiveMessage("hello", payload)) == [Introduce(facts)]


def test_our_hello() -> None:
    context = new_context()
    context.session.state = {"lang": "de", "site_id": "stale", "session_id": "stale"}
    sent = hello.prepare(context, HiveMessage("hello", {"extra": 1}))
    session = {"lang": "de", "site_id": SITE, "session_id": SESSION}
    assert sent.payload == {"session": session, "site_id": SITE, "extra": 1, "pubkey": "PEM"}
    context.identity = identity(public_key=None)
    assert "pubkey" not in hello.prepare(context, HiveMessage("hello", {})).payload
    assert hello.prepare(new_context(), HiveMessage("hello", {"pubkey": "mine"}))["pubkey"] == "mine"


@pytest.mark.parametrize(
    ("payload", "action"),
    [
        ({"password": True}, Negotiate),
        ({}, Negotiate),
        ({"noise": {"patterns": ["XXpsk2"]}}, Negotiate),
        ({"noise": "msg"}, Negotiate),
        ({"envelope": "x"}, Conclude),
        ({"envelope": None, "password": True}, Conclude),
        ({"noise": {"msg": "00"}}, Conclude),
    ],
)
def test_an_offer_is_told_from_an_answer(payload: dict[str, Any], action: Any) -> None:
    assert handshake.receive(new_context(), HiveMessage("shake", payload)) == [action(payload)]


def test_every_type_has_a_built_in_handler() -> None:
    # INTERCOM has a distribution of its own.
    assert set(registry().handlers) == set(T) - {T.BINARY, T.INTERCOM}


def test_a_verified_source_does_not_go_out_with_a_reply() -> None:
    reply = HiveMessage("bus", {"type": "a", "data": {}, "context": {bus.VERIFIED_SOURCE: "KEY", "x": 1}})
    fields = bus.prepare(new_context(), reply)["context"]
    assert bus.VERIFIED_SOURCE not in fields and fields["x"] == 1


def test_the_state_of_our_session_is_not_another_nodes_to_tell() -> None:
    context = new_context(wrapped=True)
    bus.receive(
        context,
        HiveMessage("bus", {"type": "a", "context": {"session": {"session_id": SESSION, "lang": "xx"}}}),
    )
    assert context.session.state == {}


def test_a_session_that_cannot_be_written_is_not_kept() -> None:
    """Kept, it would spoil every message that follows."""
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    context = new_context()
    session = {"session_id": SESSION, "deep": deep}
    bus.receive(context, HiveMessage("bus", {"type": "a", "context": {"session": session}}))
    assert context.session.state == {}


@pytest.mark.parametrize("size", [MOST_SESSION_BYTES - 200, MOST_SESSION_BYTES])
@pytest.mark.parametrize("character", ["x", "語"])
def test_a_session_is_kept_only_as_long_as_it_can_go_with_each_message(size: int, character: str) -> None:
    """Bounded in the bytes that are sent, whatever it came in."""
    context = new_context()
    context.session.state = {"session_id": SESSION, "lang": "pt-pt"}
    session = {"session_id": SESSION, "more": character * (size // len(character.encode()))}
    bus.receive(context, HiveMessage("bus", {"type": "a", "context": {"session": session}}))
    kept = "more" in context.session.state
    assert kept is (size < MOST_SESSION_BYTES)
    assert kept or context.session.state["lang"] == "pt-pt"
    assert len(bus.prepare(context, HiveMessage("bus", {"type": "a"})).serialize().encode()) < 50_000


@pytest.mark.parametrize("field", ["node_id", "peer", "pubkey"])
def test_what_a_hub_calls_itself_is_bounded_since_it_goes_with_our_messages(field: str) -> None:
    context = new_context()
    said = {"node_id": "hub", "peer": "me::s", "pubkey": "key", field: "x" * 5000}
    (introduced,) = hello.receive(context, HiveMessage("hello", said)) or ()
    facts = introduced.hub  # type: ignore[union-attr]  # of an Introduce
    assert {"node_id": facts.node_id, "peer": facts.peer, "pubkey": facts.public_key} == {**said, field: ""}
