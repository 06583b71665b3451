"""A lane makes its calls one at a time, in order, on a thread that ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hivemind_core_client.shell import lanes
from hivemind_core_client.shell.lanes import Call, Lane, Lanes

PATIENCE = 20.0


class Made:
    """Calls that were made, and waiting for them."""

    def __init__(self) -> None:
        self.order: list[int] = []
        self.threads: set[int] = set()
        self.begun, self.gate = threading.Event(), threading.Event()
        self._changed = threading.Condition()

    def call(self, number: int, blocks: bool = False, weight: int = 0) -> Call:
        def work() -> Any:
            self.begun.set()
            if blocks:
                assert self.gate.wait(PATIENCE)
            self.threads.add(threading.get_ident())
            self.order.append(number)
            return list

        return Call(work, self._tell, weight)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def wait(self, count: int) -> list[int]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.order) >= count, PATIENCE), self.order
        return self.order


@pytest.fixture
def made() -> Iterator[Made]:
    calls = Made()
    yield calls
    calls.gate.set()


def gone(lane: Lane) -> bool:
    tick = threading.Event()
    return any(lane.thread is None or tick.wait(0.005) for _ in range(4000))


def test_calls_are_made_in_order_on_one_thread_which_ends(made: Made) -> None:
    lane = Lane("door")
    assert all(lane.put(made.call(number)) for number in range(50))
    assert made.wait(50) == list(range(50))
    assert len(made.threads) == 1 and threading.get_ident() not in made.threads
    lane.end()
    assert gone(lane)
    lane.put(made.call(50))  # a client that was closed may connect again
    assert made.wait(51)[-1] == 50


def test_it_ends_when_it_is_idle(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_IDLE_S", 0.01)
    lane = Lane("door")
    lane.put(made.call(1))
    made.wait(1)
    assert gone(lane)


def test_what_is_too_much_is_refused_and_what_is_withdrawn_is_not_made(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MOST_WAITING", 2)
    monkeypatch.setattr(lanes, "MOST_WAITING_BYTES", 100)
    lane, late = Lane("door"), made.call(2, weight=100)
    lane.put(made.call(0, blocks=True))
    assert made.begun.wait(PATIENCE)
    assert lane.put(made.call(1)) and lane.put(late)
    assert not lane.put(made.call(3))
    lane.withdraw(late)
    lane.withdraw(late)
    assert lane.put(made.call(4, weight=99))
    assert lane.put(made.call(5), always=True)
    made.gate.set()
    assert made.wait(4) == [0, 1, 4, 5]


def test_one_that_raises_harms_nobody(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> Any:
        raise KeyboardInterrupt

    lane = Lane("door")
    lane.put(Call(fail))
    lane.put(made.call(1))
    assert made.wait(1) == [1]
    assert "a call in the lane of door failed" in caplog.text


def test_what_waits_at_the_end_is_counted(made: Made) -> None:
    all_lanes = Lanes()
    lane = all_lanes.of("door")
    assert all_lanes.of("door") is lane
    lane.put(made.call(0, blocks=True, weight=10))
    assert made.begun.wait(PATIENCE)
    for weight in (10, 10, 0):
        lane.put(made.call(1, weight=weight))
    assert all_lanes.end() == 2  # a timer is no message
    made.gate.set()
    assert gone(lane) and made.order == [0]


def test_where_no_thread_can_begin_who_calls_does_it(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    lane = Lane("door")
    assert lane.put(made.call(1)) and lane.put(made.call(2))
    assert (made.order, made.threads, lane.thread) == ([1, 2], {threading.get_ident()}, None)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), ValueError("odd")], ids=repr)
def test_who_waits_for_a_call_that_raises_is_told_and_nothing_follows(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> Any:
        raise error

    lane, told = Lane("door"), threading.Event()
    lane.is_stuck = True
    call = Call(work, told.set)
    lane.put(call)
    assert told.wait(PATIENCE)
    assert call.is_over() and call.follow is not None and call.follow() == []
    assert not lane.is_stuck
    assert "a call in the lane of door failed" in caplog.text


def test_who_waits_for_a_call_is_told_where_the_client_is_closed(made: Made) -> None:
    lane, told = Lane("door"), threading.Event()
    lane.put(made.call(0, blocks=True))
    assert made.begun.wait(PATIENCE)
    call = Call(lambda: list, told.set)
    lane.put(call)
    lane.end()
    assert told.is_set() and call.is_over() and call.follow is None
