"""The threaded client when two things happen at once: writers, closing and connecting, asking and losing."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import Deadlines, HiveMessageBusClient, NodeIdentity
from hivemind_core_client.errors import ClientClosed, ConnectionLost, HiveMindError, InvalidOption
from hivemind_core_client.kernel.events import Event
from hivemind_core_client.kernel.link import Link
from hivemind_core_client.shell.subscriptions import call_safely
from hivemind_core_client.sync.waiting import WritingLock
from hivemind_core_client.testing import EmbeddedHub
from hivemind_core_client.transports.websocket import WebSocketTransport
from tests.unit.client_support import PATIENCE, login, utterance
from tests.unit.support import PASSWORD


def make(hub: EmbeddedHub, **options: Any) -> HiveMessageBusClient:
    return HiveMessageBusClient(**login(hub.url, **options))


def on_a_thread(job: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=job, daemon=True)
    thread.start()
    return thread


def stuck() -> ConnectionLost:
    return ConnectionLost("the hub is stuck")


def test_a_writer_waits_as_long_as_others_have_their_turns() -> None:
    lock, turns = WritingLock(0.25, stuck), threading.Barrier(2)

    def others() -> None:
        for turn in range(8):
            with lock:
                if turn == 0:
                    turns.wait(5)
                waited.wait(0.05)  # shorter than the bound, and all of them longer

    waited = threading.Event()
    other = on_a_thread(others)
    turns.wait(5)
    with lock:
        waited.set()
    other.join(5)


def test_a_writer_does_not_wait_behind_one_that_is_stuck() -> None:
    lock, outcome = WritingLock(0.05, stuck), []

    def write() -> None:
        try:
            with lock:
                outcome.append("written")
        except ConnectionLost as error:
            outcome.append(str(error))

    with lock:
        with pytest.raises(InvalidOption, match="progress"):
            with lock:
                raise AssertionError("not reached")
        on_a_thread(write).join(5)
    assert outcome == ["the hub is stuck"]
    on_a_thread(write).join(5)
    assert outcome == ["the hub is stuck", "written"]


def test_who_asks_while_a_session_ends_is_answered_in_the_next(
    hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending, asked, lapse = threading.Event(), threading.Event(), Link.session_ended

    def slow(link: Link) -> list[Event]:
        """As handlers of plugins may be, which hear of the end."""
        ending.set()
        assert asked.wait(5)
        return lapse(link)

    with make(hub) as client:
        monkeypatch.setattr(Link, "session_ended", slow)
        hub.drop()
        assert ending.wait(5)
        answers: list[Any] = []
        asking = on_a_thread(lambda: answers.append(client.wait_for_response(utterance("hello"), "speak", 5)))
        while not len(client.waiters):
            asking.join(0.01)
        asked.set()
        asking.join(10)
        assert answers and answers[0] is not None


def test_a_handler_that_connects_anew_while_another_thread_closes(hub: EmbeddedHub) -> None:
    client = make(hub, deadlines=Deadlines(close=0.5))
    began, closing, done = threading.Event(), threading.Event(), threading.Event()

    def again(message: Message) -> None:
        began.set()
        assert closing.wait(5)
        client.close()
        client.connect()
        done.set()

    client.connect()
    client.on_mycroft("again", again)
    hub.broadcast(Message("again"))
    assert began.wait(5)
    closer = on_a_thread(client.close)
    while client.state != "closed":
        closer.join(0.01)
    closing.set()
    closer.join(10)
    assert done.wait(5)
    assert client.connected_event.is_set() and client.started_running
    hub.wait_for_sessions(1)
    client.connect()
    assert hub.sessions == 1
    running = client.run_in_thread()
    client.close()
    running.join(5)
    assert not running.is_alive()
    hub.wait_for_sessions(0)


def test_connecting_that_is_cut_short_by_closing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = HiveMessageBusClient(
            "k", PASSWORD, host="127.0.0.1", port=silent.getsockname()[1], identity=NodeIdentity({})
        )
        errors: list[BaseException] = []

        def connect() -> None:
            try:
                client.connect()
            except Exception as error:
                errors.append(error)

        connecting = on_a_thread(connect)
        _accepted = silent.accept()
        client.close()
        connecting.join(5)
        assert [type(error) for error in errors] == [ClientClosed]


def test_a_worker_that_is_replaced_ends(hub: EmbeddedHub) -> None:
    with make(hub) as client:
        old = client._worker
        old.detach()
        old.running.join(5)
        assert old.is_finished
        hub.wait_for_sessions(0)


class Broken:
    """An internal bus that is away."""

    def on(self, name: str, handler: Any) -> None:
        """Nobody will hear anything."""

    once = remove = on

    def emit(self, message: Any) -> None:
        raise ConnectionError("the local bus is away")


def test_a_message_that_was_sent_is_no_failure_of_the_internal_bus(
    hub: EmbeddedHub, caplog: pytest.LogCaptureFixture
) -> None:
    with make(hub, internal_bus=Broken()) as client:
        client.emit(Message("is.sent"))
        hub.wait_for("is.sent")
    assert "not said on the internal bus" in caplog.text


@pytest.mark.parametrize("error", [ValueError, SystemExit, asyncio.CancelledError])
def test_a_handler_may_raise_anything(error: type[BaseException]) -> None:
    def handler() -> None:
        raise error

    call_safely(handler)


def test_a_handler_is_interrupted_by_ctrl_c() -> None:
    def handler() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call_safely(handler)


def test_an_interrupt_between_sealing_and_writing_ends_the_connection(
    hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sealed has its place in the order: without it, the hub could not open what follows."""

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with make(hub) as client:
        lost = threading.Event()
        client.on("close", lost.set)
        with monkeypatch.context() as patch:
            patch.setattr(WebSocketTransport, "send", interrupted)
            with pytest.raises(KeyboardInterrupt):
                client.emit(Message("one"))
        assert lost.wait(PATIENCE)
        client.emit(Message("two"))
        hub.wait_for("two")


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads take turns far more often than usual."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_threads_that_connect_at_once_share_one_session(hub: EmbeddedHub, hurried: None) -> None:
    for _ in range(10):
        client, failures, together = make(hub), [], threading.Barrier(3)

        def connect(client: Any = client, failures: Any = failures, together: Any = together) -> None:
            together.wait(PATIENCE)
            try:
                client.connect()
            except Exception as error:
                failures.append(error)

        threads = [on_a_thread(connect) for _ in range(3)]
        for thread in threads:
            thread.join(PATIENCE)
        assert failures == [] and client.state == "connected"
        client.close()


def test_a_client_that_connects_while_another_thread_closes_it_hears_its_hub(
    hub: EmbeddedHub, hurried: None
) -> None:
    client = make(hub)
    for _ in range(10):
        client.connect()
        closing = on_a_thread(client.close)
        while client.state != "connected" or closing.is_alive():
            with suppress(HiveMindError):
                client.connect()
            closing.join(0.001)
        heard = threading.Event()
        client.once("speak", lambda _, heard=heard: heard.set())  # type: ignore[misc]
        hub.broadcast(Message("speak"))
        assert heard.wait(PATIENCE)
    client.close()
