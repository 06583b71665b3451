"""FakeHiveMessageBus: the real client's verbs and judgement, without a hub, sockets, threads or waiting."""

from __future__ import annotations

import inspect
import logging
import socket
import threading
import time
from pathlib import Path
from typing import Any, Optional

import pytest
from ovos_bus_client.message import Message
from ovos_utils.fakebus import FakeBus

from hivemind_core_client import (
    BinaryDataCallbacks,
    FakeHiveMessageBus,
    HiveMessage,
    HiveMessageBusClient,
    HiveMessageType,
    HiveMindBinaryPayloadType,
    NodeIdentity,
)
from hivemind_core_client.errors import (
    ClientClosed,
    ConnectionLost,
    HubRefused,
    HubUnreachable,
    InvalidMessage,
    InvalidOption,
    KeyRefused,
    MessageDenied,
    NotConnected,
    QueryTimeout,
)
from tests.unit.support import UTTERANCE, refused_here

VERBS = sorted(
    {
        name
        for parent in HiveMessageBusClient.__mro__
        if parent.__module__.startswith("hivemind_core_client.")
        for name in vars(parent)
        if not name.startswith("_") and hasattr(HiveMessageBusClient, name)
    }
)


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> FakeHiveMessageBus:
    """A connected fake, where no thread can start, no socket be made, and nothing wait."""

    monkeypatch.setattr(socket.socket, "__init__", refused_here(socket.socket.__init__))
    monkeypatch.setattr(threading.Thread, "start", refused_here(threading.Thread.start))
    monkeypatch.setattr(threading.Condition, "wait", refused_here(threading.Condition.wait))
    bus = FakeHiveMessageBus()
    bus.connect()
    return bus


def ask(text: str) -> Message:
    return Message(UTTERANCE, {"utterances": [text]})


def speak(text: str) -> Message:
    return Message("speak", {"utterance": text})


def echo(message: Message) -> Message:
    return speak(f"you said {message.data['utterances'][0]}")


def ping(flood_id: str, peer: str) -> HiveMessage:
    inner = HiveMessage("ping", {"flood_id": flood_id, "peer": peer, "site_id": "", "timestamp": 1.0})
    hop = [{"source": peer, "targets": ["fake-hub"]}]
    return HiveMessage("propagate", inner, route=hop)


# the shape of the client


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_of_the_client_is_there_with_the_same_parameters(name: str) -> None:
    real, fake = getattr(HiveMessageBusClient, name), getattr(FakeHiveMessageBus, name)
    assert type(fake) is type(real)
    if callable(real):
        assert inspect.signature(fake) == inspect.signature(real)


def test_it_takes_the_options_of_the_client() -> None:
    fake, client = inspect.signature(FakeHiveMessageBus), inspect.signature(HiveMessageBusClient)
    own = {name: fake.parameters[name].kind for name in fake.parameters if name not in client.parameters}
    assert own == dict.fromkeys(("session_id", "site_id"), inspect.Parameter.KEYWORD_ONLY)
    assert list(fake.parameters.values())[: len(client.parameters)] == list(client.parameters.values())
    bus = FakeHiveMessageBus("key", "password", host="wss://hub:1234", ciphers=["AES-GCM"])
    assert (bus.key, bus.password, bus.host, bus.port) == ("key", "password", "hub", 1234)
    assert isinstance(bus, HiveMessageBusClient)
    with pytest.raises(TypeError):
        FakeHiveMessageBus(nonsense=1)  # type: ignore[call-arg]
    with pytest.raises(InvalidOption):
        FakeHiveMessageBus(deadlines=1)  # type: ignore[arg-type]


def test_neither_the_environment_nor_the_identity_file_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "hivemind"
    folder.mkdir()
    (folder / "_identity.json").write_text("no JSON")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("KEY", "PASSWORD", "HOST", "PORT", "SITE_ID"):
        monkeypatch.setenv(f"HIVEMIND_{name}", "of the environment")
    bus = FakeHiveMessageBus()
    assert (bus.key, bus.password, bus.host, bus.port, bus.site_id) == (
        "fake-key",
        None,
        "fake-hub",
        5678,
        "unknown",
    )
    bus.profile.private_key()
    assert [path.name for path in folder.iterdir()] == ["_identity.json"]


