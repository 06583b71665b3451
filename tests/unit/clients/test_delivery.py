"""What becomes of what is sent: the same books for every client, and for both fakes."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError
from ovos_bus_client.message import Message

from hivemind_core_client import FakeHiveMessageBus, HiveMessage, HiveMessageBusClient
from hivemind_core_client.errors import HiveMindError
from hivemind_core_client.kernel.delivery import ASK_AFTER_MESSAGES, Metrics
from hivemind_core_client.testing import EmbeddedHub
from tests.hostile.storm import VERSIONS, storm
from tests.unit.client_support import Log, Make, ask, settled, until, utterance

#: No client pings by itself, so that nothing is proven but by answers.
QUIET = {"websocket_ping_interval": 0}
BY_ANSWER = "over HTTP the hub answers each message"
FAKES = ["fake", "asyncio fake"] if sys.version_info >= (3, 10) else ["fake"]


def count(number: int) -> Message:
    return Message("count", {"number": number})


def emit(client: Any, numbers: range) -> None:
    for number in numbers:
        client.emit(count(number))


def books(client: Any) -> tuple[int, int, int, int]:
    """Confirmed, raised, in doubt, unconfirmed."""
    metrics = client.metrics
    found = (metrics.confirmed, metrics.raised, metrics.in_doubt, metrics.unconfirmed)
    assert metrics.sent == sum(found)
    return found


def numbers_in(doubts: Log) -> list[int]:
    return [message.payload.data["number"] for doubt in doubts.calls for message in doubt.messages]


def test_what_the_hub_has_read_is_confirmed_though_it_says_nothing(client: HiveMessageBusClient) -> None:
    emit(client, range(3))
    assert until(lambda: books(client) == (3, 0, 0, 0))
    client.emit(count(3))
    assert until(lambda: books(client) == (4, 0, 0, 0))
    assert client.metrics.round_trip is not None


@pytest.mark.otherwise("http", why=BY_ANSWER)
def test_the_keepalive_proves_as_well(
    hub: EmbeddedHub, make: Make, client_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = "aio" if client_kind == "asyncio" else "sync"
    monkeypatch.setattr(f"hivemind_core_client.{shell}.sending.ASK_AFTER_S", 3_600.0)
    with make(hub, websocket_ping_interval=0.05) as client:
        emit(client, range(3))
        assert until(lambda: books(client) == (3, 0, 0, 0))


@pytest.mark.otherwise("http", why=BY_ANSWER)
def test_many_are_confirmed_while_more_are_sent(client: HiveMessageBusClient) -> None:
    emit(client, range(3 * ASK_AFTER_MESSAGES))
    assert until(lambda: client.metrics.confirmed >= 2 * ASK_AFTER_MESSAGES)


def test_what_cannot_be_sent_is_raised(hub: EmbeddedHub, make: Make) -> None:
    client = make(hub)
    with pytest.raises(HiveMindError):
        client.emit(utterance("before there is a session"))
    assert books(client) == (0, 1, 0, 0)
    with client, pytest.raises(HiveMindError):
        client.emit(HiveMessage("bus", {"type": "count", "data": {"number": object()}, "context": {}}))
    with pytest.raises(HiveMindError):
        client.emit(utterance("after the end"))
    assert books(client) == (0, 3, 0, 0)


@pytest.mark.otherwise("http", why=BY_ANSWER)
def test_what_nothing_proves_is_in_doubt_when_the_connection_ends(hub: EmbeddedHub, make: Make) -> None:
    doubts, told = Log(), Log()
    client = make(hub, **QUIET)
    client.on("doubt", doubts)
    for event in ("close", "doubt", "reconnecting", "open"):
        client.on(event, lambda *_, event=event: told(event))
    with client:
        told.wait(1)
        emit(client, range(3))
        assert books(client) == (0, 0, 0, 3)
        hub.drop()
        assert told.wait(5) == ["open", "close", "doubt", "reconnecting", "open"]
        assert numbers_in(doubts) == [0, 1, 2]
        assert (len(doubts.calls[0]), doubts.calls[0].more) == (3, 0)
        assert books(client) == (0, 0, 3, 0)
        assert client.metrics.reconnects == 1
        client.emit(doubts.calls[0].messages[0])
        assert until(lambda: [message["data"]["number"] for message in hub.wait_for("count")][-1] == 0)


@pytest.mark.otherwise("http", why=BY_ANSWER)
def test_what_a_hub_that_does_not_read_was_sent_is_in_doubt_when_we_close(
    stuck: tuple[HiveMessageBusClient, EmbeddedHub, threading.Event],
) -> None:
    client, _, _ = stuck
    doubts = Log()
    client.on("doubt", doubts)
    emit(client, range(3))
    client.close()
    assert numbers_in(doubts) == [0, 1, 2]
    assert books(client) == (0, 0, 3, 0)


def test_close_has_the_hub_prove_what_it_has_read(hub: EmbeddedHub, make: Make) -> None:
    doubts = Log()
    client = make(hub, **QUIET)
    client.on("doubt", doubts)
    with client:
        emit(client, range(50))
    assert books(client) == (50, 0, 0, 0)
    assert doubts.calls == []
    assert len(hub.wait_for("count", count=50)) == 50


@pytest.mark.otherwise("http", why=BY_ANSWER)
def test_an_answer_proves_its_question_and_what_went_before(hub: EmbeddedHub, make: Make) -> None:
    with make(hub, **QUIET) as client:
        client.emit(count(0))
        assert ask(client) == "you said: hello"
        assert books(client) == (0, 0, 0, 2)  # an answer on the bus does not say to what
        client.query(utterance("who is there?"))
        assert until(lambda: books(client) == (3, 0, 0, 0))


@pytest.mark.otherwise("asyncio", "http", why="they start no thread for it")
def test_a_message_is_sent_where_no_thread_can_be_started_any_more(
    hub: EmbeddedHub, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while the interpreter ends, from Python 3.12 on."""
    with make(hub) as client:
        client.mailbox.shut()
        client.mailbox.drain(5)  # the thread for handlers ends
        client.mailbox.reopen()
        with monkeypatch.context() as ending:
            ending.setattr(threading.Thread, "start", no_thread)
            client.emit(count(0))
    assert books(client) == (1, 0, 0, 0)


