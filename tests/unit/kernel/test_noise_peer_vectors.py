"""Protocol version 3 beside independent implementations: each step of each handshake, and each frame after it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from noise.connection import Keypair, NoiseConnection

from hivemind_core_client.errors import ConnectionLost, HubKeyChanged, PasswordRefused
from hivemind_core_client.kernel.events import AwaitProof, Established, Event, Failed, RunDuringWait, Transmit
from hivemind_core_client.kernel.handshake import noise as handshake
from hivemind_core_client.kernel.handshake.noise_exchange import (
    KK,
    XX,
    keys_of,
    new_exchange,
    prologue_of,
    protocol_name,
    suite_of,
)
from hivemind_core_client.kernel.link import Link
from hivemind_core_client.kernel.noise_channel import NoiseChannel
from hivemind_core_client.kernel.options import Credentials
from hivemind_core_client.plugins.noise_suites import STANDARD_SUITES
from tests.unit.peer_vectors import PEERS, NoiseVector, noise_vectors
from tests.unit.support import channel_of, new_link, registry

#: The hub's own private keys are not in the file; these make the public ones that are.
HUB_EPHEMERAL = b"\x44" * 32
HUB_STATIC = {"25519_AESGCM_SHA256": b"\x33" * 32, "25519_ChaChaPoly_SHA256": b"\x22" * 32}
CIPHERS = {suite: cipher for cipher, suite in STANDARD_SUITES.items()}

VECTORS = noise_vectors()
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=[vector.name for vector in VECTORS])
#: The library warns of an ephemeral key that is given: outside of tests it must never be.
pytestmark = pytest.mark.filterwarnings("ignore:One of ephemeral keypairs")
#: The others were made with a pattern that the offer in their prologue does not name.
OFFERED = [vector for vector in VECTORS if vector.pattern in vector.negotiation[1]["noise"]["patterns"]]
each_offered = pytest.mark.parametrize("vector", OFFERED, ids=[vector.name for vector in OFFERED])


@pytest.fixture
def cheap_keys() -> None:
    """Keys at their full price: these are facts."""


def draw(monkeypatch: pytest.MonkeyPatch, ephemeral: bytes) -> None:
    """Let each exchange that begins from now on take this key for its ephemeral one."""
    begin = NoiseConnection.start_handshake

    def start(connection: NoiseConnection) -> None:
        connection.set_keypair_from_private_bytes(Keypair.EPHEMERAL, ephemeral)
        begin(connection)

    monkeypatch.setattr(NoiseConnection, "start_handshake", start)


def public(private: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.from_private_bytes(private).public_key()
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def client_of(vector: NoiseVector, monkeypatch: pytest.MonkeyPatch) -> Any:
    draw(monkeypatch, vector.ephemeral_private)
    return new_exchange(
        True, vector.protocol, vector.static_private, vector.psk, vector.prologue, vector.remote_static
    )


def hub_of(vector: NoiseVector, monkeypatch: pytest.MonkeyPatch) -> Any:
    draw(monkeypatch, HUB_EPHEMERAL)
    pinned = public(vector.static_private) if vector.pattern == KK else None
    return new_exchange(False, vector.protocol, HUB_STATIC[vector.suite], vector.psk, vector.prologue, pinned)


def transport_of(exchange: Any, suite: str) -> NoiseChannel:
    assert exchange.handshake_finished
    cipher = registry().ciphers[CIPHERS[suite]]
    return NoiseChannel(cipher, suite, keys_of(exchange), limit=2**20, where="a peer")


def check_transport(channel: NoiseChannel, vector: NoiseVector, from_client: bool) -> None:
    """What we seal is their frame, and their frames open to what they sealed: at each counter."""
    sent, received = (vector.up, vector.down) if from_client else (vector.down, vector.up)
    for message in sent:
        assert channel.seal(message.plain) == [message.frame]
    for message in received:
        opened = channel.open(message.frame)
        assert opened == message.plain and type(opened) is type(message.plain)


@each_vector
def test_each_step_as_the_client(vector: NoiseVector, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = client_of(vector, monkeypatch)
    assert exchange.write_message(vector.payloads[0]) == vector.messages[0]
    assert exchange.read_message(vector.messages[1]) == vector.payloads[1]
    if vector.pattern == XX:
        assert exchange.write_message(b"") == vector.messages[2]
    assert exchange.remote_pubkey == public(HUB_STATIC[vector.suite])
    assert exchange.handshake_hash == vector.handshake_hash
    assert suite_of(exchange) == vector.suite
    assert exchange.pubkey_bytes == public(vector.static_private)
    check_transport(transport_of(exchange, vector.suite), vector, from_client=True)


@each_vector
def test_each_step_as_the_hub(vector: NoiseVector, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = hub_of(vector, monkeypatch)
    assert exchange.read_message(vector.messages[0]) == vector.payloads[0]
    assert exchange.write_message(vector.payloads[1]) == vector.messages[1]
    if vector.pattern == XX:
        assert exchange.read_message(vector.messages[2]) == b""
    assert exchange.remote_pubkey == public(vector.static_private)
    assert exchange.handshake_hash == vector.handshake_hash
    check_transport(transport_of(exchange, vector.suite), vector, from_client=False)


@each_vector
def test_the_prologue_is_the_negotiation_in_its_canonical_form(vector: NoiseVector) -> None:
    hello, offer = vector.negotiation
    backwards = [dict(reversed(list(payload.items()))) for payload in (hello, offer)]
    assert protocol_name(vector.pattern, vector.suite) == vector.protocol
    assert prologue_of(*backwards, vector.protocol) == vector.prologue


@each_vector
def test_a_frame_of_a_peer_that_was_changed_ends_the_connection(
    vector: NoiseVector, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = hub_of(vector, monkeypatch)
    exchange.read_message(vector.messages[0])
    exchange.write_message(vector.payloads[1])
    if vector.pattern == XX:
        exchange.read_message(vector.messages[2])
    frame = vector.up[0].frame
    with pytest.raises(ConnectionLost):
        transport_of(exchange, vector.suite).open(frame[:-1] + bytes([frame[-1] ^ 1]))


class Keys:
    """What a node keeps, in memory."""

    def __init__(self, vector: NoiseVector) -> None:
        self.kk_in_doubt = self.end_refused = False
        self._vector = vector
        self.pins = [] if vector.remote_static is None else [vector.remote_static]

    def noise_key(self) -> bytes:
        return self._vector.static_private

    def pinned(self) -> Any:
        return self.pins[-1] if self.pins else None

    def pin(self, key: bytes) -> None:
        self.pins.append(key)

    def psk(self, node_id: str) -> Any:
        return None

    def keep_psk(self, node_id: str, psk: bytes) -> None:
        assert psk == self._vector.psk


class Meeting:
    """A Link that meets the hub of a vector: it gets what the prologue says, and then the hub's message."""

    def __init__(self, vector: NoiseVector, monkeypatch: pytest.MonkeyPatch) -> None:
        from poorman_handshake import noise

        draw(monkeypatch, vector.ephemeral_private)
        monkeypatch.setattr(noise, "derive_psk", lambda password, node_id: vector.psk)
        monkeypatch.setattr(handshake, "_weigh", lambda password: None)
        self.keys = Keys(vector)
        self.events: list[Event] = []
        self.link: Link = new_link(
            Credentials(password="any", noise=self.keys),
            ciphers=(CIPHERS[vector.suite],),
            encodings=("JSON-HEX",),
            binarize=False,
        )
        for msg_type, payload in zip(("hello", "shake"), vector.negotiation):
            self.take(msg_type, payload)

    def take(self, msg_type: str, payload: dict[str, Any]) -> None:
        for event in self.link.receive(json.dumps({"msg_type": msg_type, "payload": payload})):
            self.events.append(event)
            if isinstance(event, RunDuringWait):
                event.work()

    def answer(self, message: bytes) -> None:
        self.take("shake", {"noise": {"msg": message.hex()}})

    def first(self, kind: type[Any]) -> Any:
        return next(event for event in self.events if isinstance(event, kind))

    @property
    def sent(self) -> list[dict[str, Any]]:
        """The fields `noise` of what left in the clear."""
        frames = [frame for event in self.events if isinstance(event, Transmit) for frame in event.frames]
        return [json.loads(frame)["payload"]["noise"] for frame in frames if isinstance(frame, str)]


