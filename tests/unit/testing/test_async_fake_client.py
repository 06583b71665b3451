"""AsyncFakeHiveMessageBus: the asyncio client's verbs and judgement, without a hub, sockets, threads or waiting."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
from ovos_bus_client.message import Message
from ovos_utils.fakebus import FakeBus

import hivemind_core_client
from hivemind_core_client import (
    BinaryDataCallbacks,
    FakeHiveMessageBus,
    HiveMessage,
    HiveMessageType,
    HiveMindBinaryPayloadType,
    NodeIdentity,
    fakebus,
)
from hivemind_core_client.async_client import AsyncHiveMessageBusClient
from hivemind_core_client.errors import (
    ClientClosed,
    ConnectionLost,
    HubUnreachable,
    InvalidMessage,
    KeyRefused,
    MessageDenied,
    NotConnected,
    QueryTimeout,
)
from hivemind_core_client.fakebus import AsyncFakeHiveMessageBus
from tests.unit.support import UTTERANCE, refused_here

VERBS = sorted(
    {
        name
        for parent in AsyncHiveMessageBusClient.__mro__
        if parent.__module__.startswith("hivemind_core_client.")
        for name in vars(parent)
        if not name.startswith("_") and hasattr(AsyncHiveMessageBusClient, name)
    }
)
#: What a test says of the hub, on either fake.
TEST_VERBS = ("emitted", "emitted_of", "receive", "respond", "drop", "restore", "advance")


def on_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on an event loop where no socket but the loop's own is made, no thread starts, no task is left."""

    @functools.wraps(test)
    def run(monkeypatch: pytest.MonkeyPatch, **fixtures: Any) -> None:
        async def whole() -> None:
            monkeypatch.setattr(socket.socket, "__init__", refused_here(socket.socket.__init__))
            monkeypatch.setattr(threading.Thread, "start", refused_here(threading.Thread.start))
            bus = AsyncFakeHiveMessageBus()
            await bus.connect()
            await test(bus, **fixtures)
            await bus.close()
            assert asyncio.all_tasks() == {asyncio.current_task()}

        began = time.monotonic()
        asyncio.run(whole())
        assert time.monotonic() - began < 5

    parameters = list(inspect.signature(test).parameters.values())[1:]
    kept = inspect.signature(run, follow_wrapped=False).parameters["monkeypatch"]
    run.__signature__ = inspect.Signature([*parameters, kept])  # type: ignore[attr-defined]
    return run


def ask(text: str) -> Message:
    return Message(UTTERANCE, {"utterances": [text]})


def speak(text: str) -> Message:
    return Message("speak", {"utterance": text})


def echo(message: Message) -> Message:
    return speak(f"you said {message.data['utterances'][0]}")


def ping(flood_id: str, peer: str) -> HiveMessage:
    inner = HiveMessage("ping", {"flood_id": flood_id, "peer": peer, "site_id": "", "timestamp": 1.0})
    return HiveMessage("propagate", inner, route=[{"source": peer, "targets": ["fake-hub"]}])


# the shape of the client


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_of_the_client_is_there_with_the_same_parameters(name: str) -> None:
    real, fake = getattr(AsyncHiveMessageBusClient, name), getattr(AsyncFakeHiveMessageBus, name)
    assert type(fake) is type(real)
    assert inspect.iscoroutinefunction(fake) == inspect.iscoroutinefunction(real)
    if callable(real):
        assert inspect.signature(fake) == inspect.signature(real)


@pytest.mark.parametrize("name", TEST_VERBS)
def test_the_verbs_of_a_test_are_those_of_the_other_fake(name: str) -> None:
    other, fake = getattr(FakeHiveMessageBus, name), getattr(AsyncFakeHiveMessageBus, name)
    if callable(other):
        assert list(inspect.signature(fake).parameters) == list(inspect.signature(other).parameters)
    else:
        assert isinstance(fake, property)


