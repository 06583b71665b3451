"""The timers of the reference client, by themselves."""

from __future__ import annotations

import threading
from typing import Any

from hivemind_core_client import HiveMessage
from hivemind_core_client.protocol import CascadeAggregator, QueryLivenessTimer
from tests.unit.client_support import PATIENCE, Log

ANSWERS = [HiveMessage("cascade", HiveMessage("bus", {"type": "speak", "data": {"n": n}})) for n in range(3)]
#: Longer than any test runs, and no time at all; in seconds.
LONG, AT_ONCE = 600.0, 0.01


def test_answers_are_gathered_until_the_time_is_over() -> None:
    log = Log()
    gathering = CascadeAggregator(AT_ONCE, lambda answers: answers[-1], log)
    gathering.add_response(ANSWERS[0])
    assert log.wait(1) == [ANSWERS[0]]
    gathering.add_response(ANSWERS[1])
    assert gathering.responses == [] and len(log.calls) == 1


def test_answers_are_gathered_until_all_are_there() -> None:
    log = Log()
    gathering = CascadeAggregator(LONG, lambda answers: answers[-1], log, expected_responses=2)
    gathering.add_response(ANSWERS[0])
    assert gathering.responses == [ANSWERS[0]] and not log.calls
    gathering.add_response(ANSWERS[1])
    assert log.calls == [ANSWERS[1]]


def test_where_nobody_picks_chance_does() -> None:
    log = Log()
    gathering = CascadeAggregator(LONG, None, log, expected_responses=3)
    for answer in ANSWERS:
        gathering.add_response(answer)
    assert len(log.calls) == 1 and log.calls[0] in ANSWERS


def test_none_may_be_picked_and_none_is_where_it_is_cancelled() -> None:
    log = Log()
    CascadeAggregator(LONG, lambda answers: None, log, expected_responses=1).add_response(ANSWERS[0])
    cancelled = CascadeAggregator(LONG, None, log, expected_responses=2)
    cancelled.cancel()
    cancelled.add_response(ANSWERS[0])
    begun = CascadeAggregator(LONG, None, log, expected_responses=2)
    begun.add_response(ANSWERS[0])
    begun.cancel()
    begun.add_response(ANSWERS[1])
    assert log.calls == [] and begun.responses == cancelled.responses == []


def test_silence_is_told_with_the_last_question() -> None:
    log = Log()
    timer = QueryLivenessTimer(LONG, log)
    assert timer.expire_now() is False
    timer.arm("one")
    timer.arm()
    assert timer.query_id == "one" and timer.expire_now() is True
    assert log.calls == ["one"] and timer.query_id == ""
    timer.arm("two")
    timer.cancel()
    assert timer.expire_now() is False and log.calls == ["one"]


def test_silence_is_told_by_itself() -> None:
    told = threading.Event()
    asked: list[Any] = []
    QueryLivenessTimer(AT_ONCE, lambda query: (asked.append(query), told.set())).arm("late")
    assert told.wait(PATIENCE) and asked == ["late"]
