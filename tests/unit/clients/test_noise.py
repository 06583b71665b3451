"""Protocol version 3 with the three clients: what they do when a handshake does not succeed at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from attrs import evolve
from ovos_bus_client.message import Message

from hivemind_core_client import (
    HiveMessage,
    HiveMessageBusClient,
    HiveMessageType,
    HiveMindHTTPClient,
    NodeIdentity,
    Polling,
)
from hivemind_core_client import errors as err
from hivemind_core_client.async_client import AsyncHiveMessageBusClient
from hivemind_core_client.testing import EmbeddedHub
from hivemind_core_client.testing.http_gateway import HttpGateway
from hivemind_core_client.transports.websocket import WebSocketTransport
from hivemind_core_client.transports.websocket_asyncio import AsyncWebSocketTransport
from tests.unit import aio_support, servers
from tests.unit.client_support import ask, login, offer_no_kk, utterance
from tests.unit.support import PASSWORD

#: The port of a node's gateway stays: pins belong to an address.
GATEWAYS: WeakKeyDictionary[NodeIdentity, int] = WeakKeyDictionary()


@pytest.fixture
def hub() -> Iterator[EmbeddedHub]:
    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3)) as running:
        yield running


@pytest.fixture
def identity() -> NodeIdentity:
    return NodeIdentity({})


def by_websocket(hub: EmbeddedHub, identity: NodeIdentity, **options: Any) -> Any:
    with HiveMessageBusClient(**login(hub.url, identity=identity, **options)) as client:
        assert ask(client) == "you said: hello"
        return client.negotiated


def by_asyncio(hub: EmbeddedHub, identity: NodeIdentity, **options: Any) -> Any:
    async def talk() -> Any:
        async with AsyncHiveMessageBusClient(**login(hub.url, identity=identity, **options)) as client:
            assert await aio_support.ask(client) == "you said: hello"
            return client.negotiated

    return asyncio.run(talk())


def by_http(hub: EmbeddedHub, identity: NodeIdentity, **options: Any) -> Any:
    with HttpGateway(hub.url, port=GATEWAYS.get(identity, 0)) as gateway:
        GATEWAYS[identity] = gateway.port
        settings = login(gateway.url, identity=identity, polling=Polling(0.01, 0.05), **options)
        with HiveMindHTTPClient(**settings) as client:
            assert ask(client) == "you said: hello"
            return client.negotiated


KINDS = pytest.mark.parametrize("talk", [by_websocket, by_asyncio, by_http])
Talk = Callable[..., Any]


@KINDS
def test_each_client_speaks_version_3(talk: Talk, hub: EmbeddedHub, identity: NodeIdentity) -> None:
    first = talk(hub, identity)
    assert (first.version, first.kind, first.pattern) == (3, "noise", "XXpsk2")
    assert len(identity.pinned_noise_keys) == 1


@KINDS
def test_the_second_contact_is_by_kk(talk: Talk, hub: EmbeddedHub, identity: NodeIdentity) -> None:
    assert [talk(hub, identity).pattern for _ in range(3)] == ["XXpsk2", "KKpsk0", "KKpsk0"]


@KINDS
def test_a_wrong_password(talk: Talk, hub: EmbeddedHub, identity: NodeIdentity) -> None:
    with pytest.raises(err.PasswordRefused):
        talk(hub, identity, password="not the password of this node")


@KINDS
def test_a_hub_that_lost_our_key_pins_it_again(talk: Talk, hub: EmbeddedHub, identity: NodeIdentity) -> None:
    talk(hub, identity)
    hub.noise_pins.clear()
    assert [talk(hub, identity).pattern for _ in range(2)] == ["XXpsk2", "KKpsk0"]


@pytest.mark.parametrize("over_http", [False, True])
def test_a_hub_that_pinned_another_key_of_ours_refuses_us(
    over_http: bool, hub: EmbeddedHub, identity: NodeIdentity
) -> None:
    with HttpGateway(hub.url) as gateway:
        kind = HiveMindHTTPClient if over_http else HiveMessageBusClient
        client = kind(**login(gateway.url if over_http else hub.url, identity=identity))
        for _ in range(2):
            client.connect()
            client.close()
        hub.noise_pins["k"] = bytes(range(32))  # so that it offers KKpsk0, and cannot do it
        with pytest.raises(err.HubRefused, match="reset-noise-pin"):
            client.run_forever()
        assert client.state == "refused"
        client.close()


def before_pings(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen before each ping of the clients over a WebSocket."""
    by_thread, by_task = WebSocketTransport.ping, AsyncWebSocketTransport.ping

    def in_thread(*arguments: Any) -> Any:
        happens()
        return by_thread(*arguments)

    async def in_task(*arguments: Any) -> Any:
        await asyncio.to_thread(happens)
        return await by_task(*arguments)

    monkeypatch.setattr(WebSocketTransport, "ping", in_thread)
    monkeypatch.setattr(AsyncWebSocketTransport, "ping", in_task)