def test_an_identity_that_is_given_is_used() -> None:
    identity = NodeIdentity({"access_key": "k", "default_master": "h", "site_id": "kitchen", "name": "me"})
    bus = FakeHiveMessageBus(identity=identity)
    assert (bus.identity, bus.key, bus.host, bus.site_id, bus.useragent) == (
        identity,
        "k",
        "h",
        "kitchen",
        "me",
    )


# connecting


def test_it_connects_at_once_and_closes() -> None:
    bus = FakeHiveMessageBus(hub_key="PEM")
    told: list[str] = []
    bus.on("open", lambda: told.append("open"))
    bus.on("open", lambda: bus.emit(Message("from.the.handler")))
    bus.on("close", lambda: told.append("close"))
    assert bus.state == "idle"
    with pytest.raises(NotConnected, match=r"connect\(\)"):
        bus.receive(Message("x"))
    with bus:
        assert bus.state == "connected"
        assert bus.connected_event.is_set() and bus.handshake_event.is_set()
        assert bus.hub is not None and bus.hub.node_id == "fake-hub" and bus.hub.public_key == "PEM"
        assert bus.negotiated is not None and bus.negotiated.cipher == bus.cipher
        assert bus.round_trip() == 0.0
        assert bus.peer.endswith(f"::{bus.session_id}")
    assert told == ["open", "close"]
    assert len(bus.emitted_of("from.the.handler")) == 1
    assert bus.state == "closed"
    assert isinstance(bus.last_error, ClientClosed)
    with pytest.raises(ClientClosed):
        bus.emit(Message("x"))
    bus.close()
    bus.connect(site_id="kitchen")
    assert (bus.state, bus.site_id, told) == ("connected", "kitchen", ["open", "close", "open"])


def test_running_in_a_thread_or_for_ever_connects_and_returns(bus: FakeHiveMessageBus) -> None:
    for start in (FakeHiveMessageBus.run_in_thread, FakeHiveMessageBus.run_forever):
        other = FakeHiveMessageBus()
        thread = start(other)
        assert other.state == "connected"
        if thread is not None:
            thread.join()
            assert not thread.is_alive()


def test_an_outage(bus: FakeHiveMessageBus) -> None:
    told: list[Any] = []
    bus.on("close", lambda: told.append("close"))
    bus.on("reconnecting", lambda: told.append("reconnecting"))
    bus.on("open", lambda: told.append("open"))
    bus.drop()
    assert bus.state == "reconnecting"
    assert not bus.connected_event.is_set()
    with pytest.raises(NotConnected, match=r"restore\(\)"):
        bus.emit(Message("x"))
    with pytest.raises(ConnectionLost):
        bus.connect()
    bus.restore()
    bus.emit(Message("x"))
    assert told == ["close", "reconnecting", "open"]
    assert len(bus.emitted) == 1


def test_a_hub_that_cannot_be_reached_and_one_that_refuses(bus: FakeHiveMessageBus) -> None:
    errors: list[Exception] = []
    other = FakeHiveMessageBus()
    other.on("error", errors.append)
    other.drop(HubUnreachable("nobody there"))
    with pytest.raises(HubUnreachable):
        other.connect()
    other.restore()
    other.connect()
    assert other.state == "connected"
    other.drop(KeyRefused("unknown key"))
    assert other.state == "refused"

    other = FakeHiveMessageBus()
    other.drop(KeyRefused("unknown key"))
    other.on("error", errors.append)
    with pytest.raises(KeyRefused):
        other.run_forever()
    assert [type(error) for error in errors] == [HubUnreachable, KeyRefused, KeyRefused]


# sending


def test_what_is_emitted_is_kept_as_it_would_leave(bus: FakeHiveMessageBus) -> None:
    heard: list[Message] = []
    bus.on("my.type", heard.append)
    message = Message("my.type", {"tuple": (1, 2)})
    bus.emit(message)
    (packet,) = bus.emitted_of("my.type")
    assert packet["data"] == {"tuple": [1, 2]}
    assert packet["context"]["source"] == bus.useragent
    assert packet["context"]["session"]["session_id"] == bus.session_id
    assert [one.data for one in heard] == [message.data]
    message.data.clear()
    assert bus.emitted[0]["data"]
    bus.emit(HiveMessage("query", HiveMessage("bus", Message("x"))))
    assert bus.emitted_of(HiveMessageType.QUERY)[0].metadata["originator_peer"] == bus.peer
    assert bus.emitted_of("nothing") == []