def test_it_takes_the_options_of_the_client() -> None:
    fake, client = inspect.signature(AsyncFakeHiveMessageBus), inspect.signature(AsyncHiveMessageBusClient)
    own = {name: fake.parameters[name].kind for name in fake.parameters if name not in client.parameters}
    assert own == dict.fromkeys(("session_id", "site_id"), inspect.Parameter.KEYWORD_ONLY)
    assert list(fake.parameters.values())[: len(client.parameters)] == list(client.parameters.values())
    assert issubclass(AsyncFakeHiveMessageBus, AsyncHiveMessageBusClient)


def test_it_is_found_where_it_is_looked_for() -> None:
    assert hivemind_core_client.AsyncFakeHiveMessageBus is AsyncFakeHiveMessageBus
    assert fakebus.AsyncFakeHiveMessageBus is AsyncFakeHiveMessageBus
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = fakebus.Nonsense


def test_the_other_fake_does_without_websockets() -> None:
    code = (
        "import sys; sys.modules['websockets'] = None\n"
        "from hivemind_core_client import FakeHiveMessageBus\n"
        "with FakeHiveMessageBus() as bus: print(bus.state)\n"
        "try: from hivemind_core_client import AsyncFakeHiveMessageBus\n"
        "except ImportError as error: print(error)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.startswith("connected\n")
    assert "[async]" in printed


@on_loop
async def test_neither_the_environment_nor_the_identity_file_is_read(
    bus: AsyncFakeHiveMessageBus, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path / "hivemind"
        folder.mkdir()
        (folder / "_identity.json").write_text("no JSON")
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        for name in ("KEY", "PASSWORD", "HOST", "PORT", "SITE_ID"):
            patch.setenv(f"HIVEMIND_{name}", "of the environment")
        other = AsyncFakeHiveMessageBus()
        told = (other.key, other.password, other.host, other.port, other.site_id)
        assert told == ("fake-key", None, "fake-hub", 5678, "unknown")


@on_loop
async def test_an_identity_that_is_given_is_used(bus: AsyncFakeHiveMessageBus) -> None:
    identity = NodeIdentity({"access_key": "k", "default_master": "h", "site_id": "kitchen", "name": "me"})
    other = AsyncFakeHiveMessageBus(identity=identity, hub_key="PEM")
    assert (other.identity, other.key, other.host) == (identity, "k", "h")
    assert (other.site_id, other.useragent) == ("kitchen", "me")
    async with other:
        assert other.hub is not None and other.hub.public_key == "PEM"


# connecting


@on_loop
async def test_it_connects_and_closes(bus: AsyncFakeHiveMessageBus) -> None:
    other, told = AsyncFakeHiveMessageBus(), []
    other.on("open", lambda: told.append("open"))
    other.on("close", lambda: told.append("close"))
    assert other.state == "idle"
    with pytest.raises(NotConnected, match=r"connect\(\)"):
        await other.receive(Message("x"))
    async with other:
        assert other.state == "connected"
        assert other.connected_event.is_set() and other.handshake_event.is_set()
        assert other.negotiated is not None and other.negotiated.cipher == other.cipher
        assert await other.round_trip() == 0.0
    assert (other.state, told) == ("closed", ["open", "close"])
    assert isinstance(other.last_error, ClientClosed)
    with pytest.raises(ClientClosed):
        await other.emit(Message("x"))
    await other.close()
    await other.connect(site_id="kitchen")
    assert (other.state, other.site_id) == ("connected", "kitchen")
    await other.close()


@on_loop
async def test_an_outage(bus: AsyncFakeHiveMessageBus) -> None:
    told: list[str] = []
    for event in ("close", "reconnecting", "open"):
        bus.on(event, functools.partial(told.append, event))
    await bus.settle()
    told.clear()
    await bus.drop()
    assert bus.state == "reconnecting"
    assert not bus.connected_event.is_set()
    with pytest.raises(NotConnected, match=r"restore\(\)"):
        await bus.emit(Message("x"))
    await bus.restore()
    await bus.emit(Message("x"))
    assert told == ["close", "reconnecting", "open"]
    assert len(bus.emitted) == 1


@on_loop
async def test_a_hub_that_cannot_be_reached_and_one_that_refuses(bus: AsyncFakeHiveMessageBus) -> None:
    errors: list[Exception] = []
    other = AsyncFakeHiveMessageBus()
    other.on("error", errors.append)
    await other.drop(HubUnreachable("nobody there"))
    with pytest.raises(HubUnreachable):
        await other.connect(handshake_max_retries=3)
    await other.restore()
    await other.connect()
    assert other.state == "connected"
    await other.drop(KeyRefused("unknown key"))
    assert other.state == "refused"
    other = AsyncFakeHiveMessageBus()
    await other.drop(KeyRefused("unknown key"))
    other.on("error", errors.append)
    with pytest.raises(KeyRefused):
        await other.run_forever()
    await other.settle()
    assert [type(error) for error in errors] == [*[HubUnreachable] * 4, KeyRefused, KeyRefused]


@on_loop
async def test_one_that_runs_in_the_background_waits_for_the_end_of_an_outage(
    bus: AsyncFakeHiveMessageBus,
) -> None:
    other = AsyncFakeHiveMessageBus()
    await other.drop()
    running = asyncio.create_task(other.run_forever())
    await asyncio.sleep(0)
    with pytest.raises(NotConnected):
        await other.emit(Message("x"))
    await other.restore()
    await other.emit(Message("x"))
    assert (other.state, len(other.emitted)) == ("connected", 1)
    await other.close()
    await running


# sending


@on_loop
async def test_what_is_emitted_is_kept_as_it_would_leave(bus: AsyncFakeHiveMessageBus) -> None:
    heard: list[Message] = []
    bus.on("my.type", heard.append)
    await bus.emit(Message("my.type", {"tuple": (1, 2)}))
    (packet,) = bus.emitted_of("my.type")
    assert packet["data"] == {"tuple": [1, 2]}
    assert packet["context"]["session"]["session_id"] == bus.session_id
    assert heard == []
    await bus.settle()
    assert [one.data for one in heard] == [{"tuple": (1, 2)}]
    await bus.emit(HiveMessage("query", HiveMessage("bus", Message("x"))))
    assert bus.emitted_of(HiveMessageType.QUERY)[0].metadata["originator_peer"] == bus.peer


@on_loop
async def test_what_has_no_form_on_the_wire_is_refused(bus: AsyncFakeHiveMessageBus) -> None:
    with pytest.raises(InvalidMessage):
        await bus.emit(Message("x", {"a": object()}))
    with pytest.raises(InvalidMessage):
        await bus.receive(Message("x", {"a": object()}))
    assert bus.emitted == []


@on_loop
async def test_binary_data_both_ways(bus: AsyncFakeHiveMessageBus) -> None:
    class Files(BinaryDataCallbacks):
        got: Optional[tuple[bytes, str]] = None

        async def handle_receive_file(self, bin_data: bytes, file_name: str) -> None:
            await asyncio.sleep(0)
            self.got = (bin_data, file_name)

    bus.bin_callbacks = files = Files()
    steps: list[tuple[int, int]] = []
    file = HiveMessage("bin", b"abc", metadata={"file_name": "../a.txt"})
    await bus.emit(
        file, HiveMindBinaryPayloadType.FILE, progress=lambda sent, total: steps.append((sent, total))
    )
    assert steps == [(3, 3)]
    await bus.receive(bus.emitted[0])
    assert files.got == (b"abc", "a.txt")


# what the hub sends


@on_loop
async def test_a_message_of_the_hub_reaches_every_handler_once(bus: AsyncFakeHiveMessageBus) -> None:
    heard: list[Any] = []

    async def later(message: Message) -> None:
        await asyncio.sleep(0)
        heard.append(("coroutine", message.data["utterance"]))

    bus.on("speak", later)
    bus.once("speak", lambda message: heard.append(("once", message.data["utterance"])))
    bus.on(HiveMessageType.BUS, lambda packet: heard.append(("hive", packet["type"])))
    await bus.receive(speak("hello"))
    assert sorted(heard) == [("coroutine", "hello"), ("hive", "speak"), ("once", "hello")]


@on_loop
async def test_an_iteration_sees_every_message_until_the_end(bus: AsyncFakeHiveMessageBus) -> None:
    async def read() -> list[str]:
        return [message["type"] async for message in bus]

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    for name in ("one", "two"):
        await bus.receive(Message(name))
    await bus.drop()
    await bus.restore()
    await bus.receive(Message("three"))
    await bus.close()
    assert await reading == ["one", "two", "three"]


@on_loop
async def test_trust_is_judged_as_ever(bus: AsyncFakeHiveMessageBus) -> None:
    heard: list[Message] = []
    bus.on("alarm", heard.append)
    alarm = HiveMessage("bus", Message("alarm"))
    hop = [{"source": "stranger", "targets": ["fake-hub"]}]
    await bus.receive(HiveMessage("propagate", alarm, route=hop, target_site_id="unknown"))
    bus.site_id = "kitchen"
    await bus.receive(HiveMessage("broadcast", alarm, target_site_id="bath"))
    assert heard == []
    await bus.receive(HiveMessage("broadcast", alarm, target_site_id="kitchen"))
    assert len(heard) == 1


@on_loop
async def test_what_only_this_satellite_may_say_is_taken_out(bus: AsyncFakeHiveMessageBus) -> None:
    heard: list[Message] = []
    bus.on("x", heard.append)
    await bus.receive(Message("x", {}, {"hivemind_verified_source_peer": "PEM"}))
    assert "hivemind_verified_source_peer" not in heard[0].context


@on_loop
async def test_a_ping_is_answered_and_drawn_into_the_map(bus: AsyncFakeHiveMessageBus) -> None:
    await bus.receive(ping("flood-1", "kitchen::1"))
    (answer,) = bus.emitted_of("propagate")
    assert answer.payload["peer"] == bus.peer
    assert "kitchen::1" in {str(peer) for peer in bus.hive_map.nodes}


@on_loop
async def test_what_a_peer_may_not_send_is_dropped_and_counted(bus: AsyncFakeHiveMessageBus) -> None:
    await bus.receive(HiveMessage("bus", Message("x"), node=5))  # type: ignore[arg-type]
    assert bus.rejected == 1
    await bus.receive(HiveMessage("shake", {"envelope": "nobody asked for it"}))
    await bus.receive(HiveMessage("hello", {"node_id": "another"}))
    assert bus.hub is not None and bus.hub.node_id == "fake-hub"
    assert bus.state == "connected"


@on_loop
async def test_the_internal_bus_of_the_device(bus: AsyncFakeHiveMessageBus) -> None:
    device, heard = FakeBus(), []
    shared = AsyncFakeHiveMessageBus(internal_bus=device, share_bus=True)
    device.on("speak", lambda message: heard.append(message.data["utterance"]))
    async with shared:
        await shared.receive(speak("hello"))
        device.emit(Message("on.the.device", {}, {"destination": "fake-hub"}))
        await shared.settle()
        assert len(shared.emitted_of("on.the.device")) == 1
    assert heard == ["hello"]


@on_loop
async def test_a_handler_that_raises_stops_nobody(
    bus: AsyncFakeHiveMessageBus, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(message: Message) -> None:
        raise ValueError("broken on purpose")

    heard: list[Message] = []
    bus.on("speak", broken)
    bus.on("speak", heard.append)
    with caplog.at_level(logging.ERROR):
        await bus.receive(speak("hello"))
    assert len(heard) == 1
    assert "broken on purpose" in caplog.text


# order


@on_loop
async def test_a_handler_may_wait_for_an_answer(bus: AsyncFakeHiveMessageBus) -> None:
    answers: list[Any] = []

    async def on_start(message: Message) -> None:
        answers.append(await bus.wait_for_response(ask("x"), "speak"))
        answers.append((await bus.query(ask("y"))).first.message.data["utterance"])

    bus.respond(UTTERANCE, echo)
    bus.on("start", on_start)
    await bus.receive(Message("start"))
    assert answers[0].payload.data == {"utterance": "you said x"}
    assert answers[1] == "you said y"


@on_loop
async def test_a_conversation_goes_on_while_its_handler_waits(bus: AsyncFakeHiveMessageBus) -> None:
    async def on_start(message: Message) -> None:
        answer = await bus.wait_for_mycroft("yes.or.no", timeout=None)
        await bus.emit(Message("heard", dict(answer.payload.data) if answer else {}))

    bus.on("start", on_start)
    await bus.receive(Message("start"))
    assert bus.emitted == []
    await bus.receive(Message("yes.or.no", {"said": "yes"}))
    assert bus.emitted_of("heard")[0]["data"] == {"said": "yes"}


@on_loop
async def test_a_handler_may_act_for_the_hub_and_close_the_bus(bus: AsyncFakeHiveMessageBus) -> None:
    heard: list[str] = []

    async def on_first(message: Message) -> None:
        await bus.receive(Message("second"))
        heard.append("first ends")

    async def on_second(message: Message) -> None:
        heard.append("second")
        await bus.close()

    bus.on("first", on_first)
    bus.on("second", on_second)
    bus.on("close", lambda: heard.append("close"))
    await bus.receive(Message("first"))
    assert (bus.state, heard) == ("closed", ["first ends", "second", "close"])


@on_loop
async def test_a_handler_that_waits_for_the_test_does_not_hold_it_up(bus: AsyncFakeHiveMessageBus) -> None:
    go, heard = asyncio.Event(), []

    async def on_start(message: Message) -> None:
        await go.wait()
        heard.append("went")

    bus.on("start", on_start)
    await bus.receive(Message("start"))
    assert heard == []
    go.set()
    await bus.settle()
    assert heard == ["went"]


# answers


@on_loop
async def test_wait_helpers_get_scripted_answers(bus: AsyncFakeHiveMessageBus) -> None:
    bus.respond(UTTERANCE, echo)
    answer = await bus.wait_for_response(ask("hello"), reply_type="speak")
    assert answer is not None and answer.payload.data == {"utterance": "you said hello"}
    bus.respond("inside", Message("heard.inside"))
    escalated = HiveMessage("escalate", HiveMessage("bus", Message("inside")))
    assert await bus.wait_for_payload_response(escalated, "heard.inside", "bus") is not None


@on_loop
async def test_waits_that_nothing_ends_take_next_to_no_time(bus: AsyncFakeHiveMessageBus) -> None:
    assert await bus.wait_for_message("x", timeout=1000) is None
    assert await bus.wait_for_payload("x", timeout=1000) is None
    assert await bus.wait_for_response(Message("x"), timeout=1000) is None
    with pytest.raises(QueryTimeout):
        await bus.query(Message("x"))
    with pytest.raises(QueryTimeout):
        await bus.cascade(Message("x"))
    await bus.ping()
    assert bus.mailbox.elapsed > 3000


@on_loop
async def test_what_another_task_brings_comes_in_time(bus: AsyncFakeHiveMessageBus) -> None:
    async def bring() -> None:
        for _ in range(10):  # turns of the loop, in which nothing happens on the bus
            await asyncio.sleep(0)
        await bus.receive(Message("x"))

    bringing = asyncio.create_task(bring())
    assert await bus.wait_for_message("x", timeout=3) is not None
    await bringing
    assert bus.mailbox.elapsed == 0


@on_loop
async def test_a_handler_that_takes_its_time_is_waited_for(bus: AsyncFakeHiveMessageBus) -> None:
    async def slow(message: Message) -> None:
        await asyncio.sleep(0.1)  # longer than the bus takes for quiet
        await bus.receive(Message("done"))

    bus.on("start", slow)
    waiting = asyncio.create_task(bus.wait_for_message("done", timeout=3))
    await bus.receive(Message("start"))
    assert await waiting is not None
    assert bus.mailbox.elapsed == 0


@on_loop
async def test_a_wait_that_is_cancelled_leaves_nothing(bus: AsyncFakeHiveMessageBus) -> None:
    waits = [bus.wait_for_message("x", timeout=None), bus.query(Message("x")), bus.cascade(Message("x"))]
    tasks = [asyncio.create_task(wait) for wait in waits]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(result, asyncio.CancelledError)
        for result in await asyncio.gather(*tasks, return_exceptions=True)
    )
    await bus.advance(100)
    assert len(bus.waiters) == 0


@on_loop
async def test_what_an_answer_raises_the_sender_gets(bus: AsyncFakeHiveMessageBus) -> None:
    def lose(message: Message) -> None:
        raise ConnectionLost("under the message")

    bus.respond("x", lose)
    with pytest.raises(ConnectionLost):
        await bus.emit(Message("x"))
    with pytest.raises(ConnectionLost):
        await bus.query(Message("x"))
    bus.respond("x", "text")
    with pytest.raises(InvalidMessage):
        await bus.emit(Message("x"))


@on_loop
async def test_a_query_streams_its_answers(bus: AsyncFakeHiveMessageBus) -> None:
    bus.respond(UTTERANCE, lambda message: [speak("one"), speak("two")])
    stream = await bus.query(ask("x"))
    assert [answer.message.data["utterance"] async for answer in stream] == ["one", "two"]
    assert stream.first.responder == "fake-hub"


@on_loop
async def test_a_query_that_nobody_answers(bus: AsyncFakeHiveMessageBus) -> None:
    heard: list[str] = []
    bus.on("hive.query.timeout", lambda message: heard.append(message.data["error"]))
    await bus.emit(HiveMessage("query", HiveMessage("bus", Message("x"))))
    await bus.advance(29)
    assert heard == []
    await bus.advance(2)
    assert heard == ["no_answer"]
    await bus.emit(HiveMessage("query", HiveMessage("bus", Message("x"))))
    await bus.drop()
    assert heard == ["no_answer", "connection_lost"]


@on_loop
async def test_a_query_that_the_hub_does_not_take(bus: AsyncFakeHiveMessageBus) -> None:
    denial = Message("hive.policy.denied", {"denied_type": "x", "reason": "not allowed"})
    bus.respond("x", HiveMessage("bus", denial))
    with pytest.raises(MessageDenied, match="not allowed"):
        await bus.query(Message("x"))


@on_loop
async def test_a_connection_that_ends_under_a_query(bus: AsyncFakeHiveMessageBus) -> None:
    asking = asyncio.create_task(bus.query(Message("x")))
    await asyncio.sleep(0)
    await bus.drop()
    with pytest.raises(ConnectionLost):
        await asking


@on_loop
async def test_a_cascade_gathers_from_several(bus: AsyncFakeHiveMessageBus) -> None:
    delivered: list[int] = []
    bus.on("temperature", lambda message: delivered.append(message.data["degrees"]))
    bus.cascade_select_callback = lambda answers: answers[-1]
    for peer, degrees in (("kitchen::1", 20), ("bath::1", 24)):
        bus.respond("how.warm", Message("temperature", {"degrees": degrees}), responder=peer)
    answers = await bus.cascade(Message("how.warm"))
    assert [(answer.responder, answer.message.data["degrees"]) for answer in answers] == [
        ("kitchen::1", 20),
        ("bath::1", 24),
    ]
    await bus.settle()
    assert delivered == [24]


@on_loop
async def test_a_ping_draws_those_who_answer(bus: AsyncFakeHiveMessageBus) -> None:
    bus.respond(HiveMessageType.PING, lambda packet: ping(packet["flood_id"], "kitchen::1"))
    assert "kitchen" in (await bus.ping()).to_ascii(bus.peer)


@on_loop
async def test_a_satellite_answers_a_question_of_the_hive(bus: AsyncFakeHiveMessageBus) -> None:
    async def on_question(request: HiveMessage) -> None:
        await bus.answer(request, Message("here"))

    bus.on(HiveMessageType.CASCADE, on_question)
    question = HiveMessage(
        "cascade",
        HiveMessage("bus", Message("who.is.there")),
        metadata={"query_id": "1", "originator_peer": "kitchen::1"},
    )
    await bus.receive(question)
    assert [packet.payload.payload.msg_type for packet in bus.emitted] == ["here", "hive.query.complete"]


# the clock


@on_loop
async def test_the_clock_is_that_of_the_handlers(bus: AsyncFakeHiveMessageBus) -> None:
    before = bus.profile.context.now()
    await bus.advance(3600)
    assert 3600 <= bus.profile.context.now() - before < 3660


@on_loop
async def test_the_clock_ends_waits_in_their_order(bus: AsyncFakeHiveMessageBus) -> None:
    ended: list[int] = []

    async def wait(seconds: int) -> None:
        await bus.wait_for_message("x", timeout=seconds)
        ended.append(seconds)

    tasks = [asyncio.create_task(wait(seconds)) for seconds in (20, 10, 30)]
    bus.mailbox.later(15, "timer", lambda: ended.append(15))
    await bus.advance(25)
    assert ended == [10, 15, 20]
    await asyncio.gather(*tasks)
    assert ended == [10, 15, 20, 30]


@on_loop
async def test_a_closed_bus_begins_no_timer(bus: AsyncFakeHiveMessageBus) -> None:
    ran: list[str] = []
    bus.mailbox.later(1, "kept", lambda: ran.append("dropped by close"))
    await bus.close()
    bus.mailbox.later(1, "late", lambda: ran.append("never taken"))
    await bus.advance(10)
    assert ran == []


def test_its_clock_jumps_in_one_loop_after_the_other() -> None:
    """A loop may end just when somebody was to look whether anything happens."""
    bus = AsyncFakeHiveMessageBus()
    bus.respond("question", Message("answer"))

    async def main() -> None:
        async with bus:
            assert await bus.wait_for_response(Message("question"), "answer") is not None
            assert await asyncio.wait_for(bus.wait_for_message("never", 3), 20) is None
            assert await bus.wait_for_response(Message("question"), "answer") is not None

    for _ in range(2):
        asyncio.run(main())


# as the fake of the reference client


@on_loop
async def test_it_has_the_session_and_the_site_that_are_given(bus: AsyncFakeHiveMessageBus) -> None:
    other = AsyncFakeHiveMessageBus(session_id="s1", site_id="attic")
    await other.emit(Message("x"))
    session = other.emitted_of("x")[0].payload.context["session"]
    assert (session["session_id"], session["site_id"]) == ("s1", "attic")
    await other.close()


@on_loop
async def test_what_is_sent_before_it_connects_connects_first_and_is_heard(
    bus: AsyncFakeHiveMessageBus,
) -> None:
    other = AsyncFakeHiveMessageBus()
    other.echoes = True
    heard: list[str] = []

    async def hear(message: HiveMessage) -> None:
        heard.append(message["type"])

    other.on(HiveMessageType.BUS, hear)
    other.respond("question", Message("answer"))
    await other.emit(Message("question"))
    await other.settle()
    assert heard == ["question", "answer"] and other.echoes
    assert other.connected_event.is_set()
    await other.close()