@KINDS
def test_a_first_contact_is_over_when_the_hub_has_answered(
    talk: Talk, hub: EmbeddedHub, identity: NodeIdentity
) -> None:
    """A hub reads in order: it has refused the end of a handshake before it answers a ping that came after."""
    hub.noise_pins["k"] = bytes(range(32))
    for again in (identity, NodeIdentity({}), identity):
        with pytest.raises(err.HubRefused, match="reset-noise-pin"):
            talk(hub, again)


def test_the_embedded_hub_answers_a_ping_after_what_came_before_it() -> None:
    asked, released = threading.Event(), threading.Event()

    def agent(utterance: str) -> str:
        asked.set()
        assert released.wait(5)
        return utterance

    with EmbeddedHub({"k": PASSWORD}, agent=agent) as hub:
        with HiveMessageBusClient(**login(hub.url)) as client:
            client.emit(utterance("hello"))
            assert asked.wait(5)
            with pytest.raises(err.HubTimeout):
                client.round_trip(0.1)
            released.set()
            assert client.round_trip(5) > 0


@pytest.mark.parametrize("talk", [by_websocket, by_asyncio])
def test_a_hub_that_breaks_after_each_first_contact_does_not_hold_connect_up(
    talk: Talk, hub: EmbeddedHub, identity: NodeIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    drops: list[None] = []

    def drop() -> None:
        drops.append(None)
        hub.drop()

    offer_no_kk(monkeypatch)
    before_pings(monkeypatch, drop)
    with pytest.raises(err.ConnectionLost):
        talk(hub, identity)
    assert len(drops) == 1


def test_a_hub_that_dies_after_a_first_contact_is_noticed(hub: EmbeddedHub, identity: NodeIdentity) -> None:
    """The reader waits already when the pong has proven the session: it has to know by then for how long."""
    lost, flow = threading.Event(), threading.Event()
    flow.set()
    pinging = {"websocket_ping_interval": 0.1, "websocket_ping_timeout": 0.1}
    with servers.server(servers.stalling_proxy(hub.port, flow)) as port:
        with HiveMessageBusClient(**login(f"ws://127.0.0.1:{port}", identity=identity, **pinging)) as client:
            client.on("close", lost.set)
            flow.clear()
            assert lost.wait(5)
        flow.set()


@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_client_in_the_background_that_gives_up_says_why(
    asynchronous: bool, hub: EmbeddedHub, caplog: pytest.LogCaptureFixture
) -> None:
    broken = NodeIdentity({"pinned_noise_keys": {f"127.0.0.1:{hub.port}": "no key"}})
    settings = login(hub.url, identity=broken)

    def run() -> None:
        if asynchronous:
            asyncio.run(AsyncHiveMessageBusClient(**settings).run_forever())
        else:
            HiveMessageBusClient(**settings).run_forever()

    with pytest.raises(err.IdentityFileError, match="pinned_noise_keys"):
        run()
    assert "no more attempts" in caplog.text


@pytest.mark.parametrize("talk_kind", [HiveMessageBusClient, HiveMindHTTPClient])
def test_a_file_that_cannot_be_read_for_a_moment_does_not_end_a_satellite(
    talk_kind: Any, hub: EmbeddedHub, identity: NodeIdentity
) -> None:
    with HttpGateway(hub.url) as gateway:
        address = hub.url if talk_kind is HiveMessageBusClient else gateway.url
        with talk_kind(**login(address, identity=identity)) as client:
            failed = threading.Event()
            client.on("error", lambda error: isinstance(error, err.IdentityFileError) and failed.set())
            pins = dict(identity.IDENTITY_FILE["pinned_noise_keys"])
            identity.IDENTITY_FILE["pinned_noise_keys"] = "half written"
            hub.drop()
            assert failed.wait(10)
            identity.IDENTITY_FILE["pinned_noise_keys"] = pins
            hub.wait_for_sessions(1, timeout=10)


def test_a_hub_that_answers_no_ping_is_not_waited_for(
    hub: EmbeddedHub, identity: NodeIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WebSocketTransport, "ping", lambda *_: None)
    assert by_websocket(hub, identity).pattern == "XXpsk2"


@KINDS
def test_a_hub_with_another_key_is_refused(talk: Talk, identity: NodeIdentity) -> None:
    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3)) as first:
        talk(first, identity)
        port = first.port
    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3), port=port) as second:
        address = f"127.0.0.1:{GATEWAYS.get(identity, port)}"
        with pytest.raises(err.HubKeyChanged, match=rf"forget_noise_key\('{address}'\)"):
            talk(second, identity)
        assert identity.forget_noise_key(address)
        assert talk(second, identity).pattern == "XXpsk2"


