"""Versions 0 to 2 beside independent implementations: envelopes, keys, sealed texts and binary frames."""

from __future__ import annotations

import json
from typing import Any

import pytest
from poorman_handshake import symmetric

from hivemind_core_client import HiveMessage
from hivemind_core_client.builtins.binary_serializer import CODES, decode, encode
from hivemind_core_client.errors import FrameError, HandshakeError, PasswordRefused, ProtocolError
from hivemind_core_client.kernel.crypto import CipherChannel
from hivemind_core_client.kernel.events import Established, Event, Failed, Transmit
from hivemind_core_client.kernel.link import Link
from hivemind_core_client.kernel.options import Credentials
from hivemind_core_client.message import HiveMessageType
from tests.unit.framing_support import by_hand
from tests.unit.peer_vectors import PEERS
from tests.unit.support import MAX, channel_of, new_link, registry

PASSWORD = PEERS["password"]
SEALED = PEERS["aes_gcm"]
FRAME = PEERS["binary_frame"]

THEIR_IV = bytes.fromhex(PASSWORD["iv"])
#: The one of ours with which both make the salt of the file.
OUR_IV = bytes(a ^ b for a, b in zip(THEIR_IV, bytes.fromhex(PASSWORD["salt"])))
OFFER = {"max_protocol_version": 1, "password": True, "ciphers": ["AES-GCM"], "encodings": ["JSON-HEX"]}


@pytest.fixture
def cheap_keys() -> None:
    """Keys at their full price: these are facts."""


def text(msg_type: str, **payload: Any) -> str:
    return json.dumps({"msg_type": msg_type, "payload": payload})


def shown(events: list[Event], kind: type[Any]) -> Any:
    [event] = [event for event in events if isinstance(event, kind)]
    return event


def draw(monkeypatch: pytest.MonkeyPatch, iv: bytes) -> None:
    """Let our side of the password handshake take this for its random bytes."""
    monkeypatch.setattr(symmetric, "generate_iv", lambda *_, **__: iv)


def asked(
    monkeypatch: pytest.MonkeyPatch, iv: bytes, password: str = PASSWORD["password"]
) -> tuple[Link, str]:
    """A link whose hub has offered the password handshake, and the envelope with which it answers."""
    draw(monkeypatch, iv)
    link = new_link(Credentials(password=password))
    link.receive(text("hello", pubkey="", peer="kitchen::1", node_id="hub"))
    [frame] = shown(link.receive(text("shake", **OFFER)), Transmit).frames
    return link, json.loads(frame)["payload"]["envelope"]


def test_the_envelope_is_that_of_the_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    _, envelope = asked(monkeypatch, THEIR_IV)
    assert envelope == PASSWORD["envelope"]


def test_an_envelope_of_a_peer_makes_the_key_that_opens_and_seals_its_texts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every step: their envelope verifies, both ivs make the salt, the key is theirs, and so is each sealed text."""
    link, _ = asked(monkeypatch, OUR_IV)
    events = link.receive(text("shake", envelope=PASSWORD["envelope"], cipher="AES-GCM", encoding="JSON-HEX"))
    assert shown(events, Established).negotiated.kind == "password"
    channel = channel_of(link)
    assert isinstance(channel, CipherChannel)
    assert channel._key == bytes.fromhex(PASSWORD["key"]) == bytes.fromhex(SEALED["key"])
    sealed = {name: SEALED[name] for name in ("ciphertext", "tag", "nonce")}
    assert channel.open(json.dumps(sealed)) == SEALED["plain"]
    joined = {"ciphertext": SEALED["ciphertext"] + SEALED["tag"], "nonce": SEALED["nonce"]}
    assert channel.open(json.dumps(joined)) == SEALED["plain"]
    channel._random_bytes = lambda size: bytes.fromhex(SEALED["nonce"])
    [frame] = channel.seal(SEALED["plain"])
    assert json.loads(frame) == sealed


def test_an_envelope_of_a_peer_with_another_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    link, _ = asked(monkeypatch, OUR_IV, "another-password-456")
    failure = shown(link.receive(text("shake", envelope=PASSWORD["envelope"])), Failed).error
    assert isinstance(failure, PasswordRefused)


def test_an_envelope_of_a_peer_with_our_own_iv_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    link, _ = asked(monkeypatch, THEIR_IV)
    failure = shown(link.receive(text("shake", envelope=PASSWORD["envelope"])), Failed).error
    assert isinstance(failure, HandshakeError)


def test_a_sealed_text_of_a_peer_that_was_changed_does_not_open() -> None:
    tables = registry()
    channel = CipherChannel(
        tables.ciphers["AES-GCM"], tables.encodings["JSON-HEX"], bytes.fromhex(SEALED["key"])
    )
    for name in ("ciphertext", "tag", "nonce"):
        changed = dict(SEALED, **{name: ("0" if SEALED[name][0] != "0" else "1") + SEALED[name][1:]})
        with pytest.raises(ProtocolError):
            channel.open(json.dumps(changed))


def test_a_binary_frame_of_a_peer_is_read_and_made_alike() -> None:
    message, frame = HiveMessage(FRAME["msg_type"], FRAME["payload"]), bytes.fromhex(FRAME["frame"])
    assert encode(message, compress=FRAME["compressed"]) == frame
    read = decode(frame, MAX)
    assert (read.msg_type, read.raw_payload, read.metadata) == (message.msg_type, FRAME["payload"], {})


@pytest.mark.parametrize("code", [13, 31])
def test_codes_that_no_peer_knows_are_refused(code: int) -> None:
    assert code not in CODES.values()
    with pytest.raises(FrameError):
        decode(by_hand(code, b"{}", b"{}"), MAX)


def test_a_frame_of_a_later_version_is_refused() -> None:
    with pytest.raises(ProtocolError):
        decode(by_hand(CODES[HiveMessageType.BUS], b"{}", b"{}", version=2), MAX)


def test_metadata_of_no_length_is_empty() -> None:
    payload = json.dumps(FRAME["payload"]).encode()
    assert decode(by_hand(CODES[HiveMessageType.BUS], b"", payload), MAX).metadata == {}
