"""The internal bus: each handler once, and one that raises costs nobody else anything."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, Callable

import pytest

from hivemind_core_client.shell.local_bus import LocalBus, Subscriptions


def message(msg_type: str = "speak") -> Any:
    return SimpleNamespace(msg_type=msg_type, serialize=lambda: f"json of {msg_type}")


def test_handlers_get_messages_of_their_type() -> None:
    bus = LocalBus()
    seen: list[Any] = []
    bus.on("speak", seen.append)
    some = message()
    bus.emit(some)
    bus.emit(message("other"))
    assert seen == [some]


def test_message_is_every_one_as_json() -> None:
    bus = LocalBus()
    seen: list[Any] = []
    bus.on("message", seen.append)
    bus.emit(message("a"))
    bus.deliver(message("b"))
    assert seen == ["json of a", "json of b"]


def test_messages_a_handler_registered_twice_is_called_once() -> None:
    """Row: inner BUS messages were delivered twice."""
    bus = LocalBus()
    seen: list[Any] = []
    bus.on("speak", seen.append)
    bus.on("speak", seen.append)
    bus.emit(message())
    assert len(seen) == 1


def test_once_is_once() -> None:
    bus = LocalBus()
    seen: list[Any] = []
    bus.once("speak", seen.append)
    bus.emit(message())
    bus.emit(message())
    assert len(seen) == 1


def test_once_is_once_even_when_the_handler_emits() -> None:
    bus: LocalBus = LocalBus()
    seen: list[Any] = []

    def again(some: Any) -> None:
        seen.append(some)
        bus.emit(message())

    bus.once("speak", again)
    bus.emit(message())
    assert len(seen) == 1


def test_handlers_can_be_removed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    bus = LocalBus()
    seen: list[Any] = []
    bus.on("speak", seen.append)
    bus.on("speak", print)
    bus.remove("speak", seen.append)
    bus.remove_all_listeners("speak")
    bus.remove_all_listeners("speak")
    bus.emit(message())
    assert seen == [] and caplog.text == ""
    bus.remove("speak", seen.append)
    assert "no such handler of speak" in caplog.text


def test_messages_a_handler_that_raises_is_named(caplog: pytest.LogCaptureFixture) -> None:
    def clumsy(some: Any) -> None:
        raise RuntimeError("broken")

    bus = LocalBus()
    seen: list[Any] = []
    bus.on("speak", clumsy)
    bus.on("speak", SimpleNamespace)
    bus.on("speak", seen.append)
    bus.on("message", clumsy)
    bus.emit(message())
    assert len(seen) == 1 and caplog.text.count("clumsy raised") == 2 and "broken" in caplog.text


def test_what_is_emitted_is_tapped_and_what_is_delivered_is_not() -> None:
    tapped: list[Any] = []
    bus = LocalBus(tap=tapped.append)
    emitted = message()
    bus.emit(emitted)
    bus.deliver(message())
    assert tapped == [emitted]


def test_how_handlers_run_can_be_chosen() -> None:
    jobs: list[Callable[[], None]] = []
    seen: list[Any] = []
    bus = LocalBus(run=jobs.append)
    bus.on("speak", seen.append)
    bus.on("message", seen.append)
    bus.emit(message())
    assert seen == [] and len(jobs) == 2
    for job in jobs:
        job()
    assert len(seen) == 2
    bus.deliver_now({"type": "speak", "data": {}, "context": {}})
    assert len(seen) == 4 and len(jobs) == 2


def test_subscriptions_can_be_listed() -> None:
    some = Subscriptions()
    some.add("a", print)
    some.add("b", repr, once=True)
    assert some.all() == [("a", print, False), ("b", repr, True)]
    assert some.take("b") == [repr] and some.take("b") == [] and some.take("c") == []
    assert some.remove("a", print) is True and some.remove("a", print) is False
    assert some.remove("z", print) is False and some.all() == []


def test_handlers_for_one_call_are_taken_by_one_thread() -> None:
    some, taken, barrier = Subscriptions(), [], threading.Barrier(8)
    for number in range(200):
        some.add("a", lambda value, number=number: number, once=True)

    def take() -> None:
        barrier.wait()
        taken.extend(some.take("a"))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(taken) == len(set(taken)) == 200