def test_a_changed_key_of_the_hub_names_the_file_whose_pin_it_is(tmp_path: Path) -> None:
    own = NodeIdentity(tmp_path / "bridge.json")
    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3)) as hub:
        address = f"{hub.host}:{hub.port}"
        own.pin_noise_key(address, bytes(32).hex())
        text = _refused(hub, own)
        assert f"'hivemind-client forget-server {address} --identity-file {own.path}'" in text
        memory = NodeIdentity({})
        memory.pin_noise_key(address, bytes(32).hex())
        assert f"run identity.forget_noise_key('{address}')" in _refused(hub, memory)
        memory.forget_noise_key(address)
        with HiveMessageBusClient(**login(hub.url, identity=memory)) as client:
            assert client.negotiated is not None


def _refused(hub: EmbeddedHub, identity: NodeIdentity) -> str:
    with pytest.raises(err.HubKeyChanged) as caught:
        by_websocket(hub, identity)
    return str(caught.value)


@KINDS
def test_a_hub_that_offers_no_noise_any_more_is_refused(talk: Talk, identity: NodeIdentity) -> None:
    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3)) as first:
        talk(first, identity)
        port = first.port
    with EmbeddedHub({"k": PASSWORD}, port=port) as second:
        with pytest.raises(err.VersionRefused, match="forget_noise_key"):
            talk(second, identity)
        assert talk(second, identity, max_protocol_version=2).kind == "password"


@KINDS
def test_a_password_that_was_changed_at_the_hub(talk: Talk, identity: NodeIdentity) -> None:
    new = "another long password of this node"
    with EmbeddedHub({"k": PASSWORD}, versions=(3, 3)) as hub:
        talk(hub, identity)
        hub.accounts["k"] = evolve(hub.accounts["k"], password=new)
        with pytest.raises(err.PasswordRefused, match="set-identity"):
            talk(hub, identity)
        assert talk(hub, identity, password=new).kind == "noise"


def test_a_hub_of_version_3_alone_and_a_client_below_it(hub: EmbeddedHub, identity: NodeIdentity) -> None:
    with pytest.raises(err.VersionRefused, match="--max-protocol"):
        by_websocket(hub, identity, max_protocol_version=2)


def test_many_threads_send_in_order_and_lose_nothing(hub: EmbeddedHub, identity: NodeIdentity) -> None:
    count, threads = 200, 8
    with HiveMessageBusClient(**login(hub.url, identity=identity)) as client:

        def send(thread: int) -> None:
            for number in range(count):
                client.emit(
                    Message(
                        "my.count", {"thread": thread, "number": number, "text": "x" * (number % 3) * 40_000}
                    )
                )

        running = [threading.Thread(target=send, args=(thread,)) for thread in range(threads)]
        for one in running:
            one.start()
        for one in running:
            one.join()
        came = [
            message.raw_payload["data"]
            for message in hub.wait_for("my.count", timeout=20, count=count * threads)
        ]
    for thread in range(threads):
        assert [data["number"] for data in came if data["thread"] == thread] == list(range(count))


def test_a_large_binary_message_both_ways(hub: EmbeddedHub, identity: NodeIdentity) -> None:
    data, steps = bytes(range(256)) * 12_000, []
    with HiveMessageBusClient(**login(hub.url, identity=identity)) as client:
        client.emit(HiveMessage(HiveMessageType.BINARY, data), progress=lambda *step: steps.append(step))
        [came] = hub.wait_for("bin", timeout=10)
        assert bytes(came.payload) == data
        heard: list[bytes] = []
        arrived = threading.Event()
        client.on(
            HiveMessageType.BINARY, lambda message: (heard.append(bytes(message.payload)), arrived.set())
        )
        hub.broadcast(HiveMessage(HiveMessageType.BINARY, data))
        assert arrived.wait(10)
    assert heard == [data]
    assert steps == sorted(steps) and steps[-1][0] == steps[-1][1] > len(data)


def test_a_client_goes_on_after_a_frame_that_does_not_open(hub: EmbeddedHub, identity: NodeIdentity) -> None:
    with HiveMessageBusClient(**login(hub.url, identity=identity)) as client:
        protocol = client.protocol
        hub.send_raw(b"no frame of this session")
        hub.wait_for("hello", timeout=10, count=2)
        assert ask(client)
        assert client.protocol is not protocol


def test_progress_with_asyncio_is_told_of_all_pieces_as_one(hub: EmbeddedHub, identity: NodeIdentity) -> None:
    data = bytes(1_000_000)
    steps: list[tuple[int, int]] = []

    async def send() -> None:
        async with AsyncHiveMessageBusClient(**login(hub.url, identity=identity)) as client:
            await client.emit(
                HiveMessage(HiveMessageType.BINARY, data), progress=lambda *step: steps.append(step)
            )
            await asyncio.get_running_loop().run_in_executor(None, lambda: hub.wait_for("bin", timeout=10))

    asyncio.run(send())
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1] > len(data)
