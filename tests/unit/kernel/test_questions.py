"""Answers, sans IO: what ends a question, what counts as an answer, and how one answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ovos_bus_client.message import Message

from hivemind_core_client.errors import (
    ConnectionLost,
    InvalidMessage,
    PluginError,
    QueryTimeout,
)
from hivemind_core_client.kernel.questions import (
    Answers,
    answers_to,
    cascade,
    first_answer,
    flood,
    may_answer_flood,
    names_of_asked,
    query,
    question,
    sealed_letter,
)
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import MessageHandler
from tests.unit.support import COMPLETE, TIMEOUT, plugin, plugins_of, registry

T = HiveMessageType
ASKED = HiveMessage("query", HiveMessage("bus", {"type": "ask"}), metadata={"query_id": "q"})
CASCADE = HiveMessage("cascade", HiveMessage("bus", {"type": "ask"}), metadata={"query_id": "q"})


def answer(name: str = "speak", kind: str = "query", responder: Any = "hub", **metadata: Any) -> HiveMessage:
    facts = {"query_id": "q", "is_response": True, "responder_peer": responder, **metadata}
    return HiveMessage(kind, HiveMessage("bus", {"type": name}), metadata=facts)


# asking


def test_a_message_is_asked_in_a_message_of_the_kind() -> None:
    asked = question(T.QUERY, Message("ask", {"a": 1}))
    assert asked.msg_type is T.QUERY and asked.payload.payload.data == {"a": 1}
    assert asked.metadata["query_id"] != question(T.QUERY, Message("ask")).metadata["query_id"]


def test_a_question_that_is_one_already_stays_as_it_is() -> None:
    given = ASKED.copy(metadata={"query_id": "mine", "a": 1}, target_site_id="attic")
    assert question(T.QUERY, given) == given
    unnamed = ASKED.copy(metadata={})
    assert question(T.QUERY, unnamed).metadata["query_id"] and unnamed.metadata == {}


@pytest.mark.parametrize("broken", [None, "", 7, ["q"]])
def test_an_id_that_is_no_text_is_replaced_before_anybody_waits_for_it(broken: Any) -> None:
    asked = question(T.QUERY, ASKED.copy(metadata={"query_id": broken}))
    assert isinstance(asked.metadata["query_id"], str) and asked.metadata["query_id"]
    assert Answers(asked).take(answer(query_id=broken)) is False


def test_each_verb_asks_in_its_kind_of_message() -> None:
    assert (query(Message("ask")).msg_type, cascade(Message("ask")).msg_type) == (T.QUERY, T.CASCADE)
    assert query(ASKED).payload == ASKED.payload


def test_a_flood_is_a_ping_for_all_with_an_id_of_its_own() -> None:
    flood_id, message = flood()
    assert (message.msg_type, message.payload.msg_type) == (T.PROPAGATE, T.PING)
    assert message.payload.payload == {"flood_id": flood_id} and flood()[0] != flood_id
    assert may_answer_flood(message) and not may_answer_flood(message.payload)


def test_a_letter_is_prepared_by_the_plugin_for_intercom_alone() -> None:
    packet = HiveMessage("bus", {"type": "secret"})
    with pytest.raises(PluginError, match="pip install"):
        sealed_letter(registry(), packet, "PEM")
    readers = plugin(
        "reader", hivemind_message_handlers=lambda: [MessageHandler(T.INTERCOM, "reader", unused)]
    )
    with pytest.raises(PluginError):
        sealed_letter(plugins_of(readers).registry(), packet, "PEM")
    sealing = MessageHandler(T.INTERCOM, "sealing", unused, prepare=lambda context, message: message)
    tables = plugins_of(plugin("sealing", hivemind_message_handlers=lambda: [sealing])).registry()
    letter = sealed_letter(tables, packet, "PEM")
    assert (letter.msg_type, letter.payload.msg_type) == (T.PROPAGATE, T.INTERCOM)
    assert letter.payload.payload == packet.as_dict and letter.payload.target_public_key == "PEM"


def unused(*_: Any) -> list[Any]:
    raise AssertionError("nothing has arrived")


@pytest.mark.parametrize("message", [HiveMessage("cascade", ASKED), HiveMessage("bus", {"type": "ask"})])
def test_another_kind_of_message_is_no_question(message: HiveMessage) -> None:
    with pytest.raises(InvalidMessage, match=f"not with {message.msg_type.name}"):
        question(T.QUERY, message)


@pytest.mark.parametrize("message", [None, "text", 5, {"a": 1}])
def test_what_is_no_message_is_no_question(message: Any) -> None:
    with pytest.raises(InvalidMessage):
        question(T.CASCADE, message)


# gathering


def test_answers_come_until_the_end() -> None:
    answers = Answers(ASKED)
    assert [answers.take(message) for message in (answer("a"), answer("b"))] == [True, True]
    assert not answers.over and len(answers.fresh) == 2
    assert answers.take(answer(COMPLETE)) and answers.over and answers.error is None
    assert answers.take(answer("late")) is False
    assert [(a.message.msg_type, a.responder) for a in answers.fresh] == [("a", "hub"), ("b", "hub")]
    assert answers.fresh[0].packet == answer("a")


def test_the_hub_says_that_nobody_answers() -> None:
    answers = Answers(ASKED)
    assert answers.take(answer(TIMEOUT)) and answers.over
    assert isinstance(answers.error, QueryTimeout) and "'ask'" in str(answers.error)
    assert not answers.fresh


def lost() -> ConnectionLost:
    return ConnectionLost("gone")


def test_a_stream_that_ended_well_is_concluded_without_a_word() -> None:
    answers = Answers(ASKED)
    answers.take(answer(COMPLETE))
    answers.conclude(lost=False, came=True, patience=5, some=False, cause=lost)
    assert answers.error is None


@pytest.mark.parametrize(("some", "text"), [(False, "no answer came"), (True, "no further answer came")])
def test_a_silent_hive_ends_a_stream(some: bool, text: str) -> None:
    answers = Answers(ASKED)
    with pytest.raises(QueryTimeout, match=f"{text} within 5 s"):
        answers.conclude(lost=False, came=False, patience=5, some=some, cause=lost)
    assert answers.over


def test_a_lost_connection_ends_a_stream_unless_it_was_over() -> None:
    answers, over = Answers(ASKED), Answers(ASKED)
    over.take(answer(COMPLETE))
    with pytest.raises(ConnectionLost, match="gone"):
        answers.conclude(lost=True, came=True, patience=5, some=True, cause=lost)
    over.conclude(lost=True, came=True, patience=5, some=True, cause=lost)


def test_the_answers_of_all_are_what_came_or_why_none_did() -> None:
    some, silent = Answers(CASCADE), Answers(CASCADE)
    some.take(answer(kind="cascade"))
    assert [one.responder for one in some.all_of(True, 5, lost)] == ["hub"]
    with pytest.raises(ConnectionLost):
        silent.all_of(True, 5, lost)
    with pytest.raises(QueryTimeout, match="within 5 s"):
        silent.all_of(False, 5, lost)


def test_the_first_answer_is_picked() -> None:
    assert first_answer([answer("a"), answer("b")]) == answer("a")


IGNORED: dict[str, HiveMessage] = {
    "another id": answer(query_id="other"),
    "no id": HiveMessage("query", HiveMessage("bus", {"type": "x"}), metadata={"is_response": True}),
    "an id of another kind": answer(query_id=["q"]),
    "a question": answer(is_response=False),
    "another kind": answer(kind="cascade"),
    "bus": HiveMessage("bus", {"type": COMPLETE}),
    "ping": HiveMessage("ping", {}),
    "bytes": HiveMessage("bin", b"x"),
    "intercom within": answer().copy(payload=HiveMessage("intercom", {})),
    "a wrapper within": answer().copy(
        payload=HiveMessage("broadcast", HiveMessage("bus", {"type": COMPLETE}))
    ),
    "no message within": answer().copy(payload={"msg_type": "bus", "payload": {}}),
    "nothing within": answer().copy(payload={"msg_type": "bus"}),
    "an unknown type within": answer().copy(payload={"msg_type": "nonsense", "payload": {"type": COMPLETE}}),
}


@pytest.mark.parametrize("message", IGNORED.values(), ids=IGNORED.keys())
def test_what_is_no_answer_is_left_to_others(message: HiveMessage) -> None:
    answers = Answers(ASKED)
    assert answers.take(message) is False
    assert not answers.fresh and not answers.over


@pytest.mark.parametrize("responder", [None, 5, ["x"]])
def test_a_responder_that_is_no_name_is_an_empty_one(responder: Any) -> None:
    answers = Answers(ASKED)
    answers.take(answer(responder=responder))
    assert answers.fresh[0].responder == ""


@pytest.mark.parametrize(
    ("expected", "done", "over"),
    [(0, "abc", False), (2, "a", False), (2, "aa", False), (2, "ab", True), (1, "a", True)],
)
def test_a_cascade_is_over_when_as_many_are_done_as_are_known(expected: int, done: str, over: bool) -> None:
    answers = Answers(CASCADE, expected)
    answers.take(answer("speak", "cascade", "a"))
    for name in done:
        assert answers.take(answer(COMPLETE, "cascade", name))
    assert answers.over is over and answers.error is None and len(answers.fresh) == 1


def test_a_responder_of_a_cascade_that_has_nothing_to_say_ends_nothing() -> None:
    answers = Answers(CASCADE, 2)
    answers.take(answer(TIMEOUT, "cascade", "a"))
    assert not answers.over and answers.error is None


NAMES: list[tuple[HiveMessage, set[str]]] = [
    (HiveMessage("bus", {"type": "ask"}), {"bus", "ask"}),
    (ASKED, {"query", "bus", "ask"}),
    (HiveMessage("propagate", HiveMessage("ping", {"flood_id": "x"})), {"propagate", "ping"}),
    (HiveMessage("bin", b"x"), {"binary"}),
    (HiveMessage("3rdparty", {"type": "x", "msg_type": "y"}), {"3rdparty"}),
    (HiveMessage("query", {"msg_type": "x", "payload": "text"}), {"query", "x"}),
    (HiveMessage("query", {"msg_type": "bus", "payload": {"type": ["x"]}}), {"query", "bus"}),
]


@pytest.mark.parametrize(("message", "names"), NAMES)
def test_what_a_hub_may_call_what_it_does_not_take(message: HiveMessage, names: set[str]) -> None:
    assert names_of_asked(message) == names


def test_only_the_first_end_counts() -> None:
    answers = Answers(ASKED)
    answers.take(answer(COMPLETE))
    answers.end(ConnectionLost("gone"))
    assert answers.error is None
    lost = Answers(ASKED)
    lost.end(ConnectionLost("gone"))
    lost.end(QueryTimeout("late"))
    assert isinstance(lost.error, ConnectionLost) and lost.take(answer()) is False


# answering


def test_answers_name_the_question_and_end_with_its_end() -> None:
    route = [{"source": "a", "targets": ["b"]}]
    for kind in ("query", "cascade"):
        facts = {"query_id": "q", "originator_peer": "them", "extra": 1}
        request = HiveMessage(kind, ASKED.payload, metadata=facts, route=route)
        one, two, end = answers_to(request, "us::s", (Message("one"), Message("two", {"n": 2})))
        assert [m.payload.payload.msg_type for m in (one, two, end)] == ["one", "two", COMPLETE]
        assert two.payload.payload.data == {"n": 2}
        for message in (one, two, end):
            assert message.msg_type == kind and message.route == route
            assert message.metadata == {
                "query_id": "q",
                "originator_peer": "them",
                "responder_peer": "us::s",
                "is_response": True,
            }
        one.update_hop_data()
        assert len(request.raw_route) == len(two.raw_route) == 1


def test_nothing_to_say_is_an_end_alone() -> None:
    request = ASKED.copy(metadata={"query_id": "q", "originator_peer": "them"})
    (end,) = answers_to(request, "us", ())
    assert end.payload.payload.msg_type == COMPLETE


@pytest.mark.parametrize(
    "request_",
    [
        None,
        Message("ask"),
        HiveMessage("ping", {}),
        HiveMessage("bus", {"type": "ask"}),
        answer(originator_peer="them"),
        ASKED,
        ASKED.copy(metadata={"originator_peer": "them"}),
        ASKED.copy(metadata={}),
    ],
)
def test_what_is_no_question_cannot_be_answered(request_: Any) -> None:
    with pytest.raises(InvalidMessage):
        answers_to(request_, "us", (Message("x"),))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["q", "ask", COMPLETE, "bus"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "data", "context", "payload", "msg_type", "reason"]), inner
        )
    ),
    max_leaves=5,
)
METADATA = st.dictionaries(st.sampled_from(["query_id", "is_response", "responder_peer"]), JUNK, max_size=3)
INSIDE = st.fixed_dictionaries(
    {"msg_type": st.sampled_from(["bus", "intercom", "query", "x"])}, optional={"payload": JUNK}
)
BUS = st.fixed_dictionaries(
    {"type": st.just("x")},
)
ANY = st.builds(HiveMessage, st.sampled_from(["query", "cascade"]), INSIDE, metadata=METADATA) | st.builds(
    HiveMessage, st.just("bus"), BUS
)


@given(st.lists(ANY, max_size=6), st.sampled_from([ASKED, CASCADE]))
def test_whatever_arrives_is_an_answer_or_is_not(arriving: list[HiveMessage], asked: HiveMessage) -> None:
    """It must not raise: it runs on the thread that reads, and would cost the connection."""
    answers = Answers(asked, 1)
    taken = sum(answers.take(message) for message in arriving)
    assert len(answers.fresh) <= taken <= len(arriving)
