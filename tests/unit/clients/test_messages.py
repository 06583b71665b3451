"""All clients: handlers, buses, sessions, credentials, callbacks (defects.md, Messages and Identity)."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import pytest
from ovos_bus_client import MessageBusClient
from ovos_bus_client.message import Message
from ovos_utils.fakebus import FakeBus

from hivemind_core_client import (
    Backoff,
    HiveMessage,
    HiveMessageBusClient,
    HiveMessageType,
    HiveMindBinaryPayloadType,
)
from hivemind_core_client import errors as err
from hivemind_core_client.client import BinaryDataCallbacks
from hivemind_core_client.identity import NodeIdentity
from hivemind_core_client.plugins.hookspecs import hookimpl
from hivemind_core_client.testing import EmbeddedHub
from tests.unit.client_support import Log, Make, settled
from tests.unit.support import PASSWORD, UTTERANCE


@pytest.mark.otherwise("asyncio", why="it is no OVOS bus, whose verbs block")
def test_it_is_an_ovos_bus_client(client: HiveMessageBusClient) -> None:
    assert isinstance(client, MessageBusClient)


def test_every_kind_of_handler_gets_each_message_once(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    logs = {
        name: Log() for name in ("hive", "hive-value", "ovos", "mycroft", "bus", "all", "once", "removed")
    }
    client.on(HiveMessageType.BUS, logs["hive"])
    client.on("bus", logs["hive-value"])
    client.on("speak", logs["ovos"])
    client.on("speak", logs["ovos"])
    client.on_mycroft("speak", logs["mycroft"])
    client.internal_bus.on("speak", logs["bus"])
    client.on("message", logs["all"])
    client.once("speak", logs["once"])
    client.on("speak", logs["removed"])
    client.remove("speak", logs["removed"])
    for text in ("one", "two"):
        hub.broadcast(Message("speak", {"utterance": text}))
    settled(hub, client)
    for name in ("ovos", "mycroft", "bus"):
        assert [message.data["utterance"] for message in logs[name].calls] == ["one", "two"], name
    for name in ("hive", "hive-value"):
        assert [message.payload.msg_type for message in logs[name].calls] == ["speak", "speak", "test.marker"]
    assert [json.loads(text)["type"] for text in logs["all"].calls][:2] == ["speak", "speak"]
    assert len(logs["once"].calls) == 1
    assert logs["removed"].calls == []


@pytest.mark.parametrize("verb", ["on", "once", "on_mycroft"])
def test_a_handler_that_cannot_be_called_is_refused_at_once(verb: str, client: HiveMessageBusClient) -> None:
    with pytest.raises(err.InvalidOption, match="NoneType"):
        getattr(client, verb)("speak", None)


def test_removing_all_listeners(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    ovos, hive = Log(), Log()
    client.on("speak", ovos)
    client.on(HiveMessageType.PING, hive)
    client.remove_all_listeners("speak")
    client.remove_all_listeners(HiveMessageType.PING)
    client.remove("speak", ovos)
    hub.broadcast(Message("speak"))
    hub.broadcast(HiveMessage("ping", {"flood_id": "1"}))
    settled(hub, client)
    assert ovos.calls == hive.calls == []


def test_a_handler_that_raises_stops_nobody(
    hub: EmbeddedHub, client: HiveMessageBusClient, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(message: Message) -> None:
        raise RuntimeError("mine to mend")

    heard = Log()
    client.on_mycroft("speak", broken)
    client.on(HiveMessageType.BUS, broken)
    client.on_mycroft("speak", heard)
    hub.broadcast(Message("speak"))
    heard.wait(1)
    assert "broken" in caplog.text
    assert client.state == "connected"


@pytest.mark.otherwise("asyncio", why="its handlers are awaited where they wait")
def test_a_handler_may_wait_for_an_answer(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    answers = Log()

    def handler(message: Message) -> None:
        answers(client.wait_for_response(Message(UTTERANCE, {"utterances": ["inner"]}), "speak", 5))

    client.on_mycroft("start", handler)
    hub.broadcast(Message("start"))
    assert answers.wait(1)[0].payload.data == {"utterance": "you said: inner"}


@pytest.mark.otherwise("asyncio", why="its handlers are awaited where they wait")
def test_a_handler_may_wait_for_a_handler_on_this_bus(client: HiveMessageBusClient) -> None:
    answers = Log()
    client.on("local.question", lambda message: client.internal_bus.emit(message.response({"value": 7})))

    def ask(message: Message) -> None:
        got = threading.Event()
        client.on("local.question.response", lambda answer: (answers(answer.data), got.set()))
        client.internal_bus.emit(Message("local.question"))
        with client.mailbox.blocking():
            assert got.wait(5)

    client.on("start", ask)
    client.internal_bus.emit(Message("start"))
    assert answers.wait(1) == [{"value": 7}]


def test_what_is_emitted_reaches_the_local_handlers_too(
    hub: EmbeddedHub, client: HiveMessageBusClient
) -> None:
    heard = Log()
    client.on("some.event", heard)
    client.emit(Message("some.event", {"a": 1}))
    (message,) = heard.wait(1)
    assert message.data == {"a": 1}
    assert message.context["source"] == client.useragent
    hub.wait_for("some.event")


def test_the_routing_fields_are_filled_in_where_they_are_missing(
    hub: EmbeddedHub, client: HiveMessageBusClient
) -> None:
    original = Message("plain")
    client.emit(original)
    client.emit(Message("given", {}, {"source": "me", "platform": "mine", "destination": "them", "extra": 1}))
    (plain,) = hub.wait_for("plain")
    (given,) = hub.wait_for("given")
    context = plain.payload.context
    assert (context["source"], context["platform"], context["destination"]) == (
        client.useragent,
        client.useragent,
        "HiveMind",
    )
    assert context["session"]["session_id"] == client.session_id
    assert context["session"]["site_id"] == "kitchen"
    assert {
        "source": "me",
        "platform": "mine",
        "destination": "them",
        "extra": 1,
    }.items() <= given.payload.context.items()
    assert "session" not in original.context


def test_a_session_of_the_callers_is_kept(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    session = {"session_id": "remote-user-7", "site_id": "garden", "lang": "pt-pt"}
    client.emit(Message("bridged", {}, {"session": session}))
    (bridged,) = hub.wait_for("bridged")
    assert bridged.payload.context["session"] == session


def test_the_session_the_hub_returns_is_sent_back(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    returned = {"session_id": client.session_id, "site_id": "moved", "active_skills": [["a.skill", 1.0]]}
    hub.broadcast(Message("speak", {}, {"session": returned}))
    hub.broadcast(Message("speak", {}, {"session": {"session_id": "somebody else", "lang": "xx"}}))
    settled(hub, client)
    client.emit(Message("next"))
    (after,) = hub.wait_for("next")
    session = after.payload.context["session"]
    assert session["active_skills"] == [["a.skill", 1.0]]
    assert session["site_id"] == client.site_id == "kitchen"
    assert "lang" not in session or session["lang"] != "xx"


def test_a_number_that_json_does_not_have_costs_nobody_a_message(
    hub: EmbeddedHub, client: HiveMessageBusClient
) -> None:
    """Python hubs write NaN by default. It is read as null, so that a session with it and a reply can be sent."""
    heard = Log()
    client.on_mycroft("speak", heard)
    session = {"session_id": client.session_id, "x": float("nan")}
    bus = {"type": "speak", "data": {"score": float("-inf")}, "context": {"session": session}}
    hub.send_raw(json.dumps(HiveMessage("bus", bus).as_dict), seal=True)
    (message,) = heard.wait(1)
    client.emit(message.reply("next", message.data))
    (answer,) = hub.wait_for("next")
    assert answer.payload.data == {"score": None}
    assert answer.payload.context["session"]["x"] is None
    assert client.rejected == 0


def test_a_number_that_json_does_not_have_is_not_sent(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    with pytest.raises(err.InvalidMessage, match=r"payload\.data\.score is a number that JSON does not have"):
        client.emit(Message("bad", {"score": float("nan")}))
    client.emit(Message("good"))
    hub.wait_for("good")
    assert "bad" not in [received["type"] for received in hub.received]


def test_a_foreign_payload_does_not_trip_those_who_wait(
    hub: EmbeddedHub, client: HiveMessageBusClient
) -> None:
    waiting = threading.Thread(target=lambda: client.wait_for_payload("x", "3rdparty", 5))
    waiting.start()
    arrived = Log()
    client.on("3rdparty", arrived)
    hub.broadcast(HiveMessage("3rdparty", {"msg_type": ["a"]}))
    hub.broadcast(HiveMessage("3rdparty", {"msg_type": "x"}))
    arrived.wait(2)
    waiting.join(5)
    assert client.state == "connected"


def test_the_session_id_may_be_changed_at_any_time(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    client.session_id = "another"
    client.emit(Message("next"))
    assert hub.wait_for("next")[0].payload.context["session"]["session_id"] == "another"


def test_what_the_hub_says_is_native_here(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    heard = Log()
    client.on("speak", heard)
    forged = {"hivemind_verified_source_peer": "forged", "source": "hive", "destination": "satellite"}
    hub.broadcast(Message("speak", {}, forged))
    (message,) = heard.wait(1)
    # It came without a session: an OVOS bus gives it its own then, which is ours.
    session = {"session_id": client.session_id, "site_id": client.site_id}
    assert message.context.pop("session").items() >= session.items()
    assert message.context == {"source": "satellite"}


@pytest.mark.parametrize("binary_type", [None, HiveMindBinaryPayloadType.FILE])
@pytest.mark.otherwise("http", why="it sends no BINARY, and tells no progress")
def test_the_bin_type_of_the_message_counts_unless_one_is_passed(
    hub: EmbeddedHub, client: HiveMessageBusClient, binary_type: HiveMindBinaryPayloadType | None
) -> None:
    message = HiveMessage(
        "bin", b"\0\1", bin_type=HiveMindBinaryPayloadType.RAW_AUDIO, metadata={"lang": "en"}
    )
    if binary_type is None:
        client.emit(message)
    else:
        client.emit(message, binary_type=binary_type)
    (got,) = hub.wait_for("bin")
    assert got.bin_type == (binary_type or HiveMindBinaryPayloadType.RAW_AUDIO)
    assert (got.payload, got.metadata) == (b"\0\1", {"lang": "en"})


def test_binary_data_goes_to_callbacks_that_were_assigned_later(
    hub: EmbeddedHub, client: HiveMessageBusClient
) -> None:
    got = Log()

    class Mine(BinaryDataCallbacks):
        def handle_receive_tts(
            self, bin_data: bytes, utterance: str | None, lang: str | None, file_name: str
        ) -> None:
            got((bin_data, utterance, lang, file_name))

    client.bin_callbacks = Mine()
    hub.send_tts(b"RIFF", "hello", "en", "../../etc/speech.wav")
    assert got.wait(1) == [(b"RIFF", "hello", "en", "speech.wav")]


def test_a_callback_that_raises_is_logged_without_its_data(
    hub: EmbeddedHub, client: HiveMessageBusClient, caplog: pytest.LogCaptureFixture
) -> None:
    called = threading.Event()

    class Broken(BinaryDataCallbacks):
        def handle_receive_tts(
            self, bin_data: bytes, utterance: str | None, lang: str | None, file_name: str
        ) -> None:
            called.set()
            raise RuntimeError("mine to mend")

    client.bin_callbacks = Broken()
    hub.send_tts(b"WHATWASSAID")
    assert called.wait(5)
    client.close()
    assert "Broken.handle_receive_tts raised" in caplog.text and "mine to mend" in caplog.text
    assert "WHATWASSAID" not in caplog.text


@pytest.mark.parametrize("bin_type", list(HiveMindBinaryPayloadType))
@pytest.mark.otherwise("http", why="a BINARY comes beside the text, not in order with it")
def test_every_bin_type_has_a_callback_that_says_what_it_ignored(
    bin_type: HiveMindBinaryPayloadType,
    hub: EmbeddedHub,
    client: HiveMessageBusClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub.broadcast(HiveMessage("bin", b"12345", bin_type=bin_type))
    settled(hub, client)
    assert "of 5 bytes" in caplog.text


@pytest.mark.otherwise("http", why="a BINARY comes beside the text, not in order with it")
def test_a_malformed_frame_costs_itself_only(hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
    for frame in (
        "",
        "{",
        "null",
        "[]",
        '{"msg_type": "bus"}',
        '{"ciphertext": "zz", "nonce": 1}',
        b"",
        b"\0" * 40,
    ):
        hub.send_raw(frame)
    settled(hub, client)
    assert client.rejected == 8
    assert client.state == "connected"


class TestInternalBus:
    def test_a_bus_that_is_given_gets_what_the_hub_says_once(self, hub: EmbeddedHub, make: Make) -> None:
        bus = FakeBus()
        direct, early, late = Log(), Log(), Log()
        bus.on("speak", direct)
        client = make(hub)
        client.on_mycroft("speak", early)
        client.connect(bus=bus)
        client.on_mycroft("speak", late)
        assert client.internal_bus is bus
        hub.broadcast(Message("speak"))
        settled(hub, client)
        assert [len(log.calls) for log in (direct, early, late)] == [1, 1, 1]
        client.close()

    @pytest.mark.parametrize("own", [True, False], ids=["own-bus", "given-bus"])
    def test_what_names_the_hub_goes_up_once(self, hub: EmbeddedHub, own: bool, make: Make) -> None:
        with make(hub, internal_bus=None if own else FakeBus()) as client:
            assert client.hub is not None
            for_hub = {"destination": client.hub.node_id}
            client.internal_bus.emit(Message("for.the.hub", {}, dict(for_hub)))
            client.internal_bus.emit(Message("not.for.the.hub", {}, {"destination": "audio"}))
            client.emit(Message("sent.by.us", {}, dict(for_hub)))
            client.emit(Message("last"))
            hub.wait_for("last")
            types = [message["type"] for message in hub.received if message.msg_type == "bus"]
            assert types == ["for.the.hub", "sent.by.us", "last"]

    def test_a_bus_that_was_replaced_is_listened_to_no_more(self, hub: EmbeddedHub, make: Make) -> None:
        first, second = FakeBus(), FakeBus()
        with make(hub, internal_bus=first, share_bus=True) as client:
            for bus in (second, first):
                client.internal_bus = bus
            second.emit(Message("overheard.twice"))
            first.emit(Message("overheard.once"))
            client.emit(Message("last"))
            hub.wait_for("last")
            shared = [message["type"] for message in hub.received if message.msg_type == "shared_bus"]
            assert shared == ["overheard.once"]

    def test_a_hive_message_can_be_sent_by_the_local_bus(
        self, hub: EmbeddedHub, client: HiveMessageBusClient
    ) -> None:
        third = {"msg_type": "3rdparty", "payload": {"a": 1}}
        for data in ({"msg_type": "broadcast", "payload": third}, {"msg_type": "nonsense"}, third):
            client.internal_bus.emit(Message("hive.send.upstream", data))
        (got,) = hub.wait_for("3rdparty")
        assert got.payload == {"a": 1}
        assert [message.msg_type for message in hub.received] == ["hello", "3rdparty"]

    @pytest.mark.parametrize("own", [True, False], ids=["own-bus", "given-bus"])
    def test_what_comes_down_never_asks_to_be_sent_up(self, hub: EmbeddedHub, own: bool, make: Make) -> None:
        """Somebody else's wish would be sealed and signed with our key."""
        with make(hub, internal_bus=None if own else FakeBus()) as client:
            wish = {"msg_type": "3rdparty", "payload": {"signed": "by us"}}
            hub.broadcast(Message("hive.send.upstream", wish))
            settled(hub, client)
            client.emit(Message("the.end"))
            hub.wait_for("the.end")
            assert "3rdparty" not in [message.msg_type for message in hub.received]

    @pytest.mark.parametrize("msg_type", ["hello", "shake"])
    def test_the_local_bus_cannot_speak_for_the_connection(
        self, hub: EmbeddedHub, client: HiveMessageBusClient, msg_type: str
    ) -> None:
        before = len(hub.wait_for("hello"))
        client.internal_bus.emit(Message("hive.send.upstream", {"msg_type": msg_type, "payload": {}}))
        client.emit(Message("the.end"))
        hub.wait_for("the.end")
        assert [message.msg_type for message in hub.received[before:]] == ["bus"]

    def test_the_whole_bus_is_shared_when_asked(self, hub: EmbeddedHub, make: Make) -> None:
        with make(hub, share_bus=True, internal_bus=FakeBus()) as client:
            client.internal_bus.emit(Message("overheard"))
            (shared,) = hub.wait_for("shared_bus")
            assert shared.payload.msg_type == "overheard"


