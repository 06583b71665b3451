"""Mailbox: jobs in order on one thread, timers, and what happens when one of them is stuck."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any, Callable

import pytest

from hivemind_core_client.sync import mailbox as mailbox_module
from hivemind_core_client.sync.mailbox import Mailbox
from tests.unit.client_support import until

WAIT = 10.0


def close(mailbox: Mailbox, seconds: float) -> None:
    """As a client closes it."""
    mailbox.shut()
    mailbox.drain(seconds)


@pytest.fixture
def make() -> Iterator[Callable[..., Mailbox]]:
    made: list[Mailbox] = []

    def build(**options: Any) -> Mailbox:
        made.append(Mailbox("test-mailbox", **options))
        return made[-1]

    yield build
    for mailbox in made:
        close(mailbox, WAIT)
    assert not [thread for thread in threading.enumerate() if thread.name == "test-mailbox"]


def wait_for(event: threading.Event) -> None:
    event.wait(WAIT)


def flush(mailbox: Mailbox) -> None:
    """Return when everything that was put before has run."""
    done = threading.Event()
    mailbox.put(done.set)
    assert done.wait(WAIT)


def test_jobs_run_in_order_on_one_thread(make: Callable[..., Mailbox]) -> None:
    mailbox, seen = make(), []
    for number in range(500):
        mailbox.put(lambda number=number: seen.append((number, threading.current_thread())))  # type: ignore[misc]
    flush(mailbox)
    assert [number for number, _ in seen] == list(range(500))
    assert len({thread for _, thread in seen}) == 1
    assert threading.current_thread() not in {thread for _, thread in seen}


def test_no_thread_before_the_first_job(make: Callable[..., Mailbox]) -> None:
    make()
    assert not [thread for thread in threading.enumerate() if thread.name == "test-mailbox"]


def test_messages_a_job_that_raises_is_logged_and_the_rest_goes_on(
    make: Callable[..., Mailbox], caplog: pytest.LogCaptureFixture
) -> None:
    mailbox = make()

    def explode() -> None:
        raise RuntimeError("broken")

    mailbox.put(explode)
    flush(mailbox)
    assert "a handler raised" in caplog.text and "broken" in caplog.text


def test_a_job_that_is_stuck_does_not_block_the_rest(
    make: Callable[..., Mailbox], caplog: pytest.LogCaptureFixture
) -> None:
    mailbox, release, ran = make(stall=0.02), threading.Event(), threading.Event()
    mailbox.put(partial(wait_for, release))
    mailbox.put(ran.set)
    assert ran.wait(WAIT)
    assert "a handler has been running" in caplog.text
    release.set()
    flush(mailbox)


def test_as_many_threads_as_were_allowed_and_no_more(make: Callable[..., Mailbox]) -> None:
    mailbox, release = make(stall=0.01, workers=3), threading.Event()
    stuck = threading.Semaphore(0)

    def stick() -> None:
        stuck.release()
        release.wait(WAIT)

    ran = threading.Event()
    for _ in range(5):
        mailbox.put(stick)
    mailbox.put(ran.set)
    for _ in range(3):
        assert stuck.acquire(timeout=WAIT)
    assert not stuck.acquire(timeout=0.1) and not ran.is_set()
    release.set()
    assert ran.wait(WAIT)


def test_a_job_that_waits_hands_the_lead_over(make: Callable[..., Mailbox]) -> None:
    mailbox, ran, waited = make(), threading.Event(), threading.Event()

    def waits() -> None:
        assert mailbox.owns_current_thread()
        with mailbox.blocking():
            if ran.wait(WAIT):
                waited.set()

    mailbox.put(waits)
    mailbox.put(ran.set)
    assert waited.wait(WAIT)
    assert not mailbox.owns_current_thread()
    with mailbox.blocking():
        flush(mailbox)


def test_timers_run_in_time_order_and_replace_each_other(
    make: Callable[..., Mailbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox, seen, done, clock = make(), [], threading.Event(), [0.0]
    monkeypatch.setattr(mailbox_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    mailbox.later(0.03, "last", done.set)
    mailbox.later(0.02, "second", lambda: seen.append("second"))
    mailbox.later(0.001, "replaced", lambda: seen.append("wrong"))
    mailbox.later(0.01, "replaced", lambda: seen.append("first"))
    mailbox.later(0.005, "cancelled", lambda: seen.append("cancelled"))
    mailbox.cancel("cancelled")
    mailbox.cancel("unknown")
    flushed = threading.Event()
    mailbox.put(flushed.set)
    assert flushed.wait(WAIT) and seen == []  # before their time
    clock[0] = 1.0
    assert done.wait(WAIT)
    assert seen == ["first", "second"]


def test_a_full_mailbox_drops_logs_and_counts(
    make: Callable[..., Mailbox], caplog: pytest.LogCaptureFixture
) -> None:
    mailbox, release, begun = make(limit=2, stall=0.01, workers=1), threading.Event(), threading.Event()

    def stick() -> None:
        begun.set()
        release.wait(WAIT)

    mailbox.put(stick)
    assert begun.wait(WAIT)
    seen: list[int] = []
    for number in range(4):
        mailbox.put(lambda number=number: seen.append(number))  # type: ignore[misc]
    assert mailbox.dropped == 2 and "dropped one (2 so far)" in caplog.text
    release.set()
    assert until(lambda: len(seen) == 2)  # until then there is no room, and nobody waits for it any more
    flush(mailbox)
    assert seen == [0, 1]


def stuck(mailbox: Mailbox) -> threading.Event:
    """Set it to let the job end that runs in this mailbox now."""
    release, begun = threading.Event(), threading.Event()

    def stick() -> None:
        begun.set()
        release.wait(WAIT)

    mailbox.put(stick)
    assert begun.wait(WAIT)
    return release


def test_what_messages_hold_is_bounded_in_bytes(
    make: Callable[..., Mailbox], caplog: pytest.LogCaptureFixture
) -> None:
    mailbox = make(stall=0.01, workers=1, most_held=5 * 2**20)
    release = stuck(mailbox)
    assert mailbox.hold(4 * 2**20)
    assert mailbox.hold(2 * 2**20)  # whatever it is that takes the last room
    assert not mailbox.hold(0)  # nothing came free in time
    mailbox.drop()
    assert mailbox.dropped == 1
    assert "2 callbacks wait, and hold 6 MiB of messages; dropped one (1 so far)" in caplog.text
    release.set()
    flush(mailbox)
    assert mailbox.hold(0)


def test_who_brings_messages_waits_until_they_are_dealt_with(make: Callable[..., Mailbox]) -> None:
    mailbox, order = make(stall=WAIT, most_held=100), []
    release = stuck(mailbox)
    assert mailbox.hold(100)

    def bring() -> None:
        order.append("room" if mailbox.hold(60) else "none")

    reader = threading.Thread(target=bring)
    reader.start()
    order.append("released")
    release.set()
    reader.join(WAIT)
    assert order == ["released", "room"] and mailbox.dropped == 0


def test_who_has_waited_in_vain_waits_no_more_until_there_was_room(make: Callable[..., Mailbox]) -> None:
    mailbox = make(stall=1.0, workers=1, most_held=100)
    release = stuck(mailbox)
    assert mailbox.hold(100)
    assert not any(
        mailbox.hold(0) for _ in range(100)
    )  # a hundred waits would be longer than any test may take
    release.set()
    flush(mailbox)
    assert mailbox.hold(0)


def test_within_a_job_nobody_waits_for_room(make: Callable[..., Mailbox]) -> None:
    mailbox, seen = make(stall=WAIT, most_held=100), []
    done = threading.Event()

    def bring() -> None:
        seen.extend([mailbox.hold(200), mailbox.hold(0)])
        done.set()

    mailbox.put(bring)
    assert done.wait(WAIT / 2) and seen == [True, False]


def test_a_mailbox_that_was_closed_holds_nothing(make: Callable[..., Mailbox]) -> None:
    mailbox = make(stall=WAIT, workers=1, most_held=100)
    release = stuck(mailbox)
    assert mailbox.hold(200)
    reader = threading.Thread(target=mailbox.hold, args=(0,))
    reader.start()
    mailbox.shut()
    reader.join(WAIT / 2)
    assert not reader.is_alive()
    mailbox.drain(0)
    release.set()
    mailbox.reopen()
    assert mailbox.hold(0)


def test_who_puts_a_job_waits_for_room(make: Callable[..., Mailbox]) -> None:
    mailbox, seen = make(limit=1, stall=WAIT), []
    for number in range(50):
        mailbox.put(lambda number=number: seen.append(number))  # type: ignore[misc]
    flush(mailbox)
    assert seen == list(range(50)) and mailbox.dropped == 0


def test_a_job_that_puts_jobs_does_not_wait_for_itself(make: Callable[..., Mailbox]) -> None:
    mailbox, done = make(limit=1, stall=WAIT), threading.Event()

    def puts() -> None:
        for _ in range(3):
            mailbox.put(lambda: None)
        done.set()

    mailbox.put(puts)
    assert done.wait(WAIT / 2)
    assert mailbox.dropped == 2


def test_connecting_close_runs_what_waits_and_takes_no_more(make: Callable[..., Mailbox]) -> None:
    mailbox, seen = make(), []
    for number in range(20):
        mailbox.put(lambda number=number: seen.append(number))  # type: ignore[misc]
    mailbox.later(0.0, "late", lambda: None)
    close(mailbox, WAIT)
    mailbox.put(lambda: seen.append("late"))
    mailbox.later(0.0, "late", lambda: seen.append("late"))
    close(mailbox, WAIT)
    assert seen == list(range(20))
    mailbox.reopen()
    flush(mailbox)


def test_connecting_close_may_be_called_by_a_job(make: Callable[..., Mailbox]) -> None:
    """Row: `close()` joined itself from a handler."""
    mailbox, closed = make(), threading.Event()

    def job() -> None:
        close(mailbox, WAIT)
        closed.set()

    mailbox.put(job)
    assert closed.wait(WAIT / 2)


def test_close_does_not_wait_longer_than_it_may(make: Callable[..., Mailbox]) -> None:
    mailbox, release, begun = make(), threading.Event(), threading.Event()

    def stick() -> None:
        begun.set()
        release.wait(WAIT)

    mailbox.put(stick)
    assert begun.wait(WAIT)
    close(mailbox, 0.01)
    assert not release.is_set()
    release.set()


def test_an_idle_thread_ends_and_the_next_job_starts_another(make: Callable[..., Mailbox]) -> None:
    mailbox = make(idle=0.01)
    workers: list[threading.Thread] = []
    mailbox.put(lambda: workers.append(threading.current_thread()))
    flush(mailbox)
    workers[0].join(WAIT)
    assert not workers[0].is_alive()
    flush(mailbox)


def test_behind_a_stuck_handler_only_the_first_waits_for_room_and_news_always_find_it(
    make: Callable[..., Mailbox],
) -> None:
    mailbox, gate, seen = make(limit=2, stall=0.2, workers=1), threading.Event(), []
    begun = threading.Event()

    def stuck() -> None:
        begun.set()
        gate.wait(WAIT)

    mailbox.put(stuck)
    assert begun.wait(WAIT)
    for _ in range(2):
        mailbox.put(partial(seen.append, "message"))
    began = time.monotonic()
    for _ in range(50):
        mailbox.put(partial(seen.append, "too many"))
    assert time.monotonic() - began < 5.0, "each would wait 0.2 s"
    mailbox.put(partial(seen.append, "close"), True)
    gate.set()
    assert until(lambda: "close" in seen)
    assert seen[-1] == "close" and mailbox.dropped + seen.count("too many") == 50


def test_a_close_that_runs_out_of_time_counts_what_it_drops(make: Callable[..., Mailbox]) -> None:
    mailbox, gate, begun = make(), threading.Event(), threading.Event()

    def stuck() -> None:
        begun.set()
        gate.wait(WAIT)

    mailbox.put(stuck)
    assert begun.wait(WAIT)
    for _ in range(7):
        mailbox.put(begun.set)
    mailbox.hold(10)
    close(mailbox, 0.01)
    gate.set()
    assert mailbox.dropped == 7


def test_a_timer_for_longer_than_python_waits_holds_nobody_up(make: Callable[..., Mailbox]) -> None:
    raised: list[Any] = []
    before, threading.excepthook = threading.excepthook, raised.append
    try:
        mailbox = make()
        mailbox.later(1e12, "some day", lambda: None)
        flush(mailbox)
        mailbox.cancel("some day")
        flush(mailbox)
        close(mailbox, WAIT)
    finally:
        threading.excepthook = before
    assert raised == []
