"""Plugins observe messages: the same on every client and on both fakes."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from typing import Any, Optional

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import Deadlines, FakeHiveMessageBus, HiveMessage
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.plugins.manager import forget_plugins, load_plugins
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Log, Make, until
from tests.unit.support import PASSWORD

#: A selection of plugins of its own, so that what is registered in it is met by no other test.
CHOICE = {"blocked_plugins": ["a-selection-of-the-tests-of-observers"]}
FAKES = ["fake", "asyncio fake"] if sys.version_info >= (3, 10) else ["fake"]
Seen = tuple[str, str, Optional[int]]


def shown(message: HiveMessage) -> str:
    kind = str(message.msg_type.value)
    return str(message.payload.msg_type) if kind == "bus" else kind


class Observer:
    def __init__(self) -> None:
        self.log = Log()

    @hookimpl
    def hivemind_message_arrived(self, message: HiveMessage, size: Optional[int]) -> None:
        self.log(("arrived", shown(message), size))

    @hookimpl
    def hivemind_message_sent(self, client: Any, message: HiveMessage, size: Optional[int]) -> None:
        assert client.metrics.sent
        self.log(("sent", shown(message), size))

    def sizes(self, what: str, name: str) -> list[Optional[int]]:
        return [size for way, kind, size in self.log.calls if (way, kind) == (what, name)]


class Broken:
    @hookimpl(tryfirst=True)
    def hivemind_message_arrived(self) -> None:
        raise SystemExit("observer")

    @hookimpl(tryfirst=True)
    def hivemind_message_sent(self) -> None:
        raise RuntimeError("observer")


def register(*plugins: object) -> None:
    for plugin in plugins:
        load_plugins(blocked=CHOICE["blocked_plugins"]).pm.register(plugin)


@pytest.fixture(autouse=True)
def _leave_nothing_registered() -> Iterator[None]:
    forget_plugins()
    yield
    forget_plugins()


@pytest.mark.parametrize("versions", [(0, 1), (3, 3)][: 1 + (sys.version_info >= (3, 10))])
def test_what_arrives_and_what_is_sent_is_observed_with_its_size(
    versions: tuple[int, int], make: Make
) -> None:
    observer = Observer()
    register(Broken(), observer)
    with EmbeddedHub({"k": "PASSWORD long and random 4711"}, versions=versions) as hub:
        with make(hub, password="PASSWORD long and random 4711", binarize=False, **CHOICE) as client:
            client.emit(Message("small", {"text": "x"}))
            client.emit(Message("large", {"text": "ü" * 50_000}))
            hub.wait_for("bus", count=2)
            hub.broadcast(Message("down", {"text": "y"}))
            hub.broadcast(HiveMessage("3rdparty", {"noise": [number * 7919 for number in range(40_000)]}))
            assert until(lambda: len(observer.log.calls) == 4)
    assert [(way, kind) for way, kind, _ in observer.log.calls] == [
        ("sent", "small"),
        ("sent", "large"),
        ("arrived", "down"),
        ("arrived", "3rdparty"),
    ]
    small, large, down, third = (size for _, _, size in observer.log.calls)
    assert small is not None and large is not None and down is not None and third is not None
    assert 20 < small < 5_000 and 20 < down < 5_000
    assert large > small and third > 60_000


def broadcast_and_hear(hub: EmbeddedHub, heard: Log, count: int) -> None:
    """So many messages of the hub come to a handler, each of them and in order."""
    for number in range(count):
        hub.broadcast(HiveMessage("3rdparty", {"number": number}))
    assert [message["number"] for message in heard.wait(count)] == list(range(count))


def test_one_that_raises_stops_nobody_and_is_logged_a_few_times(
    hub: EmbeddedHub, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    register(Broken())
    heard = Log()
    with make(hub, **CHOICE) as client:
        client.on("3rdparty", heard)
        broadcast_and_hear(hub, heard, 20)
        client.emit(HiveMessage("3rdparty", {}))
        assert until(lambda: "raised in hivemind_message_sent" in caplog.text)
    assert 1 <= caplog.text.count("raised in hivemind_message_arrived") <= 5


@pytest.mark.otherwise("asyncio", why="on a loop it ends the loop, as Ctrl-C does")
def test_what_an_observer_raises_as_ctrl_c_does_costs_handlers_no_message(
    hub: EmbeddedHub, make: Make
) -> None:
    class Interrupts:
        @hookimpl
        def hivemind_message_arrived(self) -> None:
            raise KeyboardInterrupt

    register(Interrupts())
    heard = Log()
    with make(hub, **CHOICE) as client:
        client.on("3rdparty", heard)
        broadcast_and_hear(hub, heard, 3)


def test_an_observer_runs_before_the_handlers_and_may_use_the_client(hub: EmbeddedHub, make: Make) -> None:
    order = Log()

    class First:
        @hookimpl
        def hivemind_message_arrived(self, client: Any, message: HiveMessage) -> None:
            client.on("3rdparty", lambda message: order("a handler that was set by the observer"))
            order(client.state.value)

    register(First())
    with make(hub, **CHOICE) as client:
        client.on("3rdparty", lambda message: order("handler"))
        hub.broadcast(HiveMessage("3rdparty", {}))
        assert order.wait(2)[:2] == ["connected", "handler"]


@pytest.mark.otherwise("http", why="it sends no ping")
def test_what_cannot_be_sent_is_not_observed(hub: EmbeddedHub, make: Make) -> None:
    observer = Observer()
    register(observer)
    client = make(hub, **CHOICE)
    with pytest.raises(Exception, match="connect"):
        client.emit(Message("early"))
    with client:
        with pytest.raises(Exception, match="JSON"):
            client.emit(Message("unsound", {"what": object()}))
        client.emit(Message("sound"))
        observer.log.wait(1)
    assert [kind for _, kind, _ in observer.log.calls] == ["sound"]


@pytest.mark.otherwise("http", why="it is as slow by itself")
def test_whoever_sends_does_not_wait_for_an_observer(hub: EmbeddedHub, make: Make, client_kind: str) -> None:
    """What is sent while too much waits is not observed, and is counted."""
    running, goes_on, seen = threading.Event(), threading.Event(), Log()

    class Slow:
        @hookimpl
        def hivemind_message_sent(self, message: HiveMessage) -> None:
            running.set()
            assert client_kind == "asyncio" or goes_on.wait(20)
            seen(message)

    register(Slow())
    with make(hub, **CHOICE) as client:
        client.emit(Message("first"))
        assert running.wait(20)
        for _ in range(1_100 if client_kind == "threads" else 5):
            client.emit(HiveMessage("3rdparty", {}))
        goes_on.set()
        if client_kind == "threads":
            assert seen.wait(1_000) and client.metrics.dropped >= 99
        else:
            assert seen.wait(6) and client.metrics.dropped == 0


class Gated:
    """Observes what is sent, as soon as it may."""

    def __init__(self) -> None:
        self.running, self.goes_on, self.seen = threading.Event(), threading.Event(), Log()

    @hookimpl
    def hivemind_message_sent(self, message: HiveMessage) -> None:
        self.running.set()
        assert self.goes_on.wait(20)
        self.seen(shown(message))


@pytest.mark.otherwise("asyncio", "http", why="there an observer that blocks holds whoever sends")
def test_what_waits_when_a_client_is_closed_does_not_count_in_its_next_life(
    hub: EmbeddedHub, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hivemind_core_client.shell.observing.MOST_WAITING", 3)
    observer = Gated()
    register(observer)
    client = make(hub, deadlines=Deadlines(close=0.2), **CHOICE)
    client.connect()
    client.emit(HiveMessage("3rdparty", {}))
    assert observer.running.wait(20)
    for _ in range(5):
        client.emit(HiveMessage("3rdparty", {}))
    client.close()
    observer.goes_on.set()
    observer.seen.wait(1)
    with client:
        client.emit(Message("again"))
        assert "again" in observer.seen.wait(2)


@pytest.mark.otherwise("asyncio", "http", why="there an observer that blocks holds whoever sends")
def test_what_waits_is_bounded_by_the_memory_that_it_takes(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hivemind_core_client.shell.observing.MOST_WAITING_BYTES", 300_000)
    observer = Gated()
    register(observer)
    options = {"password": PASSWORD, "compress": True, "max_protocol_version": 1, **CHOICE}
    with EmbeddedHub({"k": PASSWORD}, binarize=True) as hub, make(hub, **options) as client:
        client.emit(Message("first"))
        assert observer.running.wait(20)
        for name in ("second", "third"):
            client.emit(Message(name, {"text": "x" * 400_000}))  # some hundred bytes on the wire
        observer.goes_on.set()
        assert observer.seen.wait(2) == ["first", "second"]
        assert client.metrics.dropped == 1


def test_observers_and_handlers_get_the_same_messages_where_there_is_no_room(
    hub: EmbeddedHub, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    observer, heard = Observer(), Log()
    register(observer)
    with make(hub, **CHOICE) as client:
        client.on("3rdparty", lambda message: heard(len(message["noise"])))
        monkeypatch.setattr(client.mailbox, "hold", lambda weight: False)
        for length in (2_000_000, 1, 2):
            hub.broadcast(HiveMessage("3rdparty", {"noise": "x" * length}))
        assert until(lambda: client.metrics.dropped >= 2)
        assert heard.wait(1) == [2_000_000]
        assert len(observer.sizes("arrived", "3rdparty")) == 1


def test_where_nobody_observes_the_plain_classes_are_used(hub: EmbeddedHub, make: Make) -> None:
    plugins = load_plugins(blocked=CHOICE["blocked_plugins"])
    assert not plugins.observes("hivemind_message_arrived") and not plugins.observes("hivemind_message_sent")
    register(Observer())
    assert plugins.observes("hivemind_message_arrived") and plugins.observes("hivemind_message_sent")


@pytest.mark.parametrize("kind", FAKES)
def test_the_fakes_tell_observers_too(kind: str) -> None:
    observer = Observer()
    register(observer, Broken())
    asyncio.run(with_async_fake()) if kind == "asyncio fake" else with_fake()
    assert observer.log.calls == [("sent", "up", None), ("arrived", "down", None)]


def with_fake() -> None:
    with FakeHiveMessageBus(**CHOICE) as bus:
        bus.emit(Message("up"))
        bus.receive(Message("down"))


async def with_async_fake() -> None:
    from hivemind_core_client import AsyncFakeHiveMessageBus

    async with AsyncFakeHiveMessageBus(**CHOICE) as bus:
        await bus.emit(Message("up"))
        await bus.receive(Message("down"))
        await bus.settle()