class TestWaiting:
    def test_by_hive_type_by_ovos_type_and_by_payload(
        self, hub: EmbeddedHub, client: HiveMessageBusClient
    ) -> None:
        found: dict[str, HiveMessage | None] = {}
        waits = {
            "hive": lambda: client.wait_for_message(HiveMessageType.PROPAGATE, 5),
            "ovos": lambda: client.wait_for_message("speak", 5),
            "several": lambda: client.wait_for_message(["nothing", "speak"], 5),
            "mycroft": lambda: client.wait_for_mycroft("speak", 5),
            "payload": lambda: client.wait_for_payload("bus", HiveMessageType.PROPAGATE, 5),
        }
        ready = threading.Barrier(len(waits) + 1)

        def run(name: str) -> None:
            ready.wait(5)
            found[name] = waits[name]()

        threads = [threading.Thread(target=run, args=(name,)) for name in waits]
        for thread in threads:
            thread.start()
        ready.wait(5)
        inner = HiveMessage("bus", Message("inner"))
        while any(thread.is_alive() for thread in threads):
            hub.broadcast(Message("speak"))
            hub.broadcast(HiveMessage("propagate", inner))
            for thread in threads:
                thread.join(0.02)
        assert {name: message.msg_type for name, message in found.items() if message} == {
            "hive": "propagate",
            "ovos": "bus",
            "several": "bus",
            "mycroft": "bus",
            "payload": "propagate",
        }

    def test_a_wait_ends_without_a_message(self, client: HiveMessageBusClient) -> None:
        assert client.wait_for_message("never", 0.01) is None
        assert client.wait_for_payload("never", "3rdparty", 0.01) is None
        assert client.wait_for_response(Message("x"), timeout=0.01) is None

    def test_the_default_answer_is_type_response(
        self, hub: EmbeddedHub, client: HiveMessageBusClient
    ) -> None:
        def answer() -> None:
            hub.wait_for("question")
            hub.broadcast(Message("question.response", {"n": 1}))

        answering = threading.Thread(target=answer)
        answering.start()
        got = client.wait_for_response(Message("question"), timeout=5)
        answering.join(5)
        assert got is not None
        assert got.payload.data == {"n": 1}

    def test_an_answer_by_payload(self, hub: EmbeddedHub, client: HiveMessageBusClient) -> None:
        def answer() -> None:
            hub.wait_for("escalate")
            hub.broadcast(HiveMessage("propagate", HiveMessage("bus", Message("x"))))

        answering = threading.Thread(target=answer)
        answering.start()
        question = HiveMessage("escalate", HiveMessage("bus", Message("q")))
        got = client.wait_for_payload_response(question, "bus", "propagate", timeout=5)
        answering.join(5)
        assert got is not None

    def test_a_wait_for_an_answer_raises_what_sending_raised(self, hub: EmbeddedHub, make: Make) -> None:
        client = make(hub)
        with pytest.raises(err.NotConnected, match="connect"):
            client.emit(Message("x"))
        client.connect()
        client.close()
        with pytest.raises(err.ClientClosed):
            client.wait_for_response(Message("x"))