@each_offered
def test_the_client_meets_the_hub_of_a_vector(vector: NoiseVector, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way, from the hub's HELLO: what we choose, what we send, whom we pin."""
    meeting = Meeting(vector, monkeypatch)
    meeting.answer(vector.messages[1])
    first, *others = meeting.sent
    assert first == {"pattern": vector.pattern, "suite": vector.suite, "msg": vector.messages[0].hex()}
    assert others == [{"msg": message.hex()} for message in vector.messages[2:]]
    assert meeting.keys.pins == [public(HUB_STATIC[vector.suite])]
    # Our HELLO was sealed at the counter 0 of the way up; the way down is still untouched.
    assert meeting.first(AwaitProof if vector.pattern == XX else Established)
    channel = channel_of(meeting.link)
    for message in vector.down:
        assert channel.open(message.frame) == message.plain


def test_an_answer_of_another_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    [vector] = [vector for vector in VECTORS if vector.answer_of_another_psk]
    assert vector.answer_of_another_psk is not None
    meeting = Meeting(vector, monkeypatch)
    meeting.answer(vector.answer_of_another_psk)
    assert isinstance(meeting.first(Failed).error, PasswordRefused)
    assert meeting.keys.pins == []


def test_the_hub_of_a_vector_under_another_pin_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    vector = VECTORS[0]
    meeting = Meeting(vector, monkeypatch)
    meeting.keys.pins.append(bytes(32))
    meeting.answer(vector.messages[1])
    assert isinstance(meeting.first(Failed).error, HubKeyChanged)


def test_the_key_of_a_password_is_that_of_the_peers() -> None:
    from poorman_handshake.noise import derive_psk

    facts = PEERS["argon2id"]
    assert bytes(derive_psk(facts["password"], node_id=facts["node_id"])).hex() == facts["psk"]
