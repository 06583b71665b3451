"""QUERY and CASCADE: the answers to our own questions reach the bus, bounded in number and time, and no others do."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from hivemind_core_client.builtins import cascade, query
from hivemind_core_client.kernel.events import Arrived, Event
from hivemind_core_client.kernel.options import Credentials
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins import answers, asking
from hivemind_core_client.plugins.contract import CancelTimer, Deliver, MessageHandler, Select, SetTimer
from tests.unit.support import COMPLETE, KEY, SESSION, TIMEOUT, Hub, new_context, new_link, plugin, plugins_of

T = HiveMessageType
KINDS = ["query", "cascade"]
ASK = HiveMessage("bus", {"type": "ask", "data": {}, "context": {}})


def keyed(*extra: Any, **facts: Any) -> Hub:
    hub = Hub(
        new_link(Credentials(crypto_key=KEY), plugins_of(*extra).registry(), context=new_context(**facts))
    )
    hub.preshared()
    return hub


def asked(hub: Hub, kind: str, query_id: Any = "q", **metadata: Any) -> tuple[HiveMessage, list[Event]]:
    """A question as it leaves, and what is to be done about it."""
    sent = hub.link.prepare(HiveMessage(kind, ASK, metadata={"query_id": query_id, **metadata}))
    return sent, hub.link.sending(sent)


def answer(
    kind: str, name: str = "speak", query_id: Any = "q", responder: Any = "hub", **data: Any
) -> HiveMessage:
    metadata = {"query_id": query_id, "is_response": True, "responder_peer": responder}
    return HiveMessage(
        kind, HiveMessage("bus", {"type": name, "data": data, "context": {}}), metadata=metadata
    )


def said(name: str, **data: Any) -> Deliver:
    return Deliver({"type": name, "data": data, "context": {}})


def unanswered(error: str, query_id: str = "q") -> Deliver:
    return said(TIMEOUT, query_id=query_id, error=error)


def follows(hub: Hub, message: HiveMessage) -> list[Event]:
    events = hub.send(message)
    assert isinstance(events[0], Arrived), events
    return events[1:]


# asking


@pytest.mark.parametrize("kind", KINDS)
def test_a_question_says_who_asks_and_gets_an_id(kind: str) -> None:
    hub = keyed()
    first, second = (hub.link.prepare(HiveMessage(kind, ASK)) for _ in range(2))
    assert first.metadata["originator_peer"] == f"sat::{SESSION}"
    assert first.metadata["query_id"] != second.metadata["query_id"]
    assert first.payload.payload.context["destination"] == "HiveMind"
    given = hub.link.prepare(
        HiveMessage(kind, ASK, metadata={"query_id": "mine", "originator_peer": "x", "a": 1})
    )
    assert given.metadata == {"query_id": "mine", "originator_peer": "x", "a": 1}


@pytest.mark.parametrize("broken", [None, "", 5, ["q"], {}])
@pytest.mark.parametrize("kind", KINDS)
def test_an_id_that_is_no_text_is_replaced(kind: str, broken: Any) -> None:
    """Else every answer without an id would be taken for the answer to that question."""
    hub = keyed()
    sent, _ = asked(hub, kind, broken)
    assert isinstance(sent.metadata["query_id"], str) and sent.metadata["query_id"]
    assert follows(hub, answer(kind, query_id=broken)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_of_ours_goes_as_it_is_and_opens_nothing(kind: str) -> None:
    hub = keyed()
    mine = answer(kind)
    assert hub.link.prepare(mine).metadata == mine.metadata
    assert hub.link.sending(mine) == [] and hub.link.context.recall(kind) == {}


@pytest.mark.parametrize("seconds", [30.0, 2.5])
def test_a_query_has_a_bound_of_its_own(seconds: float) -> None:
    _, actions = asked(keyed(query_timeout=seconds), "query")
    assert actions == [SetTimer(T.QUERY, "q", seconds)]


def test_a_query_may_wait_for_ever() -> None:
    hub = keyed(query_timeout=0)
    assert asked(hub, "query")[1] == []
    assert follows(hub, answer("query")) == [said("speak")]


@pytest.mark.parametrize(("kind", "default"), [("query", 30.0), ("cascade", 5.0)])
def test_who_asks_may_say_how_long_he_waits_for_one_question(kind: str, default: float) -> None:
    """The bus heard of the end of a query 29 seconds after its caller had given up."""
    hub = keyed()
    question = HiveMessage(kind, ASK, metadata={"query_id": "q"})
    with asking.patient(hub.link.context, question, 1.5):
        _, actions = asked(hub, kind)
        _, others = asked(hub, kind, "another")
    assert actions == [SetTimer(kind, "q", 1.5)] and others == [SetTimer(kind, "another", default)]
    assert asked(hub, kind)[1] == [SetTimer(kind, "q", default)]


def test_each_answer_to_a_query_begins_the_wait_of_its_asker_anew() -> None:
    hub = keyed()
    with asking.patient(hub.link.context, HiveMessage("query", ASK, metadata={"query_id": "q"}), 60):
        asked(hub, "query")
    assert follows(hub, answer("query")) == [SetTimer(T.QUERY, "q", 60), said("speak")]


def test_a_cascade_gathers_for_five_seconds_whatever_a_query_may_take() -> None:
    assert asked(keyed(query_timeout=0), "cascade")[1] == [SetTimer(T.CASCADE, "q", 5.0)]


@pytest.mark.parametrize("kind", KINDS)
def test_open_questions_are_bounded_and_the_oldest_go(kind: str) -> None:
    hub = keyed()
    for number in range(1500):
        asked(hub, kind, str(number))
    assert list(hub.link.context.recall(kind)) == [str(number) for number in range(500, 1500)]
    assert follows(hub, answer(kind, query_id="499")) == []
    assert hub.link.due(T(kind), "499") == []
    assert hub.link.due(T(kind), "500") == [unanswered("no_answer", "500")]


# answers to a QUERY


def test_answers_stream_until_the_end_which_is_not_delivered() -> None:
    hub = keyed()
    asked(hub, "query")
    patience = SetTimer(T.QUERY, "q", 30.0)
    assert follows(hub, answer("query", number=1)) == [patience, said("speak", number=1)]
    assert follows(hub, answer("query", number=2)) == [patience, said("speak", number=2)]
    assert follows(hub, answer("query", COMPLETE)) == [CancelTimer(T.QUERY, "q")]
    assert follows(hub, answer("query", number=3)) == []
    assert hub.link.due(T.QUERY, "q") == []


def test_the_hubs_own_timeout_ends_a_query_and_is_told() -> None:
    hub = keyed()
    asked(hub, "query")
    assert follows(hub, answer("query", TIMEOUT, error="x")) == [
        CancelTimer(T.QUERY, "q"),
        said(TIMEOUT, error="x"),
    ]
    assert follows(hub, answer("query")) == []


def test_our_own_bound_ends_a_query_and_says_the_same() -> None:
    hub = keyed()
    asked(hub, "query")
    assert hub.link.due(T.QUERY, "q") == [unanswered("no_answer")]
    assert hub.link.due(T.QUERY, "q") == []
    assert follows(hub, answer("query")) == []


def test_two_queries_at_once_do_not_mix() -> None:
    hub = keyed()
    for name in ("q1", "q2"):
        asked(hub, "query", name)
    follows(hub, answer("query", COMPLETE, query_id="q1"))
    assert follows(hub, answer("query", query_id="q1")) == []
    assert follows(hub, answer("query", query_id="q2", n=2))[-1] == said("speak", n=2)


NOT_OURS: dict[str, dict[str, Any]] = {
    "another id": {"query_id": "other", "is_response": True},
    "no id": {"is_response": True},
    "an empty id": {"query_id": "", "is_response": True},
    "an id that is a list": {"query_id": ["q"], "is_response": True},
    "an id that is an object": {"query_id": {"q": 1}, "is_response": True},
    "a question with our id": {"query_id": "q"},
    "a question that says so": {"query_id": "q", "is_response": False},
}


@pytest.mark.parametrize("metadata", NOT_OURS.values(), ids=NOT_OURS.keys())
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_answer_to_a_question_of_ours_is_dropped(kind: str, metadata: dict[str, Any]) -> None:
    hub = keyed()
    asked(hub, kind)
    before = repr(hub.link.context.recall(kind))
    assert follows(hub, answer(kind).copy(metadata=metadata)) == []
    assert repr(hub.link.context.recall(kind)) == before


def test_the_answer_to_a_query_is_none_to_a_cascade() -> None:
    hub = keyed()
    asked(hub, "query")
    assert follows(hub, answer("cascade")) == []
    assert follows(hub, answer("query"))[-1] == said("speak")


# CASCADE


def test_a_cascade_is_gathered_and_handed_to_the_pick_once() -> None:
    hub = keyed()
    asked(hub, "cascade")
    answers = [answer("cascade", responder=name, n=name) for name in "ab"]
    for message in [*answers, answer("cascade", COMPLETE, responder="a")]:
        assert follows(hub, message) == []
    assert hub.link.due(T.CASCADE, "q") == [Select(tuple(answers))]
    assert hub.link.due(T.CASCADE, "q") == []
    assert follows(hub, answer("cascade")) == []


def test_a_cascade_ends_as_soon_as_all_nodes_that_are_known_are_done() -> None:
    hub = keyed()
    know(hub, f"sat::{SESSION}", "a", "b")
    asked(hub, "cascade")
    one = answer("cascade", responder="a")
    for message in (
        one,
        answer("cascade", COMPLETE, responder="a"),
        answer("cascade", COMPLETE, responder="a"),
    ):
        assert follows(hub, message) == []
    last = follows(hub, answer("cascade", TIMEOUT, responder="b"))
    assert last == [CancelTimer(T.CASCADE, "q"), Select((one,))]


def know(hub: Hub, *peers: str) -> None:
    for peer in peers:
        hub.link.context.hive_map.on_ping(HiveMessage("ping", {"flood_id": "f", "peer": peer}))
    hub.link.context.hive_map.finish("f")


def test_a_flood_that_is_still_running_counts_for_nothing() -> None:
    hub = keyed()
    for number, flood in enumerate(("old", "running")):
        for peer in "ab"[: 2 - number]:
            hub.link.context.hive_map.on_ping(HiveMessage("ping", {"flood_id": flood, "peer": peer}))
        if flood == "old":
            hub.link.context.hive_map.finish(flood)
    asked(hub, "cascade")
    assert follows(hub, answer("cascade", COMPLETE, responder="a")) == []
    assert follows(hub, answer("cascade", COMPLETE, responder="b"))[1:] == [unanswered("no_answer")]


def test_a_cascade_that_nobody_answers_says_so() -> None:
    hub = keyed()
    asked(hub, "cascade")
    assert hub.link.due(T.CASCADE, "q") == [unanswered("no_answer")]
    know(hub, "a")
    asked(hub, "cascade")
    assert follows(hub, answer("cascade", COMPLETE, responder="a"))[1:] == [unanswered("no_answer")]


def test_answers_to_a_cascade_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_ANSWERS", 3)
    hub = keyed()
    asked(hub, "cascade")
    given = [answer("cascade", responder=str(number)) for number in range(5)]
    for message in given:
        follows(hub, message)
    assert hub.link.due(T.CASCADE, "q") == [Select(tuple(given[:3]))]


@pytest.mark.parametrize("responder", [None, 5, ["a"], {"a": 1}])
def test_a_responder_that_is_no_name_counts_as_one(responder: Any) -> None:
    hub = keyed()
    know(hub, f"sat::{SESSION}", "a", "b")
    asked(hub, "cascade")
    assert follows(hub, answer("cascade", COMPLETE, responder=responder)) == []
    assert follows(hub, answer("cascade", COMPLETE, responder="")) == []
    assert follows(hub, answer("cascade", COMPLETE, responder="a"))[1:] == [unanswered("no_answer")]


# what an answer may carry

CARRIED = [t for t in T if t not in (T.BUS, T.INTERCOM, T.BINARY)]


def of_type(msg_type: HiveMessageType) -> HiveMessage:
    if msg_type in (T.SHARED_BUS, T.BUS):
        return HiveMessage(msg_type, {"type": "x"})
    if msg_type in (T.BROADCAST, T.PROPAGATE, T.ESCALATE, T.QUERY, T.CASCADE):
        return HiveMessage(msg_type, ASK, target_site_id="kitchen")
    return HiveMessage(msg_type, {"pubkey": "EVIL", "flood_id": "f"})


@pytest.mark.parametrize("inner", CARRIED)
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_bus_or_intercom_and_nothing_else(
    kind: str, inner: HiveMessageType, caplog: pytest.LogCaptureFixture
) -> None:
    """A HELLO that was gathered could name another hub, had the connection ended meanwhile."""
    caplog.set_level(logging.INFO)
    hub = keyed()
    asked(hub, kind)
    events = follows(hub, answer(kind).copy(payload=of_type(inner)))
    assert [event for event in events if not isinstance(event, SetTimer)] == []
    assert f"of type {inner.name}" in caplog.text
    if kind == "cascade":
        assert hub.link.due(T.CASCADE, "q") == [unanswered("no_answer")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "payload", [{"msg_type": "bus", "payload": {}}, {"msg_type": "bus"}, {"msg_type": "nonsense"}]
)
def test_an_answer_that_is_no_message_is_dropped_and_the_next_one_counts(
    kind: str, payload: dict[str, Any]
) -> None:
    hub = keyed()
    asked(hub, kind)
    assert follows(hub, answer(kind).copy(payload=payload)) == []
    follows(hub, answer(kind))
    if kind == "cascade":
        assert hub.link.due(T.CASCADE, "q") == [Select((answer(kind),))]


def test_an_intercom_answer_goes_to_its_handler() -> None:
    handler = MessageHandler(T.INTERCOM, "intercom", lambda context, message: [said("opened")])
    hub = keyed(plugin("sealed", hivemind_message_handlers=lambda: [handler]))
    for kind in KINDS:
        asked(hub, kind)
    sealed = HiveMessage("intercom", {"ciphertext": "x"})
    assert follows(hub, answer("query").copy(payload=sealed))[-1] == said("opened")
    follows(hub, answer("cascade").copy(payload=sealed))
    (select,) = hub.link.due(T.CASCADE, "q")
    assert isinstance(select, Select)
    assert hub.link.admit(select.answers[0].payload) == [said("opened")]


# the end of a session


def test_the_end_of_a_session_ends_every_question_and_who_asked_is_told() -> None:
    hub = keyed()
    for name in ("q1", "q2"):
        asked(hub, "query", name)
    asked(hub, "cascade", "c")
    follows(hub, answer("cascade", query_id="c"))
    ended = hub.link.session_ended()
    assert sorted(map(str, ended)) == sorted(
        map(
            str,
            [
                CancelTimer(T.QUERY, "q1"),
                unanswered("connection_lost", "q1"),
                CancelTimer(T.QUERY, "q2"),
                unanswered("connection_lost", "q2"),
                CancelTimer(T.CASCADE, "c"),
                unanswered("connection_lost", "c"),
            ],
        )
    )
    assert hub.link.session_ended() == []
    assert follows(hub, answer("query", query_id="q1")) == []


@pytest.mark.parametrize("module", [query, cascade])
def test_a_question_of_others_is_for_listeners_alone(module: Any) -> None:
    question = HiveMessage(module.NAME, ASK, metadata={"query_id": "theirs", "originator_peer": "x"})
    assert follows(keyed(), question) == []
