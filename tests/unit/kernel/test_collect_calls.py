"""Collect-calls, sans IO: who is waited for, for how long, and what ends that."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ovos_bus_client.message import CollectionMessage, Message

from hivemind_core_client.errors import InvalidMessage
from hivemind_core_client.kernel import collect_calls as collecting
from hivemind_core_client.kernel.collect_calls import Collecting, Collection, promised
from hivemind_core_client.message import HiveMessage
from hivemind_core_client.wire.json_text import Json
from hivemind_core_client.wire.ovos import to_collection_message, to_message


class Woken(Collection):
    """A collection that counts how often it has woken who waits."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.count = 0
        self.wake = self.note

    def note(self) -> None:
        self.count += 1


def collection(shortest: float = 0.2, longest: float = 3.0, enough: Any = None) -> Woken:
    return Woken(Message("count", {"to": 3}, {"a": 1}), shortest, longest, enough)


def promise(calls: Collection, handler: Any, seconds: Any = 1.0, **data: Any) -> Message:
    return said(calls, "count.handling", handler, timeout=seconds, **data)


def response(calls: Collection, handler: Any, **data: Any) -> Message:
    return said(calls, "count.response", handler, **data)


def said(calls: Collection, name: str, handler: Any, **data: Any) -> Message:
    return Message(name, {"query": calls.call["context"]["__collect_id__"], "handler": handler, **data})


def test_the_call_is_the_message_with_an_id_and_the_message_is_left_alone() -> None:
    message = Message("count", {"to": 3}, {"a": 1})
    first, second = (Collection(message, 0.2, 3.0, None) for _ in range(2))
    call = to_message(first.call)
    assert (call.msg_type, call.data, call.context["a"]) == ("count", {"to": 3}, 1)
    assert call.context["__collect_id__"] != second.call["context"]["__collect_id__"]
    assert message.context == {"a": 1}
    assert first.names == ("count.handling", "count.response")


@pytest.mark.parametrize("message", [HiveMessage("bus", {"type": "count"}), "count", None])
def test_what_is_no_ovos_message_cannot_be_asked_with(message: Any) -> None:
    with pytest.raises(InvalidMessage, match=f"not with a {type(message).__name__}"):
        Collection(message, 0.2, 3.0, None)


def test_nobody_is_waited_for_when_nobody_promised() -> None:
    calls = collection()
    assert list(calls.pauses()) == [0.2]
    assert calls.responses == []


def test_all_who_promised_are_waited_for_and_no_longer_than_that() -> None:
    calls = collection()
    pauses = calls.pauses()
    assert next(pauses) == 0.2
    calls.take(promise(calls, "a", 2.5))
    calls.take(promise(calls, "b", 2.0))
    calls.take(response(calls, "a", n=1))
    assert next(pauses) == pytest.approx(1.8)  # a has answered, and b has two seconds
    assert calls.count == 0
    calls.take(response(calls, "b", n=2))
    assert calls.count == 1
    assert list(pauses) == []
    assert [one.data["n"] for one in calls.responses] == [1, 2]


def test_the_shortest_wait_is_not_cut_short_since_others_may_still_promise() -> None:
    calls = collection()
    pauses = calls.pauses()
    next(pauses)
    calls.take(promise(calls, "a"))
    calls.take(response(calls, "a"))
    assert calls.count == 0
    assert list(pauses) == []


@pytest.mark.parametrize(
    ("promises", "longest", "expected"),
    [
        ([1.0], 3.0, [0.2, 0.8]),
        ([5.0], 3.0, [0.2, 2.8]),
        ([1.0, 1.0], 3.0, [0.2, 1.8]),  # who asks for more time gets it on top
        ([0.1], 3.0, [0.2]),
        ([-1.0], 3.0, [0.2]),
        ([1.0], 0.2, [0.2]),
    ],
    ids=["as-promised", "at-most", "extended", "over-already", "negative", "no-time"],
)
def test_how_long_a_promise_is_waited_for(
    promises: list[float], longest: float, expected: list[float]
) -> None:
    calls = collection(longest=longest)
    for seconds in promises:
        calls.take(promise(calls, "a", seconds))
    assert list(calls.pauses()) == pytest.approx(expected)


def test_a_promise_that_comes_during_a_wait_lengthens_it() -> None:
    calls = collection()
    pauses = calls.pauses()
    next(pauses)
    calls.take(promise(calls, "a"))
    assert next(pauses) == pytest.approx(0.8)
    calls.take(promise(calls, "b", 2.0))
    assert next(pauses) == pytest.approx(1.0)
    assert list(pauses) == []


def test_one_response_may_be_enough_and_stays_so() -> None:
    calls = collection(enough=lambda message: message.data.get("sure"))
    pauses = calls.pauses()
    next(pauses)
    for handler in "abc":
        calls.take(promise(calls, handler))
    assert next(pauses) == pytest.approx(0.8)
    calls.take(response(calls, "a", sure=True))
    assert calls.count == 1
    calls.take(response(calls, "b", sure=False))
    assert calls.count == 2
    assert list(pauses) == []