class TestCredentials:
    @pytest.mark.parametrize(
        ("argument", "environment", "stored", "used"),
        [
            ("a", "e", "i", "a"),
            (None, "e", "i", "e"),
            (None, None, "i", "i"),
            ("", "", "i", "i"),
        ],
    )
    @pytest.mark.otherwise("http", why="nothing of it is in the way to the hub")
    def test_argument_then_environment_then_identity(
        self,
        argument: Any,
        environment: Any,
        stored: Any,
        used: Any,
        monkeypatch: pytest.MonkeyPatch,
        client_class: Any,
    ) -> None:
        if environment is not None:
            monkeypatch.setenv("HIVEMIND_KEY", environment)
        identity = NodeIdentity({"access_key": stored, "default_master": "ws://hub"})
        assert client_class(argument, identity=identity).key == used

    def test_arguments_are_never_written_back(self, hub: EmbeddedHub, tmp_path: Any, make: Make) -> None:
        path = tmp_path / "_identity.json"
        identity = NodeIdentity(path)
        identity.access_key, identity.password, identity.default_master = "mine", "my own", "ws://elsewhere"
        identity.save()
        before = path.read_bytes()
        with make(hub, identity=identity) as client:
            client.site_id = "attic"
            client.key, client.password, client.useragent = "k", PASSWORD, "Me"
        assert (identity.access_key, identity.password, identity.default_master) == (
            "mine",
            "my own",
            "ws://elsewhere",
        )
        assert path.read_bytes() == before

    @pytest.mark.parametrize(
        ("host", "port", "stored", "used"),
        [
            ("ws://h:9000", None, 7000, 9000),
            ("ws://h:9000", 8000, 7000, 8000),
            ("ws://h", None, 7000, 7000),
            ("h", None, None, 5678),
            (None, None, 7000, 7000),
        ],
    )
    @pytest.mark.otherwise("http", why="its port is another one")
    def test_the_port_of_the_argument_beats_the_stored_one(
        self, host: Any, port: Any, stored: Any, used: int, client_class: Any
    ) -> None:
        known = {"access_key": "k", "default_master": "ws://stored", "default_port": stored}
        assert client_class(host=host, port=port, identity=NodeIdentity(known)).port == used

    @pytest.mark.parametrize("known", [{}, {"access_key": "k"}, {"default_master": "hub"}])
    @pytest.mark.otherwise("http", why="nothing of it is in the way to the hub")
    def test_without_credentials_the_mend_is_named(self, known: dict[str, str], client_class: Any) -> None:
        with pytest.raises(RuntimeError, match=r"NodeIdentity not set.*set-identity"):
            client_class(identity=NodeIdentity(known))

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"key": "a:b"}, err.InvalidCredential),
            ({"useragent": "a:b"}, err.InvalidCredential),
            ({"password": 7}, err.InvalidCredential),
            ({"key": "\udcff"}, err.InvalidCredential),
            ({"password": "\udcff"}, err.InvalidCredential),
            ({"crypto_key": "short"}, err.InvalidCredential),
            ({"port": "no"}, err.InvalidOption),
            ({"port": 0}, err.InvalidOption),
            ({"deadlines": {"tcp": 1}}, err.InvalidOption),
            ({"backoff": 1}, err.InvalidOption),
            ({"limits": 1}, err.InvalidOption),
            ({"host": "gopher://hub"}, err.InvalidOption),
            ({"ciphers": ["ROT13"]}, err.UnknownCipher),
            ({"encodings": "MORSE"}, err.UnknownEncoding),
            ({"max_protocol_version": 9}, err.InvalidOption),
            ({"blocked_plugins": ["builtin_handshake"]}, err.PluginError),
        ],
    )
    @pytest.mark.otherwise("http", why="its port is another one")
    def test_what_the_wire_cannot_carry_is_refused_here(
        self, options: dict[str, Any], error: type[Exception], client_class: Any
    ) -> None:
        defaults = {"key": "k", "password": PASSWORD, "host": "hub", "identity": NodeIdentity({})}
        with pytest.raises(error):
            client_class(**{**defaults, **options})

    @pytest.mark.otherwise("http", why="its port is another one")
    def test_a_key_may_be_set_before_connecting(self, hub: EmbeddedHub, make: Make) -> None:
        client = make(hub, key="wrong")
        client.key = "k"
        with client:
            assert client.hub is not None
            assert (client.host, client.port, client.crypto_key) == (hub.host, hub.port, None)
        with pytest.raises(err.InvalidCredential):
            client.key = "a:b"
        client.crypto_key = "sixteen chars ok"
        assert client.crypto_key == b"sixteen chars ok"


