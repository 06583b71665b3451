"""An outbox: what is sent while the hub is away goes out in the next session, and nothing is lost in silence."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from ovos_bus_client.message import Message

from hivemind_core_client import FakeHiveMessageBus, HiveMessage, HiveMessageBusClient, Outbox
from hivemind_core_client.errors import (
    ClientClosed,
    HiveMindError,
    InvalidMessage,
    NotConnected,
    OutboxFileError,
    OutboxFull,
)
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Log, Make, until, utterance
from tests.unit.support import PASSWORD

FAKES = ["fake", "asyncio fake"] if sys.version_info >= (3, 10) else ["fake"]


class Hub:
    """A hub that goes away, and comes back at the same port. It knows all that ever arrived."""

    def __init__(self) -> None:
        self._before: list[Any] = []
        self.embedded = EmbeddedHub({"k": PASSWORD}).start()
        self.url, self._port = self.embedded.url, self.embedded.port

    def leave(self) -> None:
        self.embedded.stop()
        self._before = self.arrived()

    def come_back(self) -> None:
        self.embedded = EmbeddedHub({"k": PASSWORD}, port=self._port).start()

    def arrived(self) -> list[Any]:
        """The numbers of the messages, in the order in which they came."""
        return [*self._before, *(each["data"]["number"] for each in self.embedded.wait_for("count", count=0))]


@pytest.fixture
def satellite(make: Make) -> Iterator[Callable[..., tuple[HiveMessageBusClient, Hub]]]:
    """A connected client with an outbox, and its hub: `satellite(**options of the outbox)`."""
    clients: list[HiveMessageBusClient] = []
    hub = Hub()

    def connected(**options: Any) -> tuple[HiveMessageBusClient, Hub]:
        client = make(hub.embedded, outbox=Outbox(**options))
        clients.append(client)
        client.connect()
        return client, hub

    yield connected
    for client in clients:
        client.close()
    hub.embedded.stop()


def count(number: int) -> Message:
    return Message("count", {"number": number})


def emit(client: Any, numbers: range) -> None:
    for number in numbers:
        client.emit(count(number))


def books(client: Any) -> dict[str, int]:
    """What became of what was sent, without what is 0."""
    metrics = client.metrics
    names = ("confirmed", "raised", "in_doubt", "unconfirmed", "waiting", "outbox_dropped")
    found = {name: getattr(metrics, name) for name in names}
    assert metrics.sent == sum(found.values())
    return {name: number for name, number in found.items() if number}


def away(client: HiveMessageBusClient, hub: Hub) -> None:
    hub.leave()
    assert until(lambda: client.state == "reconnecting")


def test_what_is_sent_while_the_hub_is_away_arrives_in_order(satellite: Any) -> None:
    client, hub = satellite()
    emit(client, range(2))
    assert until(lambda: books(client) == {"confirmed": 2})
    away(client, hub)
    emit(client, range(2, 300))
    assert books(client) == {"confirmed": 2, "waiting": 298}
    hub.come_back()
    assert until(lambda: books(client) == {"confirmed": 300})
    assert hub.arrived() == list(range(300))
    emit(client, range(300, 302))
    client.close()
    assert hub.arrived() == list(range(302))
    assert books(client) == {"confirmed": 302}


def test_what_is_sent_while_the_outbox_empties_goes_behind_it(satellite: Any) -> None:
    client, hub = satellite()
    away(client, hub)
    emit(client, range(200))
    hub.come_back()
    assert until(lambda: client.state == "connected")
    emit(client, range(200, 400))
    client.close()
    assert hub.arrived() == list(range(400))
    assert books(client) == {"confirmed": 400}


def test_handlers_here_hear_what_is_kept_once_and_when_it_is_sent(satellite: Any) -> None:
    client, hub = satellite()
    heard = Log()
    client.on("count", heard)
    away(client, hub)
    client.emit(count(7))
    assert heard.wait(1)[0].data == {"number": 7}
    hub.come_back()
    assert until(lambda: books(client) == {"confirmed": 1})
    client.close()
    assert len(heard.calls) == 1


@pytest.mark.otherwise("http", why="over HTTP the hub answers each message, and nothing is in doubt")
def test_what_a_lost_connection_leaves_in_doubt_goes_out_again(make: Make) -> None:
    doubts = Log()
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub, outbox=Outbox())
        client.on("doubt", doubts)
        with client:
            emit(client, range(3))
            hub.drop()
            assert until(lambda: books(client) == {"confirmed": 3})
            assert client.metrics.reconnects == 1
        arrived = [each["data"]["number"] for each in hub.wait_for("count", count=3)]
    assert arrived[-3:] == [0, 1, 2] and set(arrived) == {0, 1, 2}
    assert doubts.calls == []


@pytest.mark.otherwise("http", why="over HTTP the hub answers each message, and nothing is in doubt")
def test_at_most_once_leaves_it_in_doubt(make: Make) -> None:
    doubts = Log()
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub, outbox=Outbox(delivery="at-most-once"))
        client.on("doubt", doubts)
        with client:
            emit(client, range(3))
            hub.drop()
            assert len(doubts.wait(1)[0]) == 3
            assert books(client) == {"in_doubt": 3}


@pytest.mark.otherwise("http", why="over HTTP the hub answers each message")
def test_where_no_ping_may_be_sent_a_message_counts_as_sent_when_it_was_written(make: Make) -> None:
    with EmbeddedHub({"k": PASSWORD}) as hub:
        client = make(hub, outbox=Outbox(), websocket_ping_interval=0)
        with client:
            emit(client, range(3))
            assert books(client) == {"unconfirmed": 3}
            hub.drop()
            assert until(lambda: books(client) == {"in_doubt": 3})


def test_what_the_outbox_drops_is_told(satellite: Any) -> None:
    dropped: list[tuple[int, str]] = []
    client, hub = satellite(
        messages=3, dropped=lambda message, why: dropped.append((message.payload.data["number"], why))
    )
    told = Log()
    client.on("dropped", lambda message, reason: told((message.msg_type, reason)))
    away(client, hub)
    emit(client, range(5))
    assert told.wait(2) == [("bus", "newer messages needed its room")] * 2
    assert dropped == [(0, "newer messages needed its room"), (1, "newer messages needed its room")]
    assert books(client) == {"waiting": 3, "outbox_dropped": 2}
    hub.come_back()
    assert until(lambda: books(client) == {"confirmed": 3, "outbox_dropped": 2})
    assert hub.arrived() == [2, 3, 4]


def test_what_waits_for_too_long_is_dropped_though_nothing_more_is_sent(satellite: Any) -> None:
    told = Log()
    client, hub = satellite(seconds=0.05, dropped=lambda message, reason: told(reason))
    away(client, hub)
    emit(client, range(1))
    assert told.wait(1) == ["it waited for too long"]
    assert books(client) == {"outbox_dropped": 1}


def test_a_question_is_never_kept(satellite: Any) -> None:
    client, hub = satellite()
    away(client, hub)
    asked: list[Callable[[], Any]] = [
        lambda: client.wait_for_response(utterance("hello"), "speak"),
        lambda: client.ask("hello"),
        lambda: client.query(utterance("hello")),
        lambda: client.emit(HiveMessage("bin", b"sound")),
    ]
    for ask in asked:
        with pytest.raises(HiveMindError):
            ask()
    assert books(client) == {"raised": len(asked)}


def test_nothing_is_kept_that_nobody_would_send(satellite: Any, make: Make) -> None:
    client, hub = satellite(bytes=1_000)
    with pytest.raises(NotConnected, match=r"call connect\(\) first"):
        make(hub.embedded, outbox=Outbox()).emit(count(0))
    with pytest.raises(OutboxFull, match="larger than the outbox"):
        client.emit(Message("count", {"text": "x" * 1_000}))
    with pytest.raises(InvalidMessage):
        client.emit(HiveMessage("bus", {"type": "count", "data": {"number": object()}, "context": {}}))
    client.close()
    with pytest.raises(ClientClosed):
        client.emit(count(0))
    assert books(client) == {"raised": 3}


def test_what_waits_when_the_client_is_closed_goes_out_when_it_connects_again(
    satellite: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client, hub = satellite()
    away(client, hub)
    emit(client, range(3))
    client.close()
    assert "messages that wait in the outbox, and go out after the next connect(): 3" in caplog.text
    assert books(client) == {"waiting": 3}
    hub.come_back()
    client.connect()
    assert until(lambda: books(client) == {"confirmed": 3})
    assert hub.arrived() == [0, 1, 2]


@pytest.mark.otherwise("http", why="it has no hub that reads nothing")
def test_who_sends_waits_for_room_while_a_session_stands(
    stuck_with_outbox: tuple[HiveMessageBusClient, threading.Event],
) -> None:
    client, flow = stuck_with_outbox
    emit(client, range(4))
    with pytest.raises(OutboxFull, match=r"had no room after 1 s"):
        client.emit(count(4))
    assert client.metrics.outbox_dropped == 0
    flow.set()
    assert until(lambda: books(client) == {"confirmed": 4, "raised": 1})
    emit(client, range(5, 20))
    assert until(lambda: books(client) == {"confirmed": 19, "raised": 1})


@pytest.fixture
def stuck_with_outbox(make: Make) -> Iterator[tuple[HiveMessageBusClient, threading.Event]]:
    """A client with an outbox for four messages, whose hub has stopped to read, and the event that lets it read on."""
    from hivemind_core_client import Deadlines
    from tests.unit import servers

    flow = threading.Event()
    flow.set()
    with EmbeddedHub({"k": PASSWORD}) as hub, servers.server(servers.stalling_proxy(hub.port, flow)) as port:
        client = make(
            hub, host=f"ws://127.0.0.1:{port}", outbox=Outbox(messages=4), deadlines=Deadlines(write=1.0)
        )
        client.connect()
        flow.clear()
        yield client, flow
        flow.set()
        client.close()


def test_what_waits_in_a_file_goes_out_with_the_next_client(
    satellite: Any, make: Make, tmp_path: Path
) -> None:
    client, hub = satellite(path=tmp_path / "outbox")
    away(client, hub)
    emit(client, range(100))
    client.close()
    hub.come_back()
    with make(
        hub.embedded, host=str(client.profile.settings.address), outbox=Outbox(path=tmp_path / "outbox")
    ) as other:
        assert until(lambda: books(other) == {"confirmed": 100})
        other.emit(count(100))
    assert hub.arrived() == list(range(101))


def test_one_client_at_a_time_has_the_file(satellite: Any, make: Make, tmp_path: Path) -> None:
    _, hub = satellite(path=tmp_path / "outbox")
    other = make(hub.embedded, outbox=Outbox(path=tmp_path / "outbox"))
    with pytest.raises(OutboxFileError):
        other.connect()


def test_what_the_local_bus_sends_up_is_kept_too(satellite: Any) -> None:
    client, hub = satellite()
    away(client, hub)
    client.internal_bus.emit(
        Message(
            "hive.send.upstream",
            {"msg_type": "bus", "payload": {"type": "count", "data": {"number": 5}, "context": {}}},
        )
    )
    assert until(lambda: books(client) == {"waiting": 1})
    hub.come_back()
    assert until(lambda: hub.arrived() == [5])


@pytest.mark.otherwise("http", why="the gateway takes what the hub behind it never reads")
def test_many_threads_send_while_the_hub_comes_and_goes(satellite: Any) -> None:
    client, hub = satellite()
    senders = [
        threading.Thread(target=emit, args=(client, range(first, first + 200))) for first in (0, 1_000, 2_000)
    ]
    for sender in senders:
        sender.start()
    away(client, hub)
    hub.come_back()
    for sender in senders:
        sender.join()
    assert until(lambda: books(client) == {"confirmed": 600})
    arrived = hub.arrived()
    for first in (0, 1_000, 2_000):
        own = list(dict.fromkeys(number for number in arrived if first <= number < first + 200))
        assert own == list(range(first, first + 200))


@pytest.mark.parametrize("kind", FAKES)
def test_a_fake_has_an_outbox_too(kind: str) -> None:
    asyncio.run(async_fake()) if kind == "asyncio fake" else fake()


FIRST = {"confirmed": 1, "waiting": 2, "outbox_dropped": 1}
THEN = {"confirmed": 3, "outbox_dropped": 1}


def fake() -> None:
    bus, told = FakeHiveMessageBus(outbox=Outbox(messages=2)), Log()
    bus.on("dropped", lambda message, reason: told(message.payload.data["number"]))
    bus.emit(count(0))
    bus.drop()
    emit(bus, range(1, 4))
    assert (told.calls, books(bus)) == ([1], FIRST)
    bus.restore()
    assert [message.payload.data["number"] for message in bus.emitted] == [0, 2, 3]
    assert books(bus) == THEN
    bus.confirms = False
    emit(bus, range(4, 6))
    bus.drop()
    assert books(bus) == {**THEN, "waiting": 2}
    bus.close()


async def async_fake() -> None:
    from hivemind_core_client import AsyncFakeHiveMessageBus

    bus, told = AsyncFakeHiveMessageBus(outbox=Outbox(messages=2)), Log()
    bus.on("dropped", lambda message, reason: told(message.payload.data["number"]))
    await bus.emit(count(0))
    await bus.drop()
    for number in range(1, 4):
        await bus.emit(count(number))
    await bus.settle()
    assert (told.calls, books(bus)) == ([1], FIRST)
    await bus.restore()
    await bus.settle()
    assert [message.payload.data["number"] for message in bus.emitted] == [0, 2, 3]
    assert books(bus) == THEN
    bus.confirms = False
    for number in range(4, 6):
        await bus.emit(count(number))
    await bus.drop()
    assert books(bus) == {**THEN, "waiting": 2}
    await bus.close()