def test_a_judge_that_raises_costs_its_own_judgement_only() -> None:
    calls = collection(enough=lambda message: message.data["nope"])
    pauses = calls.pauses()
    next(pauses)
    calls.take(promise(calls, "a"))
    next(pauses)
    with pytest.raises(KeyError):
        calls.take(response(calls, "a"))
    assert calls.count == 1
    assert list(pauses) == [] and len(calls.responses) == 1


def test_a_response_without_a_promise_counts_and_the_latest_of_each_is_kept() -> None:
    calls = collection()
    for number in (1, 2):
        calls.take(response(calls, "a", n=number))
    assert [one.data["n"] for one in calls.responses] == [2]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "MOST_ANSWERS", 2)
    calls = collection()
    for handler in ("a", "b", "c", "a"):
        calls.take(promise(calls, handler))
        calls.take(response(calls, handler, of=handler))
    assert [one.data["of"] for one in calls.responses] == ["a", "b"]
    assert list(calls.pauses()) == [0.2]


@pytest.mark.parametrize("handler", [None, ["a"], 7])
@pytest.mark.parametrize("name", ["count.handling", "count.response"])
def test_who_has_no_name_is_nobody(name: str, handler: Any) -> None:
    calls = collection()
    calls.take(said(calls, name, handler, timeout=1.0))
    assert list(calls.pauses()) == [0.2] and calls.responses == []


@pytest.mark.parametrize("seconds", ["soon", None, True, -1.0, 10**400, float("nan"), float("inf")])
def test_a_promise_that_makes_no_sense_changes_nothing(seconds: Any) -> None:
    calls = collection()
    calls.take(promise(calls, "a", seconds))
    assert list(calls.pauses()) == [0.2]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["count.handling", "count.response"]),
            st.one_of(st.sampled_from("abc"), st.none(), st.integers()),
            st.one_of(st.floats(), st.integers(), st.just(10**400), st.booleans(), st.text(), st.none()),
        )
    ),
    st.floats(0, 5),
)
def test_whatever_comes_the_waits_end_in_time(heard: list[tuple[str, Any, Any]], longest: float) -> None:
    calls = collection(0.2, longest)
    pauses, waited = calls.pauses(), 0.0
    for name, handler, seconds in heard:
        calls.take(said(calls, name, handler, timeout=seconds))
        pause: Optional[float] = next(pauses, None)
        waited += pause or 0.0
        assert pause is None or pause > 0
    assert waited + sum(pauses) <= max(0.2, longest) + 1e-6
    assert len(calls.responses) <= 3


def test_a_promise_and_the_request_that_goes_with_it() -> None:
    calls = collection()
    message, ids = promised(to_message(calls.call), 1.5)
    request = to_collection_message(to_message(calls.call), *ids)
    assert isinstance(request, CollectionMessage) and request.data == {"to": 3}
    pauses = calls.pauses()
    next(pauses)
    calls.take(message)
    assert next(pauses) == pytest.approx(1.3)
    calls.take(request.success({"n": 3}))
    assert calls.count == 1
    assert calls.responses[0].data["n"] == 3 and calls.responses[0].data["succeeded"]


def test_each_message_is_shown_to_the_call_it_belongs_to() -> None:
    collecting_calls, first, second, other = Collecting(), collection(), collection(), collection()
    other.names = ("paint.handling", "paint.response")
    for calls in (first, second, other):
        collecting_calls.begin(calls)
    collecting_calls.take(response(second, "a"))
    for query in (None, ["a"], "another"):
        collecting_calls.take(Message("count.response", {"query": query, "handler": "a"}))
    assert [len(calls.responses) for calls in (first, second, other)] == [0, 1, 0]
    assert collecting_calls.end(first) == ()
    assert collecting_calls.end(second) == second.names
    assert collecting_calls.end(other) == other.names
    collecting_calls.take(response(second, "b"))
    assert len(second.responses) == 1


@pytest.mark.parametrize("context", [{}, {"__collect_id__": 7}])
def test_what_is_no_collect_call_cannot_be_promised(context: Json) -> None:
    with pytest.raises(InvalidMessage, match="no collect-call"):
        promised(Message("count", {}, context), 1.0)


def test_responses_are_bounded_in_what_they_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hivemind_core_client.kernel.collect_calls._MOST_CHARACTERS", 3000)
    calls = collection()
    for handler in ("a", "b", "c", "x" * 2000):
        calls.take(response(calls, handler, text="." * 1000))
    calls.take(response(calls, "b"))  # in place of the first, which was longer
    calls.take(response(calls, "d", text="." * 1000))
    assert [each.data["handler"] for each in calls.responses] == ["a", "b", "d"]
