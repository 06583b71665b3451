"""Collect-calls, sans IO: who is waited for, for how long, and what ends that."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ovos_bus_client.message import CollectionMessage, Message

from hivemind_core_client.errors import InvalidMessage
from hivemind_core_client.jsontext import Json
from hivemind_core_client.kernel import collecting
from hivemind_core_client.kernel.collecting import Collection, promised
from hivemind_core_client.ovos import to_collection_message, to_message


def collection(shortest: float = 0.2, longest: float = 3.0, enough: Any = lambda _: False) -> Collection:
    return Collection(Message("count", {"to": 3}, {"a": 1}), shortest, longest, enough)


def promise(calls: Collection, handler: Any, seconds: Any = 1.0, **data: Any) -> Message:
    return said(calls, "count.handling", handler, timeout=seconds, **data)


def response(calls: Collection, handler: Any, **data: Any) -> Message:
    return said(calls, "count.response", handler, **data)


def said(calls: Collection, name: str, handler: Any, **data: Any) -> Message:
    return Message(name, {"query": calls.call["context"]["__collect_id__"], "handler": handler, **data})


def test_the_call_is_the_message_with_an_id_and_the_message_is_left_alone() -> None:
    message = Message("count", {"to": 3}, {"a": 1})
    first, second = (Collection(message, 0.2, 3.0, lambda _: False) for _ in range(2))
    call = to_message(first.call)
    assert (call.msg_type, call.data, call.context["a"]) == ("count", {"to": 3}, 1)
    assert call.context["__collect_id__"] != second.call["context"]["__collect_id__"]
    assert message.context == {"a": 1}
    assert first.names == ("count.handling", "count.response")


def test_nobody_is_waited_for_when_nobody_promised() -> None:
    calls = collection()
    assert list(calls.pauses()) == [0.2]
    assert calls.responses == []


def test_all_who_promised_are_waited_for_and_no_longer_than_that() -> None:
    calls = collection()
    pauses = calls.pauses()
    assert next(pauses) == 0.2
    assert not calls.take(promise(calls, "a"))
    assert not calls.take(promise(calls, "b", 2.0))
    assert not calls.take(response(calls, "a", n=1))
    assert next(pauses) == pytest.approx(1.8)  # a has answered, and b has two seconds
    assert calls.take(response(calls, "b", n=2))
    assert list(pauses) == []
    assert [one.data["n"] for one in calls.responses] == [1, 2]


def test_the_shortest_wait_is_not_cut_short_since_others_may_still_promise() -> None:
    calls = collection()
    pauses = calls.pauses()
    next(pauses)
    calls.take(promise(calls, "a"))
    assert calls.take(response(calls, "a")) is False
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


def test_one_response_may_be_enough() -> None:
    calls = collection(enough=lambda message: message.data.get("sure"))
    pauses = calls.pauses()
    next(pauses)
    for handler in "ab":
        calls.take(promise(calls, handler))
    assert next(pauses) == pytest.approx(0.8)
    assert calls.take(response(calls, "a", sure=True))
    assert list(pauses) == []


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


@pytest.mark.parametrize("name", ["count.handling", "count.response"])
@pytest.mark.parametrize(
    "data", [{}, {"query": "another"}, {"handler": None}, {"handler": ["a"]}, {"timeout": "soon"}]
)
def test_what_belongs_to_no_call_or_makes_no_sense_changes_nothing(name: str, data: Json) -> None:
    calls = collection()
    rest = {} if not data else said(calls, name, "a").data
    calls.take(Message(name, {**rest, **data}))
    only_a_response = name == "count.response" and "timeout" in data
    assert len(calls.responses) == (1 if only_a_response else 0)
    assert list(calls.pauses()) == [0.2]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["count.handling", "count.response"]),
            st.one_of(st.sampled_from("abc"), st.none(), st.integers()),
            st.one_of(st.floats(), st.booleans(), st.text(), st.none()),
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
    assert calls.take(request.success({"n": 3}))
    assert calls.responses[0].data["n"] == 3 and calls.responses[0].data["succeeded"]


@pytest.mark.parametrize("context", [{}, {"__collect_id__": 7}])
def test_what_is_no_collect_call_cannot_be_promised(context: Json) -> None:
    with pytest.raises(InvalidMessage, match="no collect-call"):
        promised(Message("count", {}, context), 1.0)
