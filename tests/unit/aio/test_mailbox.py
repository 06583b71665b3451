"""AsyncMailbox: jobs in order, in turns of the loop; none is lost in silence."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest

from hivemind_core_client.aio.mailbox import AsyncMailbox
from hivemind_core_client.aio.waiting import off_loop

PATIENCE = 10.0
USER: ContextVar[str] = ContextVar("user", default="nobody")


def busy(seconds: float) -> None:
    """What a callback that computes does to its loop."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(100))


def test_jobs_put_before_the_first_connect_all_run() -> None:
    async def main() -> None:
        mailbox, seen = AsyncMailbox(), []

        def job(number: int) -> None:
            busy(0.006)
            seen.append(number)

        for number in range(5):
            mailbox.put(partial(job, number))
        mailbox.reopen()
        mailbox.put(partial(job, 5))
        await mailbox.close(PATIENCE)
        assert seen == list(range(6)) and mailbox.dropped == 0

    asyncio.run(main())


def test_jobs_left_on_a_loop_that_ended_are_counted_and_the_next_loop_runs_its_own() -> None:
    mailbox, seen = AsyncMailbox(), []

    async def put(number: int) -> None:
        mailbox.put(partial(seen.append, number))

    loops = [asyncio.new_event_loop(), asyncio.new_event_loop()]
    loops[0].call_soon(loops[0].stop)
    loops[0].call_soon(mailbox.put, partial(seen.append, 0))
    loops[0].run_forever()  # ends before the job has its turn
    loops[0].close()
    loops[1].run_until_complete(put(1))
    loops[1].run_until_complete(asyncio.sleep(0))
    loops[1].close()
    assert (seen, mailbox.dropped) in (([1], 1), ([0, 1], 0))


def test_a_close_that_runs_out_of_time_counts_what_it_drops_and_leaves_room(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        mailbox = AsyncMailbox(most_held=1000)
        mailbox.reopen()
        for _ in range(100):
            mailbox.put(partial(busy, 0.01))
        assert mailbox.hold(1000) and not mailbox.hold(0)
        await mailbox.close(0.02)
        assert 80 < mailbox.dropped <= 100
        mailbox.reopen()
        assert mailbox.hold(0)

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert "callbacks had not run when the client was closed" in caplog.text


def test_a_loop_that_ends_runs_what_waits_and_counts_the_rest() -> None:
    async def main(seconds: float) -> tuple[int, int]:
        mailbox, seen = AsyncMailbox(), []

        def job() -> None:
            busy(0.006)
            seen.append(1)
            raise ValueError("harmless")

        for _ in range(20):
            mailbox.put(job)
        mailbox.end_with_loop(seconds)
        mailbox.put(job)  # too late, as ever
        return len(seen), mailbox.dropped

    assert asyncio.run(main(PATIENCE)) == (20, 0)
    seen, dropped = asyncio.run(main(0.02))
    assert 0 < seen < 20 and seen + dropped == 20


def test_each_job_runs_in_the_context_of_who_put_it() -> None:
    async def main() -> None:
        mailbox, seen = AsyncMailbox(), []

        async def task(name: str) -> None:
            USER.set(name)
            mailbox.put(lambda: seen.append((name, USER.get())))

        await asyncio.gather(*(task(f"user {number}") for number in range(3)))
        await mailbox.room()
        assert len(seen) == 3 and all(name == user for name, user in seen)

    asyncio.run(main())


def test_news_of_our_own_find_room_in_a_full_queue() -> None:
    async def main() -> None:
        mailbox, seen = AsyncMailbox(limit=2), []
        for _ in range(3):
            mailbox.put(partial(seen.append, "message"))
        mailbox.put(partial(seen.append, "close"), True)
        await mailbox.room()
        assert seen == ["message", "message", "close"] and mailbox.dropped == 1

    asyncio.run(main())


# work that takes long


@pytest.mark.parametrize("raised", [ValueError("no"), StopIteration(), KeyboardInterrupt(), None])
def test_work_off_the_loop_tells_what_came_of_it(raised: Any) -> None:
    def work() -> str:
        if raised is not None:
            raise raised
        return threading.current_thread().name

    async def main() -> str:
        return await asyncio.wait_for(off_loop(work), PATIENCE)

    if raised is None:
        assert asyncio.run(main()) == "hivemind-work"
        return
    expected = RuntimeError if isinstance(raised, StopIteration) else type(raised)  # PEP 479
    with pytest.raises(expected):
        asyncio.run(main())


def test_work_off_the_loop_waits_for_nothing_that_the_user_does_on_threads() -> None:
    async def main() -> None:
        gate = threading.Event()
        loop = asyncio.get_running_loop()
        users = [loop.run_in_executor(None, gate.wait, PATIENCE) for _ in range(64)]
        try:
            assert await asyncio.wait_for(off_loop(lambda: "read"), PATIENCE) == "read"
        finally:
            gate.set()
            await asyncio.gather(*users)

    asyncio.run(main())


def test_the_end_of_the_loop_does_not_wait_for_work_that_hangs() -> None:
    gate, begun = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        gate.wait(PATIENCE)

    async def main() -> None:
        task = asyncio.ensure_future(off_loop(hang))
        while not begun.is_set():
            await asyncio.sleep(0)
        task.cancel()

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < PATIENCE / 2
    gate.set()


def test_work_is_done_in_place_where_the_system_gives_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> str:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        return await off_loop(lambda: "done")

    assert asyncio.run(main()) == "done"