def test_what_has_no_form_on_the_wire_is_refused(bus: FakeHiveMessageBus) -> None:
    with pytest.raises(InvalidMessage):
        bus.emit(Message("x", {"a": object()}))
    with pytest.raises(InvalidMessage, match="metadata"):
        bus.emit(HiveMessage("bin", b"x", metadata={"a": "".join(map(chr, range(300, 600)))}))
    with pytest.raises(InvalidMessage):
        bus.receive(Message("x", {"a": object()}))
    assert bus.emitted == []


def test_binary_data_both_ways(bus: FakeHiveMessageBus) -> None:
    class Files(BinaryDataCallbacks):
        got: Optional[tuple[bytes, str]] = None

        def handle_receive_file(self, bin_data: bytes, file_name: str) -> None:
            self.got = (bin_data, file_name)

    bus.bin_callbacks = files = Files()
    steps: list[tuple[int, int]] = []
    file = HiveMessage("bin", b"abc", metadata={"file_name": "../a.txt"})
    bus.emit(file, HiveMindBinaryPayloadType.FILE, progress=lambda sent, total: steps.append((sent, total)))
    assert bus.emitted == [file.copy(bin_type=HiveMindBinaryPayloadType.FILE)]
    assert steps == [(3, 3)]
    bus.receive(bus.emitted[0])
    assert files.got == (b"abc", "a.txt")


def test_progress_of_text_is_in_bytes(bus: FakeHiveMessageBus) -> None:
    steps: list[tuple[int, int]] = []
    bus.emit(Message("x", {"a": "x" * 1000}), progress=lambda sent, total: steps.append((sent, total)))
    assert steps[0][0] == steps[0][1] > 1000


# what the hub sends


def test_a_message_of_the_hub_reaches_every_handler_once(bus: FakeHiveMessageBus) -> None:
    heard: list[Any] = []
    bus.on("speak", lambda message: heard.append(("ovos", message.data["utterance"])))
    bus.once("speak", lambda message: heard.append(("once", message.data["utterance"])))
    bus.on(HiveMessageType.BUS, lambda packet: heard.append(("hive", packet["type"])))
    bus.receive(speak("hello"))
    assert sorted(heard) == [("hive", "speak"), ("once", "hello"), ("ovos", "hello")]
    bus.remove_all_listeners("speak")
    bus.receive(speak("again"))
    assert len(heard) == 4


def test_the_session_of_the_hub_is_kept_and_sent_back(bus: FakeHiveMessageBus) -> None:
    bus.receive(Message("x", {}, {"session": {"session_id": bus.session_id, "lang": "pt-pt"}}))
    bus.emit(Message("y"))
    assert bus.emitted[0]["context"]["session"]["lang"] == "pt-pt"


def test_trust_is_judged_as_ever(bus: FakeHiveMessageBus) -> None:
    heard: list[Message] = []
    bus.on("alarm", heard.append)
    alarm = HiveMessage("bus", Message("alarm"))
    bus.receive(
        HiveMessage(
            "propagate",
            alarm,
            route=[{"source": "stranger", "targets": ["fake-hub"]}],
            target_site_id="unknown",
        )
    )
    assert heard == []
    bus.site_id = "kitchen"
    bus.receive(HiveMessage("broadcast", alarm, target_site_id="bath"))
    assert heard == []
    bus.receive(HiveMessage("broadcast", alarm, target_site_id="kitchen"))
    assert len(heard) == 1
    bus.receive(HiveMessage("shared_bus", Message("alarm")))
    assert len(heard) == 1


def test_what_only_this_satellite_may_say_is_taken_out(bus: FakeHiveMessageBus) -> None:
    heard: list[Message] = []
    bus.on("x", heard.append)
    bus.receive(Message("x", {}, {"hivemind_verified_source_peer": "PEM"}))
    assert "hivemind_verified_source_peer" not in heard[0].context


