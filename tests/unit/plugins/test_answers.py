"""The aggregator of answers, sans IO: what each message means, what is kept, and when a question is over."""

from __future__ import annotations

from typing import Any

import pytest

from hivemind_core_client.errors import FrameError
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins import answers
from hivemind_core_client.plugins.answers import COMPLETE, TIMEOUT, AnswerAggregator, control_type

T = HiveMessageType


def answer(kind: str, name: str = "speak", responder: Any = "hub", **metadata: Any) -> HiveMessage:
    facts = {"query_id": "q", "is_response": True, "responder_peer": responder, **metadata}
    return HiveMessage(kind, HiveMessage("bus", {"type": name}), metadata=facts)


def named(message: HiveMessage) -> str | None:
    """Reads the OVOS type, and takes no answer called `skip`; one called `broken` cannot be read."""
    name = answers.ovos_type(message)
    if name == "broken":
        raise FrameError("broken")
    return None if name == "skip" else name


def gathering(kind: str, expected: int = 0) -> AnswerAggregator[str]:
    return AnswerAggregator(T(kind), "q", named, expected)


@pytest.mark.parametrize(("kind", "kept"), [("query", "b c"), ("cascade", "a b")])
def test_what_answers_hold_is_bounded_in_bytes(kind: str, kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_ANSWERS_BYTES", 250)
    gathered = gathering(kind)
    for name in "abc":
        message = answer(kind, name)
        message.weight = 100
        gathered.take(message)
    assert " ".join(gathered.fresh) == kept
    gathered.fresh.popleft()  # somebody has fetched it
    gathered.take(answer(kind, "d"))
    assert " ".join(gathered.fresh) == f"{kept[2:]} d"
    giant = answer(kind, "e")
    giant.weight = 1000
    gathered.taken()
    gathered.take(giant)  # one is kept, however large: it is here already
    assert list(gathered.fresh) == ["e"]


#: What arrives, by kind of question, with what is then kept, whether it is over, and whether nobody answers.
ARRIVALS: list[tuple[str, int, list[tuple[str, str]], list[str], bool, bool]] = [
    ("query", 0, [("a", "x"), ("b", "y")], ["a", "b"], False, False),
    ("query", 0, [("a", "x"), (COMPLETE, "x"), ("late", "x")], ["a"], True, False),
    ("query", 0, [(TIMEOUT, "x"), ("late", "x")], [], True, True),
    ("query", 2, [(COMPLETE, "x")], [], True, False),
    ("query", 0, [("skip", "x"), ("broken", "x"), ("a", "x")], ["a"], False, False),
    ("cascade", 0, [("a", "x"), (COMPLETE, "x"), ("b", "y")], ["a", "b"], False, False),
    ("cascade", 2, [("a", "x"), (COMPLETE, "x"), (COMPLETE, "x"), ("b", "y")], ["a", "b"], False, False),
    ("cascade", 2, [("a", "x"), (COMPLETE, "x"), (TIMEOUT, "y"), ("late", "z")], ["a"], True, False),
    ("cascade", 1, [(TIMEOUT, "x")], [], True, False),
]


@pytest.mark.parametrize(("kind", "expected", "arriving", "kept", "over", "nobody"), ARRIVALS)
def test_a_question_and_what_comes_back(
    kind: str, expected: int, arriving: list[tuple[str, str]], kept: list[str], over: bool, nobody: bool
) -> None:
    gathered = gathering(kind, expected)
    told = [gathered.take(answer(kind, name, peer)) for name, peer in arriving]
    assert told == [name not in ("skip", "broken", "late") for name, _ in arriving]
    assert (gathered.over, gathered.nobody_answers) == (over, nobody)
    assert gathered.taken() == kept and gathered.taken() == []


@pytest.mark.parametrize(
    "message",
    [
        answer("cascade"),
        answer("query", query_id="other"),
        answer("query", query_id=["q"]),
        answer("query", is_response=False),
        HiveMessage("bus", {"type": COMPLETE}),
        HiveMessage("bin", b"x", metadata={"query_id": "q", "is_response": True}),
    ],
)
def test_what_answers_no_question_or_another_one_is_not_taken(message: HiveMessage) -> None:
    gathered = gathering("query")
    assert gathered.take(message) is False and not gathered.fresh and not gathered.over


def test_a_question_without_an_id_has_no_answers() -> None:
    gathered = AnswerAggregator(T.QUERY, "", named)
    assert gathered.take(answer("query", query_id="")) is False


def test_nothing_is_taken_after_the_end() -> None:
    gathered = gathering("query")
    gathered.end()
    assert gathered.over and gathered.take(answer("query")) is False


@pytest.mark.parametrize(("kind", "kept"), [("query", ["2", "3", "4"]), ("cascade", ["0", "1", "2"])])
def test_answers_that_nobody_takes_are_bounded(
    kind: str, kept: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MOST_ANSWERS", 3)
    gathered = gathering(kind)
    assert all(gathered.take(answer(kind, str(number))) for number in range(5))
    assert gathered.taken() == kept


def test_responders_that_are_done_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_ANSWERS", 3)
    gathered = gathering("cascade", expected=4)
    for number in range(9):
        assert gathered.take(answer("cascade", COMPLETE, str(number)))
    assert not gathered.over


@pytest.mark.parametrize("responder", [None, 5, ["a"], {"a": 1}])
def test_a_responder_that_is_no_name_has_the_empty_one(responder: Any) -> None:
    gathered = gathering("cascade", expected=2)
    for peer in (responder, ""):
        gathered.take(answer("cascade", COMPLETE, peer))
    assert not gathered.over


@pytest.mark.parametrize(
    "payload",
    [
        {"msg_type": "intercom", "payload": {"type": COMPLETE}},
        {"msg_type": "bus", "payload": COMPLETE},
        {"msg_type": "bus", "payload": {"type": ["x"]}},
        {"msg_type": "bus"},
    ],
)
def test_data_that_looks_like_a_control_message_is_none(payload: dict[str, Any]) -> None:
    assert control_type(HiveMessage("query", payload)) == ""
