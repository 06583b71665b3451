"""Where a transport has no pings, a message that the hub answers proves what it has read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Callable

import pytest
from attrs import evolve
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage
from hivemind_core_client.kernel.delivery import ASK_AFTER_MESSAGES
from hivemind_core_client.plugins.contract import Transport
from hivemind_core_client.testing import EmbeddedHub, hub_likeness
from tests.unit.client_support import Log, until
from tests.unit.noise_support import needs_noise
from tests.unit.support import PASSWORD
from tests.unit.transport_support import ASYNCIO, BLOCKING

pytestmark = needs_noise
Make = Callable[..., Any]
RENDEZVOUS = HiveMessage("rendezvous", {"cmd": "collect"})
UTTERANCE = Message("recognizer_loop:utterance", {"utterances": ["hello"]})


@pytest.fixture(params=[BLOCKING, ASYNCIO], ids=["blocking", "asyncio"])
def transport(request: pytest.FixtureRequest) -> Any:
    return evolve(request.param, pings=False)


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3)) as running:
        yield running


def losing(transport: Transport, is_lost: Callable[[], bool]) -> Transport:
    """The transport, but what is sent while `is_lost()` gets nowhere."""

    def lossy(form: Any) -> Any:
        def make(settings: Any) -> Any:
            carrier = form(settings)
            send = carrier.send

            async def lost() -> None:
                return None

            is_async = form is ASYNCIO.asyncio
            carrier.send = lambda frame: send(frame) if not is_lost() else (lost() if is_async else None)
            return carrier

        return None if form is None else make

    return evolve(transport, blocking=lossy(transport.blocking), asyncio=lossy(transport.asyncio))


def test_what_was_sent_is_confirmed_a_second_later(
    make: Make, transport: Transport, hub: EmbeddedHub
) -> None:
    with make(hub, transport) as client:
        client.emit(Message("note"))
        assert until(lambda: client.metrics.confirmed == 1)
        assert hub.wait_for("note")
        assert client.metrics.round_trip > 0


def test_many_are_confirmed_while_they_are_sent(make: Make, transport: Transport, hub: EmbeddedHub) -> None:
    count = 3 * ASK_AFTER_MESSAGES
    with make(hub, transport) as client:
        for number in range(count):
            client.emit(Message("note", {"number": number}))
        assert until(lambda: client.metrics.confirmed >= 2 * ASK_AFTER_MESSAGES)
    assert (client.metrics.confirmed, client.metrics.in_doubt) == (count, 0)
    assert [note["data"]["number"] for note in hub.wait_for("note", count=count)] == list(range(count))


def test_a_round_trip_asks_nobody_but_the_hub(make: Make, transport: Transport, hub: EmbeddedHub) -> None:
    with make(hub, transport) as client:
        assert 0 < client.round_trip() < 5
        assert hub.wait_for("rendezvous")
        assert "propagate" not in {message.msg_type.value for message in hub.received}


def test_its_answer_is_for_nobody_and_those_of_others_are_for_them(
    make: Make, transport: Transport, hub: EmbeddedHub
) -> None:
    with make(hub, transport) as client:
        heard = Log()
        client.on("rendezvous", heard)
        client.emit(RENDEZVOUS)
        client.round_trip()
        client.emit(RENDEZVOUS)
        client.round_trip()
        assert len(heard.wait(2)) == 2
        received = client.metrics.received
        client.round_trip()
        assert client.metrics.received == received


def test_an_idle_connection_is_kept_by_it(make: Make, transport: Transport, hub: EmbeddedHub) -> None:
    with make(hub, transport, websocket_ping_interval=0.1):
        assert hub.wait_for("rendezvous", count=4)


def test_what_gets_lost_ends_the_session(make: Make, transport: Transport, hub: EmbeddedHub) -> None:
    lost = threading.Event()
    pings = {"websocket_ping_interval": 0.2, "websocket_ping_timeout": 0.3}
    with make(hub, losing(transport, lost.is_set), **pings) as client:
        doubts, ended = Log(), Log()
        client.on("doubt", doubts)
        client.on("close", lambda *_: ended(client.last_error))
        client.round_trip()
        lost.set()
        client.emit(Message("note"))
        assert len(doubts.wait(1)[0]) == 1
        lost.clear()
        assert "did not answer a ping within 0.3 s" in str(ended.wait(1)[0])
        assert until(lambda: client.metrics.reconnects == 1)
        client.emit(Message("note"))
        assert until(lambda: client.metrics.confirmed == 1)
        assert not client.metrics.raised


def test_without_an_interval_closing_proves_what_arrived(
    make: Make, transport: Transport, hub: EmbeddedHub
) -> None:
    with make(hub, transport, websocket_ping_interval=0) as client:
        client.emit(Message("note"))
    assert (client.metrics.confirmed, client.metrics.in_doubt) == (1, 0)


def slowed(transport: Transport, seconds: float) -> Transport:
    """The transport, but each frame takes so long to be written."""

    def blocking(settings: Any) -> Any:
        carrier: Any = BLOCKING.blocking(settings)  # type: ignore[misc]
        send = carrier.send

        def slow(frame: Any) -> Any:
            threading.Event().wait(seconds)
            return send(frame)

        carrier.send = slow
        return carrier

    return evolve(transport, blocking=blocking, asyncio=None)


def test_no_echo_waits_behind_a_message_of_many_frames(make: Make, hub: EmbeddedHub) -> None:
    pings = {"websocket_ping_interval": 0.6, "websocket_ping_timeout": 0.4}
    with make(hub, slowed(evolve(BLOCKING, pings=False), 0.15), **pings) as client:
        client.round_trip()
        client.emit(Message("note", {"text": "x" * 600_000}))
        assert hub.wait_for("note")
        assert client.metrics.reconnects == 0


def test_a_hub_that_answers_nothing_is_left_alone(
    make: Make, transport: Transport, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr("hivemind_core_client.transports.carriers.FIRST_ANSWER_S", 0.1)
    pings = {"websocket_ping_interval": 0.1, "websocket_ping_timeout": 0.2}
    monkeypatch.setattr(hub_likeness, "OWN", hub_likeness.Likeness(answers_rendezvous=False))
    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3)) as hub:
        with make(hub, transport, **pings) as client:
            assert until(lambda: "answers nothing that would show what it has read" in caplog.text)
            asked = len(hub.wait_for("rendezvous"))
            client.emit(UTTERANCE)
            hub.wait_for("recognizer_loop:utterance")
            assert 0 < client.round_trip() < 5
            assert hub.wait_for("propagate")  # it asks the hive then
            metrics = client.metrics
            assert (metrics.confirmed, metrics.unconfirmed, metrics.reconnects) == (0, 2, 0)
            assert len(hub.wait_for("rendezvous")) == asked + 1
        assert client.metrics.in_doubt == 2