def test_a_ping_is_answered_and_drawn_into_the_map(bus: FakeHiveMessageBus) -> None:
    bus.receive(ping("flood-1", "kitchen::1"))
    (answer,) = bus.emitted_of("propagate")
    assert answer.payload["flood_id"] == "flood-1"
    assert answer.payload["peer"] == bus.peer
    assert "kitchen::1" in {str(peer) for peer in bus.hive_map.nodes}
    bus.receive(ping("flood-1", "bath::1"))
    assert len(bus.emitted) == 1


def test_what_a_peer_may_not_send_is_dropped_and_counted(bus: FakeHiveMessageBus) -> None:
    bus.receive(HiveMessage("bus", Message("x"), node=5))  # type: ignore[arg-type]
    assert bus.rejected == 1
    bus.receive(HiveMessage("shake", {"envelope": "nobody asked for it"}))
    bus.receive(HiveMessage("hello", {"node_id": "another"}))
    assert bus.hub is not None and bus.hub.node_id == "fake-hub"
    assert bus.state == "connected"


def test_the_internal_bus_of_the_device() -> None:
    device, heard = FakeBus(), []
    shared = FakeHiveMessageBus(internal_bus=device, share_bus=True)
    device.on("speak", lambda message: heard.append(message.data["utterance"]))
    with shared:
        shared.receive(speak("hello"))
        device.emit(Message("on.the.device", {}, {"destination": "fake-hub"}))
        assert [packet["type"] for packet in shared.emitted_of("shared_bus")] == ["speak", "on.the.device"]
        assert len(shared.emitted_of("on.the.device")) == 1
    assert heard == ["hello"]