def no_thread(thread: threading.Thread) -> None:
    raise RuntimeError("can't create new thread at interpreter shutdown")


def test_what_comes_is_counted_too(hub: EmbeddedHub, make: Make) -> None:
    client = make(hub)
    assert client.metrics == Metrics(0, 0, 0, 0, 0, 0, 0, 0, None)
    with client:
        hub.broadcast(Message("down"))
        settled(hub, client)
        hub.send_raw("no message")
        assert until(lambda: client.metrics.rejected == 1)
        assert client.round_trip() > 0
        metrics = client.metrics
        assert (metrics.received, metrics.dropped, metrics.reconnects) == (2, 0, 0)
        assert metrics.round_trip is not None
        with pytest.raises(FrozenInstanceError):
            metrics.received = 0  # type: ignore[misc]  # that is what is tried
    with client:
        metrics = client.metrics
        assert (metrics.received, metrics.rejected, metrics.reconnects) == (2, 1, 1)
        assert client.rejected == 1


@pytest.mark.parametrize("kind", FAKES)
def test_a_fake_keeps_the_same_books(kind: str) -> None:
    assert (asyncio.run(async_fake()) if kind == "asyncio fake" else fake()) == [0, 1]


def fake() -> list[int]:
    bus, doubts = FakeHiveMessageBus(), Log()
    bus.on("doubt", doubts)
    bus.drop()
    with pytest.raises(HiveMindError):
        bus.emit(count(9))
    bus.restore()
    bus.emit(count(9))
    assert books(bus) == (1, 1, 0, 0)
    bus.confirms = False
    emit(bus, range(2))
    assert books(bus) == (1, 1, 0, 2)
    bus.drop()
    bus.restore()
    assert books(bus) == (1, 1, 2, 0)
    bus.emit(count(3))
    bus.round_trip()
    assert books(bus) == (2, 1, 2, 0)
    bus.receive(Message("down"))
    metrics = bus.metrics
    assert (metrics.received, metrics.reconnects, metrics.round_trip) == (1, 1, 0.0)
    bus.close()
    return numbers_in(doubts)


async def async_fake() -> list[int]:
    from hivemind_core_client import AsyncFakeHiveMessageBus

    bus, doubts = AsyncFakeHiveMessageBus(), Log()
    bus.on("doubt", doubts)
    await bus.drop()
    with pytest.raises(HiveMindError):
        await bus.emit(count(9))
    await bus.restore()
    await bus.emit(count(9))
    assert books(bus) == (1, 1, 0, 0)
    bus.confirms = False
    for number in range(2):
        await bus.emit(count(number))
    assert books(bus) == (1, 1, 0, 2)
    await bus.drop()
    await bus.restore()
    assert books(bus) == (1, 1, 2, 0)
    await bus.emit(count(3))
    await bus.round_trip()
    assert books(bus) == (2, 1, 2, 0)
    await bus.receive(Message("down"))
    metrics = bus.metrics
    assert (metrics.received, metrics.reconnects, metrics.round_trip) == (1, 1, 0.0)
    await bus.close()
    return numbers_in(doubts)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("versions", VERSIONS, ids=str)
def test_in_a_storm_nothing_is_lost_in_silence_and_nothing_comes_twice(
    client_kind: str, versions: tuple[int, int]
) -> None:
    """The short form; `make storm` has the long one."""
    books = storm(client_kind, versions, messages=200 if client_kind == "http" else 2_000, seed=7)
    assert books.balance, str(books)
    assert books.cuts
    assert books.confirmed