class TestHooks:
    def test_plugins_observe_sessions_and_one_that_raises_stops_nobody(
        self, hub: EmbeddedHub, make: Make
    ) -> None:
        seen = Log()

        class Broken:
            @hookimpl(tryfirst=True)
            def hivemind_connected(self, client: Any) -> None:
                raise RuntimeError("observer")

        class Observer:
            @hookimpl
            def hivemind_connected(self, client: Any) -> None:
                seen(("connected", client.state))

            @hookimpl
            def hivemind_disconnected(self, client: Any, reason: Exception) -> None:
                seen(("disconnected", type(reason).__name__))

        client = make(hub, blocked_plugins=["no-such-plugin-but-a-selection-of-its-own"])
        for observer in (Broken(), Observer()):
            client.plugins.pm.register(observer)
        with client:
            seen.wait(1)
        assert seen.calls == [("connected", "connected"), ("disconnected", "ClientClosed")]


def test_events_of_the_connection_are_told_like_the_base_class_does(hub: EmbeddedHub, make: Make) -> None:
    opened, closed, again = Log(), Log(), Log()
    client = make(hub, backoff=Backoff(first=0.01))
    client.on("open", opened)
    client.once("close", closed)
    client.on("reconnecting", again)
    with client:
        opened.wait(1)
        hub.drop()
        opened.wait(2)
    assert (len(opened.calls), len(closed.calls), len(again.calls)) == (2, 1, 1)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.otherwise("http", why="it sends no BINARY, and tells no progress")