def test_a_handler_that_raises_stops_nobody(
    bus: FakeHiveMessageBus, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(message: Message) -> None:
        raise ValueError("broken on purpose")

    class Callbacks(BinaryDataCallbacks):
        def handle_receive_undefined(self, bin_data: bytes) -> None:
            raise SystemExit

    heard: list[Message] = []
    bus.bin_callbacks = Callbacks()
    bus.on("speak", broken)
    bus.on("speak", heard.append)
    with caplog.at_level(logging.ERROR):
        bus.receive(speak("hello"))
        bus.receive(HiveMessage("bin", b"x"))
    assert len(heard) == 1
    assert "broken on purpose" in caplog.text
    assert "handle_receive_undefined" in caplog.text


def test_what_ends_the_process_ends_the_call_and_leaves_the_bus_usable(bus: FakeHiveMessageBus) -> None:
    def interrupt(message: Message) -> None:
        raise KeyboardInterrupt

    heard: list[Message] = []
    bus.once("speak", interrupt)
    bus.on("after", heard.append)
    with pytest.raises(KeyboardInterrupt):
        bus.receive(speak("hello"))
    bus.receive(Message("after"))
    assert len(heard) == 1


# order


def test_handlers_run_to_their_end_and_answers_come_after_the_handlers_here(bus: FakeHiveMessageBus) -> None:
    order: list[str] = []

    def on_start(message: Message) -> None:
        order.append("start begins")
        bus.emit(ask("x"))
        bus.receive(Message("from.the.hub"))
        order.append("start ends")

    bus.respond(UTTERANCE, echo)
    bus.on("start", on_start)
    bus.on(UTTERANCE, lambda message: order.append("own message"))
    bus.on("speak", lambda message: order.append("answer"))
    bus.on("from.the.hub", lambda message: order.append("from the hub"))
    bus.receive(Message("start"))
    assert order == ["start begins", "start ends", "own message", "answer", "from the hub"]


def test_a_handler_may_wait_for_an_answer(bus: FakeHiveMessageBus) -> None:
    answers: list[Any] = []
    bus.respond(UTTERANCE, echo)
    bus.on("start", lambda message: answers.append(bus.wait_for_response(ask("x"), "speak")))
    bus.on("start", lambda message: answers.append(bus.query(ask("y")).first.message.data["utterance"]))
    bus.receive(Message("start"))
    assert answers[0].payload.data == {"utterance": "you said x"}
    assert answers[1] == "you said y"


def test_what_waits_behind_a_handler_that_closes_still_runs(bus: FakeHiveMessageBus) -> None:
    heard: list[str] = []

    def close(message: Message) -> None:
        bus.close()
        heard.append("closed")

    bus.on_mycroft("now", close)
    bus.on_mycroft("now", lambda message: heard.append("told"))
    bus.receive(Message("now"))
    assert heard == ["closed", "told"]


def test_a_handler_may_close_the_bus(bus: FakeHiveMessageBus) -> None:
    heard: list[str] = []
    bus.on("speak", lambda message: bus.close())
    bus.on("close", lambda: heard.append("close"))
    bus.receive(speak("hello"))
    assert (bus.state, heard) == ("closed", ["close"])


def test_messages_of_several_threads_are_all_kept() -> None:
    bus = FakeHiveMessageBus()
    heard: list[Message] = []
    bus.connect()
    bus.on("x", heard.append)

    def say() -> None:
        for _ in range(50):
            bus.emit(Message("x"))

    threads = [threading.Thread(target=say) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bus.emitted) == len(heard) == 200


# answers


def test_wait_helpers_get_scripted_answers(bus: FakeHiveMessageBus) -> None:
    bus.respond(UTTERANCE, echo)
    answer = bus.wait_for_response(ask("hello"), reply_type="speak")
    assert answer is not None and answer.payload.data == {"utterance": "you said hello"}
    bus.respond(HiveMessageType.THIRDPRTY, lambda packet: HiveMessage("3rdparty", {"pong": packet["ping"]}))
    answer = bus.wait_for_response(HiveMessage("3rdparty", {"ping": 1}))
    assert answer is not None and answer.payload == {"pong": 1}
    bus.respond("inside", Message("heard.inside"))
    escalated = HiveMessage("escalate", HiveMessage("bus", Message("inside")))
    assert bus.wait_for_payload_response(escalated, "heard.inside", "bus") is not None


def test_waits_that_nothing_ends_take_no_time(bus: FakeHiveMessageBus) -> None:
    began = time.monotonic()
    assert bus.wait_for_message("x", timeout=1000) is None
    assert bus.wait_for_mycroft("x", timeout=None) is None
    assert bus.wait_for_payload("x", timeout=1000) is None
    assert bus.wait_for_response(Message("x"), timeout=1000) is None
    with pytest.raises(QueryTimeout):
        bus.query(Message("x"))
    with pytest.raises(QueryTimeout):
        bus.query(Message("x"), timeout=0)
    with pytest.raises(QueryTimeout):
        bus.cascade(Message("x"))
    assert bus.ping().others(bus.peer) == []
    assert time.monotonic() - began < 5


def test_what_an_answer_may_be(bus: FakeHiveMessageBus) -> None:
    heard: list[str] = []
    bus.on(HiveMessageType.BUS, lambda packet: heard.append(packet["type"]))
    bus.respond(["a", "b"], [Message("one"), HiveMessage("bus", Message("two"))])
    bus.emit(Message("a"))
    bus.emit(Message("b"))
    bus.respond("b", None)
    bus.emit(Message("b"))
    bus.respond("b", lambda message: None)
    bus.respond("b", Message("three"), responder="another")
    bus.emit(Message("b"))
    assert heard == ["one", "two", "one", "two", "three"]


def test_what_an_answer_raises_the_sender_gets(bus: FakeHiveMessageBus) -> None:
    def lose(message: Message) -> None:
        raise ConnectionLost("under the message")

    bus.respond("x", lose)
    with pytest.raises(ConnectionLost):
        bus.emit(Message("x"))
    with pytest.raises(ConnectionLost):
        bus.query(Message("x"))
    bus.respond("x", Message("y", {"a": object()}))
    with pytest.raises(InvalidMessage):
        bus.emit(Message("x"))
    bus.respond("x", "text")
    with pytest.raises(InvalidMessage):
        bus.emit(Message("x"))


def test_a_collect_call_is_answered_by_a_function_or_by_on_collect(bus: FakeHiveMessageBus) -> None:
    def hall(question: Message) -> list[Message]:
        ids = {"query": question.context["__collect_id__"], "handler": "hall"}
        promise = question.reply("lamp.list.handling", {**ids, "timeout": 2})
        return [promise, question.reply("lamp.list.response", {**ids, "lamp": "hall"})]

    def lamps() -> list[str]:
        answers = bus.collect_responses(Message("lamp.list"), min_timeout=0)
        return [answer.data["lamp"] for answer in answers]

    bus.respond("lamp.list", hall)
    assert lamps() == ["hall"]
    assert [packet["type"] for packet in bus.emitted] == ["lamp.list"]
    bus.on_collect("lamp.list", lambda request: bus.emit(request.success({"lamp": "attic"})))
    assert sorted(lamps()) == ["attic", "hall"]
    bus.respond("lamp.list", None)
    assert lamps() == ["attic"]


def test_a_query_streams_its_answers(bus: FakeHiveMessageBus) -> None:
    heard: list[Any] = []
    bus.on("speak", lambda message: heard.append(message.data["utterance"]))
    bus.respond(UTTERANCE, lambda message: [speak("one"), speak("two")])
    stream = bus.query(ask("x"))
    assert [answer.message.data["utterance"] for answer in stream] == heard == ["one", "two"]
    assert stream.first.responder == "fake-hub"
    bus.respond(UTTERANCE, [])
    assert list(bus.query(ask("x"))) == []


def test_a_query_that_nobody_answers(bus: FakeHiveMessageBus) -> None:
    heard: list[str] = []
    bus.on("hive.query.timeout", lambda message: heard.append(message.data["error"]))
    bus.emit(HiveMessage("query", HiveMessage("bus", Message("x"))))
    bus.advance(29)
    assert heard == []
    bus.advance(2)
    assert heard == ["no_answer"]
    bus.emit(HiveMessage("query", HiveMessage("bus", Message("x"))))
    bus.drop()
    assert heard == ["no_answer", "connection_lost"]


def test_a_query_that_the_hub_does_not_take(bus: FakeHiveMessageBus) -> None:
    denial = Message("hive.policy.denied", {"denied_type": "x", "reason": "not allowed"})
    bus.respond("x", HiveMessage("bus", denial))
    with pytest.raises(MessageDenied, match="not allowed"):
        bus.query(Message("x"))


def test_a_connection_that_ends_under_a_query(bus: FakeHiveMessageBus) -> None:
    bus.respond("x", lambda message: bus.drop())
    with pytest.raises(ConnectionLost):
        bus.query(Message("x"))


def test_a_cascade_gathers_from_several(bus: FakeHiveMessageBus) -> None:
    delivered: list[int] = []
    bus.on("temperature", lambda message: delivered.append(message.data["degrees"]))
    bus.cascade_select_callback = lambda answers: answers[-1]
    for peer, degrees in (("kitchen::1", 20), ("bath::1", 24)):
        bus.respond("how.warm", Message("temperature", {"degrees": degrees}), responder=peer)
    answers = bus.cascade(Message("how.warm"))
    assert [(answer.responder, answer.message.data["degrees"]) for answer in answers] == [
        ("kitchen::1", 20),
        ("bath::1", 24),
    ]
    assert delivered == [24]


def test_a_ping_draws_those_who_answer(bus: FakeHiveMessageBus) -> None:
    bus.respond(HiveMessageType.PING, lambda packet: ping(packet["flood_id"], "kitchen::1"))
    assert "kitchen" in bus.ping().to_ascii(bus.peer)


def test_a_satellite_answers_a_question_of_the_hive(bus: FakeHiveMessageBus) -> None:
    bus.on(HiveMessageType.CASCADE, lambda request: bus.answer(request, Message("here")))
    question = HiveMessage(
        "cascade",
        HiveMessage("bus", Message("who.is.there")),
        metadata={"query_id": "1", "originator_peer": "kitchen::1"},
    )
    bus.respond(HiveMessageType.CASCADE, Message("must not be answered"))
    bus.receive(question)
    assert [packet.payload.payload.msg_type for packet in bus.emitted] == ["here", "hive.query.complete"]
    assert all(packet.metadata["responder_peer"] == bus.peer for packet in bus.emitted)


def test_the_clock_is_that_of_the_handlers(bus: FakeHiveMessageBus) -> None:
    before = bus.profile.context.now()
    bus.advance(3600)
    assert 3600 <= bus.profile.context.now() - before < 3660


def test_what_comes_after_the_end_is_dropped(bus: FakeHiveMessageBus) -> None:
    heard: list[Message] = []
    bus.on("late", heard.append)

    def on_first(message: Message) -> None:
        bus.receive(Message("late"))
        bus.drop()

    bus.on("first", on_first)
    bus.receive(Message("first"))
    bus.restore()
    bus.receive(Message("first"))
    assert heard == []


def test_a_closed_bus_waits_for_nothing_and_begins_no_timer(bus: FakeHiveMessageBus) -> None:
    ran: list[str] = []
    bus.mailbox.later(1, "kept", lambda: ran.append("dropped by close"))
    bus.close()
    bus.mailbox.later(1, "refused", lambda: ran.append("refused"))
    bus.mailbox.put(lambda: ran.append("refused"))
    bus.advance(10)
    assert ran == []
    assert bus.wait_for_message("x") is None


# as the fake of the reference client


def test_it_has_the_session_and_the_site_that_are_given() -> None:
    bus = FakeHiveMessageBus(session_id="s1", site_id="attic", useragent="Lamp")
    assert (bus.session_id, bus.site_id, bus.useragent) == ("s1", "attic", "Lamp")
    bus.emit(Message("x"))
    session = bus.emitted_of("x")[0].payload.context["session"]
    assert (session["session_id"], session["site_id"]) == ("s1", "attic")
    assert bus.internal_bus.session_id == "s1"
    with FakeHiveMessageBus(internal_bus=bus.internal_bus) as other:
        assert other.session_id == "s1" and other.site_id == "unknown"
    parameters = inspect.signature(FakeHiveMessageBus).parameters
    assert {"session_id", "site_id", "key", "plugins"} <= parameters.keys()
    with pytest.raises(TypeError, match="nonsense"):
        FakeHiveMessageBus(nonsense=1)


def test_what_is_sent_before_it_connects_connects_first() -> None:
    bus = FakeHiveMessageBus()
    told: list[Any] = []
    bus.on("open", lambda: told.append("open"))
    bus.on_mycroft("question", lambda message: told.append(message.msg_type))
    bus.on(HiveMessageType.BUS, lambda message: told.append(message["type"]))
    bus.respond("question", Message("answer"))
    bus.emit(Message("question"))
    assert bus.emitted_of("question") and bus.connected_event.is_set() and bus.state == "connected"
    assert told == ["open", "question", "answer"]
    bus.connect()
    assert told == ["open", "question", "answer"]
    bus.emitted = []
    bus.emit(Message("next"))
    assert [message["type"] for message in bus.emitted] == ["next"]
    asked = FakeHiveMessageBus()
    asked.respond("question", Message("answer"))
    assert asked.query(Message("question")).first.message.msg_type == "answer"
    assert FakeHiveMessageBus().round_trip() == 0.0


def test_an_outage_is_told_to_who_sends_before_it_connects() -> None:
    bus = FakeHiveMessageBus()
    bus.drop()
    with pytest.raises(NotConnected, match=r"restore\(\)"):
        bus.emit(Message("x"))
    bus.restore()
    bus.emit(Message("y"))
    assert [message["type"] for message in bus.emitted] == ["y"]
    refused = FakeHiveMessageBus()
    refused.drop(HubRefused("no"))
    with pytest.raises(HubRefused):
        refused.emit(Message("x"))


def test_what_is_sent_reaches_handlers_of_its_hive_type_where_that_is_wanted() -> None:
    bus = FakeHiveMessageBus()
    assert bus.echoes is False
    heard: list[Any] = []
    for kind in (HiveMessageType.BUS, HiveMessageType.THIRDPRTY, HiveMessageType.BINARY):
        bus.on(kind, heard.append)
    bus.emit(Message("silent"))
    bus.echoes = True
    bus.on_mycroft("loud", lambda message: heard.append(message.msg_type))
    bus.respond("loud", Message("answer"))
    bus.emit(Message("loud"))
    bus.emit(HiveMessage(HiveMessageType.THIRDPRTY, {"a": 1}))
    bus.emit(HiveMessage(HiveMessageType.BINARY, b"\0" * 4))
    assert [one if isinstance(one, str) else one.msg_type.value for one in heard] == [
        "loud",
        "bus",
        "bus",
        "3rdparty",
        "bin",
    ]
    echo = heard[1]
    assert echo.payload.msg_type == "loud" and echo.payload.context["destination"] == "HiveMind"
    assert bus.wait_for_response(HiveMessage(HiveMessageType.THIRDPRTY, {"b": 2})).payload == {"b": 2}
