"""A protocol object acts through an object that is no client: it sends by `emit`, and hands on what comes by `on`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
from hivemind_bus_client import noise
from hivemind_bus_client.encryption import SupportedCiphers, SupportedEncodings
from hivemind_bus_client.identity import NodeIdentity
from hivemind_bus_client.message import HiveMessage, HiveMessageType
from hivemind_bus_client.protocol import HiveMindSlaveProtocol
from ovos_bus_client.message import Message
from ovos_utils.fakebus import FakeBus

import hivemind_core_client.protocol
from hivemind_core_client.errors import (
    ConnectionLost,
    HubKeyChanged,
    InvalidMessage,
    NotConnected,
    PasswordRefused,
)
from hivemind_core_client.fakebus import FakeHiveMessageBus
from hivemind_core_client.kernel.questions import answers_to

T = HiveMessageType
PASSWORD, NODE, SITE, UTTERANCE = (
    "Correct-Horse-Battery-Staple",
    "a-hub",
    "kitchen",
    "recognizer_loop:utterance",
)
needs_noise = pytest.mark.skipif(not noise.NOISE_SUPPORTED, reason="Noise needs Python 3.10")


class Shim:
    """The object of somebody else: it seals and opens by what the handshake gave it, and knows nothing more."""

    key, useragent, max_protocol_version = "an-access-key", "a:shim", 3

    def __init__(self, password: Optional[str] = PASSWORD) -> None:
        self.identity = NodeIdentity({"name": "a-node", "site_id": SITE})
        self.password, self.site_id, self.session_id = password, SITE, "a-session"
        self.handshake_event = threading.Event()
        self.crypto_key: Any = None
        self.cipher, self.json_encoding = SupportedCiphers.AES_GCM, SupportedEncodings.JSON_HEX
        self.noise_transport: Any = None
        self.handlers: dict[Any, list[Callable[[HiveMessage], Any]]] = {}
        self.sent: list[HiveMessage] = []
        self.hub: Any = None

    def on(self, event_name: Any, func: Callable[[HiveMessage], Any]) -> None:
        self.handlers.setdefault(event_name, []).append(func)

    def emit(self, message: HiveMessage) -> None:
        self.sent.append(message)
        if self.noise_transport is None or message.msg_type is T.HANDSHAKE:
            self.hub.take(message)
        else:
            self.noise_transport.send_message(message.serialize(), self.hub.take_frame)

    def arrives(self, message: HiveMessage) -> None:
        for handler in self.handlers[message.msg_type]:
            handler(message)

    def frame_arrives(self, frame: bytes) -> None:
        self.arrives(HiveMessage.deserialize(self.noise_transport.decrypt_frame(frame)))


class Hub:
    """The other end, made of the functions for hubs. It answers utterances, and goes on after a disconnection."""

    def __init__(self, shim: Shim, folder: Path, password: str = PASSWORD) -> None:
        self.shim, self.password, self.path = shim, password, str(folder / "hub.key")
        self.pattern, self.client_key = "", None
        self.exchange = self.transport = None  # type: Any
        self.got: list[HiveMessage] = []
        self.patterns = noise.NOISE_PATTERNS
        shim.hub = self

    def connect(self) -> None:
        self.exchange = self.transport = None
        self.hello = {"node_id": NODE, "peer": "a-peer", "pubkey": ""}
        offered = {"patterns": self.patterns, "suites": noise.NOISE_SUITES}
        self.offer = {"noise": offered, "max_protocol_version": 3, "encodings": ["JSON-B64"]}
        self.shim.arrives(HiveMessage(T.HELLO, self.hello))
        self.shim.arrives(HiveMessage(T.HANDSHAKE, self.offer))

    def take(self, message: HiveMessage) -> None:
        said = message.raw_payload["noise"]
        if self.exchange is None:
            self.begin(said)
        self.exchange.read_message(bytes.fromhex(said["msg"]))
        if not self.exchange.handshake_finished:
            reply = self.exchange.write_message(b'{"encoding": "JSON-B64"}').hex()
            self.shim.arrives(HiveMessage(T.HANDSHAKE, {"noise": {"msg": reply}}))
        if self.exchange is not None and self.exchange.handshake_finished and self.transport is None:
            self.transport = noise.NoiseTransport(self.exchange)
            self.client_key = self.transport.remote_static_key

    def begin(self, said: dict[str, str]) -> None:
        self.pattern, suite = said["pattern"], said["suite"]
        name = noise.noise_protocol_name(self.pattern, suite)
        prologue = noise.build_prologue(self.hello, self.offer, name)
        self.exchange = noise.start_noise_handshake(
            False,
            self.pattern,
            suite,
            self.password,
            NODE,
            prologue,
            self.path,
            self.client_key,
        )

    def take_frame(self, frame: bytes) -> None:
        message = HiveMessage.deserialize(self.transport.decrypt_frame(frame))
        self.got.append(message)
        if message.msg_type is T.BUS and message["type"] == UTTERANCE:
            self.say(HiveMessage(T.BUS, message.payload.reply("speak", {"utterance": "you said it"})))

    def say(self, message: HiveMessage) -> None:
        self.transport.send_message(message.serialize(), self.shim.frame_arrives)


class Node:
    """A shim, its protocol object, and its bus."""

    def __init__(self, shim: Shim, kind: type[Any] = HiveMindSlaveProtocol, **options: Any) -> None:
        self.shim, self.bus = shim, FakeBus()
        self.protocol = kind(hm=shim, identity=shim.identity, site_id=SITE, **options)
        self.protocol.bind(self.bus)
        self.heard: list[Message] = []
        self.bus.on("speak", self.heard.append)

    def ask(self) -> None:
        self.bus.emit(Message(UTTERANCE, {"utterances": ["hello"]}, {"destination": NODE}))


def speak(text: str) -> HiveMessage:
    return HiveMessage(T.BUS, Message("speak", {"utterance": text}))


@pytest.fixture
def node() -> Iterator[Node]:
    one = Node(Shim())
    yield one
    one.protocol.client.close()


@pytest.fixture
def hub(node: Node, tmp_path: Path) -> Hub:
    one = Hub(node.shim, tmp_path)
    one.connect()
    return one


def test_it_is_our_protocol_object_in_the_place_of_that_of_a_client() -> None:
    client = FakeHiveMessageBus()
    protocol = HiveMindSlaveProtocol(client)
    assert issubclass(HiveMindSlaveProtocol, hivemind_core_client.protocol.HiveMindSlaveProtocol)
    client.connect(FakeBus(), protocol)
    assert protocol.client is client and client.protocol is protocol
    protocol.start_handshake()
    protocol.reset_connection_state()  # a client does so by itself
    assert client.handshake_event.is_set()
    client.close()


@needs_noise
def test_a_first_contact_shows_keys_and_gives_the_object_what_it_seals_with(node: Node, hub: Hub) -> None:
    shim = node.shim
    assert shim.handshake_event.is_set()
    assert hub.pattern == noise.NOISE_PATTERN_XX
    assert shim.json_encoding is SupportedEncodings.JSON_B64
    assert shim.identity.pinned_noise_keys == {NODE: shim.noise_transport.remote_static_key}
    hello = hub.got[0]
    assert hello.msg_type is T.HELLO
    assert hello["session"]["session_id"] == "a-session" and hello["site_id"] == SITE
    assert node.protocol.node_id == NODE


@needs_noise
def test_an_utterance_of_the_bus_goes_up_and_is_answered_before_it_returns(node: Node, hub: Hub) -> None:
    node.ask()
    assert [message.data for message in node.heard] == [{"utterance": "you said it"}]
    assert hub.got[-1]["data"] == {"utterances": ["hello"]}


@needs_noise
def test_the_second_contact_stands_on_the_pinned_keys(node: Node, hub: Hub) -> None:
    node.protocol.reset_connection_state()
    node.protocol.reset_connection_state()
    node.shim.noise_transport = None
    node.shim.handshake_event.clear()
    with pytest.raises(NotConnected):
        node.protocol.client.emit(speak("too early"))
    hub.connect()
    assert hub.pattern == noise.NOISE_PATTERN_KK
    assert node.shim.handshake_event.is_set()
    node.ask()
    assert len(node.heard) == 1


@needs_noise
def test_after_a_refused_second_contact_the_keys_are_shown_again(node: Node, hub: Hub) -> None:
    node.protocol.reset_connection_state()
    node.shim.noise_transport = None
    node.shim.hub = Silent()
    node.shim.arrives(HiveMessage(T.HELLO, hub.hello))
    node.shim.arrives(HiveMessage(T.HANDSHAKE, hub.offer))
    assert node.shim.sent[-1].raw_payload["noise"]["pattern"] == noise.NOISE_PATTERN_KK
    node.protocol.reset_connection_state()  # the hub has hung up
    node.shim.hub = hub
    hub.connect()
    assert hub.pattern == noise.NOISE_PATTERN_XX
    assert node.protocol.client.handshake_event.is_set()


class Silent:
    """A hub that says nothing."""

    def take(self, message: HiveMessage) -> None:
        """Take a message."""


@needs_noise
def test_another_password_gives_no_session(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    closed: list[str] = []
    shim = Shim("another password, and a long one")
    shim.close_connection = lambda: closed.append("closed")  # type: ignore[attr-defined]
    node = Node(shim)
    hub = Hub(shim, tmp_path)
    hub.connect()
    assert not shim.handshake_event.is_set() and shim.noise_transport is None
    assert isinstance(node.protocol.client.last_error, PasswordRefused)
    assert closed == ["closed"] and "does not prove that it knows our password" in caplog.text
    caplog.clear()
    node.protocol.start_handshake()
    assert "does not prove" in caplog.text
    shim.password = PASSWORD
    node.protocol.reset_connection_state()
    hub.connect()
    assert shim.handshake_event.is_set()
    node.protocol.client.close()


@needs_noise
def test_another_key_of_a_known_hub_gives_no_session(node: Node, hub: Hub, tmp_path: Path) -> None:
    node.protocol.reset_connection_state()
    node.shim.noise_transport = None
    node.shim.handshake_event.clear()
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    other = Hub(node.shim, stranger)
    other.patterns = [noise.NOISE_PATTERN_XX]
    other.connect()
    assert isinstance(node.protocol.client.last_error, HubKeyChanged)
    assert not node.shim.handshake_event.is_set() and node.shim.noise_transport is None


@needs_noise
def test_what_comes_takes_the_way_of_our_handlers(node: Node, hub: Hub) -> None:
    hub.say(speak("plain"))
    hub.say(HiveMessage(T.BROADCAST, speak("for us"), target_site_id=SITE))
    hub.say(HiveMessage(T.BROADCAST, speak("for others"), target_site_id="elsewhere"))
    stranger = [{"source": "somebody", "targets": ["a-peer"]}]
    hub.say(HiveMessage(T.PROPAGATE, speak("from a stranger"), target_site_id=SITE, route=stranger))
    assert [message.data["utterance"] for message in node.heard] == ["plain", "for us"]


@needs_noise
def test_a_ping_is_answered_once(node: Node, hub: Hub) -> None:
    flood = {"flood_id": "f", "peer": "z", "site_id": "q", "timestamp": 1.0}
    before = len(hub.got)
    for _ in range(2):
        hub.say(HiveMessage(T.PROPAGATE, HiveMessage(T.PING, flood)))
    assert [message.msg_type for message in hub.got[before:]] == [T.PROPAGATE]


@needs_noise
def test_questions_are_asked_and_answered(node: Node, hub: Hub) -> None:
    client = node.protocol.client
    answers: list[Any] = []
    asking = threading.Thread(
        target=lambda: answers.extend(client.cascade(Message("who.is.there"), timeout=0.2))
    )

    class Answering:
        """Answers a CASCADE."""

        def take_frame(self, frame: bytes) -> None:
            """Take a frame."""
            message = HiveMessage.deserialize(hub.transport.decrypt_frame(frame))
            for answer in answers_to(message, "a-node::x", [Message("me")]):
                hub.say(answer)

    node.shim.hub = Answering()
    asking.start()
    asking.join(10)
    assert [answer.message.msg_type for answer in answers] == ["me"]
    hub.shim.hub = hub


@needs_noise
def test_a_subclass_acts_in_our_place(tmp_path: Path) -> None:
    told: list[str] = []

    class Own(HiveMindSlaveProtocol):
        """Hears first."""

        def handle_bus(self, message: HiveMessage, verified_source: Optional[str] = None) -> None:
            """Note it; what is secret goes no further."""
            told.append(message["data"]["utterance"])
            if "secret" not in told:
                super().handle_bus(message, verified_source)

    node = Node(Shim(), Own)
    hub = Hub(node.shim, tmp_path)
    hub.connect()
    for text in ("hello", "secret"):
        hub.say(speak(text))
    assert told == ["hello", "secret"]
    assert [message.data["utterance"] for message in node.heard] == ["hello"]
    node.protocol.client.close()


@needs_noise
def test_a_shared_bus_is_sent_up_from_when_it_is_shared(node: Node, hub: Hub) -> None:
    before = len(hub.got)
    node.bus.emit(Message("something.local"))
    node.protocol.internal_protocol.share_bus = True
    node.bus.emit(Message("something.local"))
    assert [message.msg_type for message in hub.got[before:]] == [T.SHARED_BUS]


@needs_noise
def test_what_the_object_raises_costs_one_message(node: Node, hub: Hub) -> None:
    client = node.protocol.client

    def broken(message: HiveMessage) -> None:
        raise OSError("gone")

    node.shim.emit = broken  # type: ignore[method-assign]
    with pytest.raises(ConnectionLost, match="OSError: gone"):
        client.emit(Message("lost"))
    del node.shim.emit  # type: ignore[method-assign]
    node.ask()
    assert len(node.heard) == 1 and client.metrics.raised == 1


@needs_noise
def test_a_handler_that_raises_costs_only_itself(
    node: Node, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(message: Any) -> None:
        raise RuntimeError("broken")

    node.protocol.client.on(T.BUS, broken)
    hub.say(speak("hello"))
    assert len(node.heard) == 1 and "broken" in caplog.text


@needs_noise
def test_coroutines_of_the_object_are_awaited_by_its_loop(tmp_path: Path) -> None:
    async def on_loop() -> None:
        shim = Shim()
        plain = shim.emit

        async def emit(message: HiveMessage) -> None:
            plain(message)

        shim.emit = emit  # type: ignore[assignment, method-assign]
        node = Node(shim)
        hub = Hub(shim, tmp_path)
        done = asyncio.Event()
        set_plainly = shim.handshake_event.set
        loop = asyncio.get_running_loop()
        shim.handshake_event.set = lambda: (set_plainly(), loop.call_soon(done.set))  # type: ignore[method-assign, assignment, func-returns-value]
        hub.connect()
        await asyncio.wait_for(done.wait(), 10)
        assert shim.handshake_event.is_set()
        node.protocol.reset_connection_state()

    asyncio.run(on_loop())


def test_nothing_is_taken_before_the_hub_has_said_hello(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.shim.arrives(speak("early"))
    assert node.heard == [] and "has not said hello" in caplog.text
    node.protocol.start_handshake()
    with pytest.raises(InvalidMessage, match="no ping can be sent"):
        node.protocol.client.round_trip()


@needs_noise
def test_its_client_can_end_the_connection(node: Node, hub: Hub) -> None:
    closed: list[str] = []
    node.shim.close_connection = lambda: closed.append("closed")  # type: ignore[attr-defined]
    client = node.protocol.client
    assert client.run_in_thread().name and client.handshake_event.is_set()
    client.wait_for_handshake(1)
    client.close_connection()
    assert closed == ["closed"] and not client.handshake_event.is_set()
    client.close()
    assert client.stopping


@pytest.mark.filterwarnings("ignore:PasswordHandShake")
def test_below_version_3_the_object_gets_key_and_names() -> None:
    from poorman_handshake import PasswordHandShake

    shim = Shim()
    node = Node(shim)
    theirs = PasswordHandShake(PASSWORD)

    class Old:
        """A hub of protocol version 2."""

        def take(self, message: HiveMessage) -> None:
            """Answer the handshake."""
            if message.msg_type is not T.HANDSHAKE:
                return
            envelope = theirs.generate_handshake()
            theirs.receive_and_verify(message["envelope"])
            chosen = {"envelope": envelope, "encoding": "JSON-B64", "cipher": "AES-GCM"}
            shim.arrives(HiveMessage(T.HANDSHAKE, chosen))

    shim.hub = Old()
    offer = {"handshake": True, "password": True, "max_protocol_version": 2, "binarize": False}
    for _ in range(2):
        shim.handshake_event.clear()
        shim.arrives(HiveMessage(T.HELLO, {"node_id": NODE, "peer": "p", "pubkey": ""}))
        shim.arrives(HiveMessage(T.HANDSHAKE, offer))
        assert shim.handshake_event.is_set() and len(shim.crypto_key) in (16, 32)
        assert shim.json_encoding is SupportedEncodings.JSON_B64
        node.protocol.reset_connection_state()
    node.protocol.client.close()