def test_many_threads_lose_nothing_and_keep_their_order_both_ways(tls: bool, make: Make) -> None:
    """Large and small messages, four threads up while the hub sends down."""
    down, big = Log(), b"x" * 300_000
    with EmbeddedHub({"k": PASSWORD}, tls=tls) as hub, make(hub) as client:
        client.on("down", lambda message: down(message.data["number"]))
        threads = [threading.Thread(target=send_fifty, args=(client, number, big)) for number in range(4)]
        threads.append(threading.Thread(target=broadcast_fifty, args=(hub,)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        got = [message["data"] for message in hub.wait_for("count", count=200, timeout=20)]
        assert len(hub.wait_for("bin", count=4)) == 4
        assert down.wait(50) == list(range(50))
        assert client.rejected == 0
    for number in range(4):
        assert [item["number"] for item in got if item["thread"] == number] == list(range(50))


def broadcast_fifty(hub: EmbeddedHub) -> None:
    for number in range(50):
        hub.broadcast(Message("down", {"number": number}))


def send_fifty(client: HiveMessageBusClient, thread: int, big: bytes) -> None:
    client.emit(HiveMessage("bin", big))
    for number in range(50):
        client.emit(Message("count", {"thread": thread, "number": number}))


def test_text_says_where_and_how_it_stands_and_no_secret(client: HiveMessageBusClient) -> None:
    assert PASSWORD not in repr(client)
    assert "connected" in repr(client)
    assert client.cipher in ("AES-GCM", "CHACHA20-POLY1305")
    assert client.handshake_event.is_set()


@pytest.mark.otherwise("http", why="it sends no BINARY, and tells no progress")
@pytest.mark.otherwise("asyncio", why="it writes without waiting, and what is written leaves whole")
def test_a_callback_for_progress_cannot_send_and_costs_nothing(hub: EmbeddedHub, make: Make) -> None:
    with make(hub) as client:
        told: list[tuple[int, int]] = []

        def progress(written: int, total: int) -> None:
            told.append((written, total))
            client.emit(Message("from.within"))

        began = time.monotonic()
        client.emit(HiveMessage("bin", bytes(2**20), bin_type=3), progress=progress)
        assert time.monotonic() - began < 5
        assert told[-1][0] == told[-1][1] >= 2**20
        client.emit(Message("the.end"))
        hub.wait_for("the.end")
        assert not [each for each in hub.received if each.msg_type == "bus" and each["type"] == "from.within"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
@pytest.mark.otherwise("http", why="it sends no BINARY, and tells no progress")
@pytest.mark.otherwise("asyncio", why="it writes without waiting, and what is written leaves whole")
def test_an_interrupted_write_leaves_no_half_frame_in_the_stream(
    hub: EmbeddedHub, interruption: type[BaseException], monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    """Half a frame would swallow the next message: the connection is given up, and comes back."""
    with make(hub) as client:
        lost = threading.Event()
        client.on("close", lost.set)
        caller, send = threading.current_thread(), socket.socket.send

        def interrupted(connected: socket.socket, *arguments: Any) -> int:
            if threading.current_thread() is caller:
                raise interruption
            return send(connected, *arguments)

        with monkeypatch.context() as patched:
            patched.setattr(socket.socket, "send", interrupted)
            with pytest.raises(interruption):
                client.emit(HiveMessage("bin", bytes(2**20), bin_type=3))
        assert lost.wait(5)
        client.connect()
        client.emit(Message("the.end"))
        hub.wait_for("the.end")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
@pytest.mark.otherwise("asyncio", why="it writes without waiting, and what is written leaves whole")
def test_an_interrupted_sealing_gives_the_connection_up(
    hub: EmbeddedHub, interruption: type[BaseException], monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    check_broken_sealing(hub, interruption, monkeypatch, make)


def test_a_sealing_that_breaks_gives_the_connection_up(
    hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    check_broken_sealing(hub, ZeroDivisionError, monkeypatch, make)


def check_broken_sealing(
    hub: EmbeddedHub, interruption: type[BaseException], monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    """What was sealed has its place in the order: with a piece missing, nothing that follows would open."""
    with make(hub) as client:
        lost = threading.Event()
        client.on("close", lost.set)

        def interrupted(message: object) -> None:
            raise interruption

        monkeypatch.setattr(client.protocol, "seal", interrupted)
        with pytest.raises(interruption):
            client.emit(Message("is.lost"))
        assert lost.wait(5)
        client.connect()
        client.emit(Message("the.end"))
        hub.wait_for("the.end")


def test_an_error_that_is_raised_again_and_again_does_not_grow(hub: EmbeddedHub, make: Make) -> None:
    client = make(hub, password="another-password-of-nobody-4711")
    with pytest.raises(err.PasswordRefused):
        client.connect()
    depths = []
    for _ in range(5):
        with pytest.raises(err.PasswordRefused) as refused:
            client.emit(Message("x"))
        depths.append(len(refused.traceback))
    assert len(set(depths)) == 1
