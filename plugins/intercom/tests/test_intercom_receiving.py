from __future__ import annotations

import base64
import json
import logging
from inspect import unwrap
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hivemind_client_intercom import delivery, envelope, keys, plugin
from hivemind_core_client.errors import IdentityFileError
from hivemind_core_client.kernel.dispatch import Dispatcher
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import Context, Deliver, Dispatch
from hivemind_core_client.plugins.manager import load_plugins

SECRET = "open the front door"
INNER = HiveMessage(HiveMessageType.BUS, {"type": "my.alarm", "data": {"say": SECRET}, "context": {}})


def sealed(sender: Any, target: Any, inner: HiveMessage = INNER) -> HiveMessage:
    message = HiveMessage(HiveMessageType.INTERCOM, inner.as_dict, target_pubkey=target.public_key)
    return plugin.prepare(sender.context(), message)


def signed(sender: Any, target: Any, text: bytes) -> HiveMessage:
    """Any text, sealed and signed."""
    fields = envelope.seal(text, keys.public_key(target.public_key), keys.private_key(sender.private))
    return HiveMessage(HiveMessageType.INTERCOM, fields, target_pubkey=target.public_key)


def from_vector(name: str, vectors: dict[str, Any], target: Any = None) -> HiveMessage:
    address = vectors["target"]["public"] if target is None else target.public_key
    return HiveMessage(
        HiveMessageType.INTERCOM, dict(vectors["envelopes"][name]["envelope"]), target_pubkey=address
    )


def received(context: Context, message: HiveMessage) -> list[Dispatch]:
    actions = list(plugin.receive(context, message) or ())
    assert all(isinstance(action, Dispatch) for action in actions)
    return actions  # type: ignore[return-value]


def the_record(caplog: pytest.LogCaptureFixture, level: int) -> str:
    (record,) = caplog.records
    assert record.levelno == level
    text = record.getMessage()
    assert SECRET not in text and "BEGIN" not in text
    return text


def test_it_handles_intercom_and_wins_over_the_built_in_handler() -> None:
    (handler,) = plugin.hivemind_message_handlers()
    assert handler.msg_type is HiveMessageType.INTERCOM
    plugins = load_plugins(plugins=["intercom"])
    found = plugins.registry().handlers[HiveMessageType.INTERCOM]
    assert found.prepare is not None
    assert (unwrap(found.receive), unwrap(found.prepare)) == (plugin.receive, plugin.prepare)
    (info,) = [info for info in plugins.report if info.name == "intercom"]
    assert (info.state, info.distribution) == ("loaded", "hivemind-client-intercom")


def test_a_message_is_handed_on_with_the_key_that_signed_it(alice: Any, bob: Any, library: str) -> None:
    (action,) = received(bob.context(), sealed(alice, bob))
    assert action.verified_source == alice.public_key
    assert action.message.msg_type is HiveMessageType.BUS
    assert action.message.raw_payload == INNER.raw_payload
    assert action.message.source_peer == alice.public_key
    assert action.message.metadata == {}


def test_it_reaches_the_internal_bus_with_the_verified_key(alice: Any, bob: Any) -> None:
    forged = {"hivemind_verified_source_peer": "somebody else", "destination": "attic"}
    inner = HiveMessage(HiveMessageType.BUS, {"type": "my.alarm", "data": {}, "context": forged})
    dispatcher = Dispatcher(load_plugins(plugins=["intercom"]).registry(), bob.context())
    (action,) = dispatcher.receive(HiveMessage(HiveMessageType.PROPAGATE, sealed(alice, bob, inner)))
    assert isinstance(action, Deliver)
    assert action.message["context"]["hivemind_verified_source_peer"] == alice.public_key


@pytest.mark.parametrize("name", ["hive_message", "bare_message", "older_hive_message", "older_bare_message"])
def test_what_hivemind_bus_client_sealed_is_handed_on(
    name: str, vectors: dict[str, Any], alice: Any, bob: Any, library: str
) -> None:
    (action,) = received(bob.context(), from_vector(name, vectors))
    assert action.verified_source == alice.public_key
    assert action.message.msg_type is HiveMessageType.BUS
    text = json.loads(vectors["envelopes"][name]["text"])
    assert action.message.raw_payload == text.get("payload", text)


def test_the_hub_is_trusted_without_being_noted(alice: Any, bob: Any) -> None:
    bob.trusted_keys.clear()
    assert received(bob.context(), sealed(alice, bob)) == []
    (action,) = received(bob.context(hub_key=alice.public_key), sealed(alice, bob))
    assert action.verified_source == alice.public_key


@pytest.mark.parametrize("ends", ["\r\n", "\n"])
@pytest.mark.parametrize("around", ["", "\n"])
def test_the_address_is_a_key_and_not_a_text(ends: str, around: str, alice: Any, bob: Any) -> None:
    message = sealed(alice, bob).copy(target_pubkey=bob.public_key.replace("\n", ends) + around)
    assert len(received(bob.context(), message)) == 1


@pytest.mark.parametrize("own", ["bob's", None])
def test_what_is_for_another_node_is_not_touched(
    own: str | None, alice: Any, bob: Any, carol: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bob.public_key = own and bob.public_key
    for message in (sealed(alice, carol), HiveMessage("intercom", {"junk": SECRET}, target_pubkey="x")):
        context = bob.context()
        caplog.clear()
        assert received(context, message) == []
        assert "another node" in the_record(caplog, logging.DEBUG)
        assert (bob.asked, context.memory) == (0, {})


def flipped(text: str) -> str:
    value = bytearray(base64.b64decode(text))
    value[5] ^= 1
    return base64.b64encode(value).decode()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"signature": None}, "no signature"),
        ({"signature": "not base64"}, "signature is not base64"),
        ({"signature": "QUJD"}, "has signed it, and being addressed to us proves nothing"),
        ({"signature": flipped}, "none of the 1 trusted keys has signed it"),
        ({"ciphertext": flipped}, "none of the 1 trusted keys has signed it"),
        ({"ciphertext": None}, "no ciphertext"),
        ({"nonce": "QUJD"}, "nonce has 3 bytes"),
        ({"tag": 5}, "no tag"),
        ({"encrypted_key": None}, "no encrypted_key"),
    ],
)
def test_an_envelope_that_does_not_verify_never_meets_the_private_key(
    changes: dict[str, Any], reason: str, alice: Any, bob: Any, caplog: pytest.LogCaptureFixture
) -> None:
    message = sealed(alice, bob)
    fields = message.raw_payload
    for name, change in changes.items():
        fields[name] = change(fields[name]) if callable(change) else change
    assert received(bob.context(), message) == []
    assert reason in the_record(caplog, logging.WARNING)
    assert bob.asked == 0


@pytest.mark.parametrize("payload", [{}, {"ciphertext": "QUJD"}, INNER.as_dict, {"signature": {}}])
def test_what_is_no_envelope_never_meets_the_private_key(
    payload: dict[str, Any], bob: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for target in (bob.public_key, None, ""):
        caplog.clear()
        message = HiveMessage(HiveMessageType.INTERCOM, payload, target_pubkey=target)
        assert received(bob.context(), message) == []
        the_record(caplog, logging.WARNING)
    assert bob.asked == 0


def test_an_unsigned_envelope_of_hivemind_bus_client_is_dropped(
    vectors: dict[str, Any], bob: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert received(bob.context(), from_vector("unsigned", vectors)) == []
    assert "no signature" in the_record(caplog, logging.WARNING)
    assert bob.asked == 0


def test_a_sender_who_is_not_trusted_is_dropped_and_the_mend_is_named(
    alice: Any, bob: Any, carol: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bob.trusted_keys = {"carol": carol.public_key, "dave\x1b[2J": "no key"}
    assert received(bob.context(), sealed(alice, bob)) == []
    text = the_record(caplog, logging.WARNING)
    assert "none of the 2 trusted keys" in text
    assert "hivemind-client trust add" in text
    assert "not usable as RSA keys: dave?[2J" in text
    assert bob.asked == 0


def test_a_trusted_key_that_is_broken_hides_no_other(alice: Any, bob: Any) -> None:
    bob.trusted_keys = {"broken": "-----BEGIN PUBLIC KEY-----", **bob.trusted_keys}
    assert len(received(bob.context(), sealed(alice, bob))) == 1


@pytest.mark.parametrize("msg_type", [kind for kind in HiveMessageType if kind not in ("bus", "bin")])
def test_only_bus_may_be_inside(
    msg_type: HiveMessageType, alice: Any, bob: Any, caplog: pytest.LogCaptureFixture
) -> None:
    payload = INNER.as_dict if msg_type in ("broadcast", "propagate", "escalate", "query", "cascade") else {}
    payload = {"type": "x"} if msg_type == "shared_bus" else payload
    text = HiveMessage(msg_type, payload).as_json.encode()
    assert received(bob.context(), signed(alice, bob, text)) == []
    assert f"a {msg_type.name} message is sealed in it" in the_record(caplog, logging.WARNING)


def test_a_propagate_of_hivemind_bus_client_is_not_carried_inside(
    vectors: dict[str, Any], bob: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert received(bob.context(), from_vector("propagate", vectors)) == []
    assert "PROPAGATE" in the_record(caplog, logging.WARNING)


@pytest.mark.parametrize(
    "text",
    [
        b"\xff" * 40,
        b"no json, but long enough for an envelope",
        b'["a list that is long enough for an envelope"]',
        b'{"neither": "a message nor anything else we know"}',
        b'{"msg_type": "unheard of", "payload": {"say": "open the front door"}}',
        b'{"msg_type": "bus", "payload": "open the front door", "route": []}',
        b'{"msg_type": "bus", "payload": {"no type": "open the front door"}}',
        b'{"msg_type": "bus", "payload": {"type": "x"}, "metadata": "open the front door"}',
        b'{"msg_type": "bin", "payload": {"type": "open the front door"}}',
        b'{"type": 5, "data": {}, "context": {}, "say": "open the front door"}',
        b'{"type": "x", "data": "open the front door", "context": {}}',
        b'{"type": "\\ud800", "data": {}, "context": {"a": "open the front door"}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_message_inside_is_dropped_unquoted(
    text: bytes, alice: Any, bob: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert received(bob.context(), signed(alice, bob, text)) == []
    assert "no message" in the_record(caplog, logging.WARNING)


@pytest.mark.parametrize(("private", "reason"), [(None, "no private RSA key"), ("junk", "not a private key")])
def test_without_a_private_key_the_mend_is_named(
    private: str | None, reason: str, alice: Any, bob: Any, caplog: pytest.LogCaptureFixture
) -> None:
    message = sealed(alice, bob)
    bob.private = private
    assert received(bob.context(), message) == []
    text = the_record(caplog, logging.WARNING)
    assert reason in text
    assert "hivemind-client reset-pgp" in text


def test_an_identity_that_cannot_be_read_costs_the_message_only(
    alice: Any, bob: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_: object) -> str:
        raise IdentityFileError("cannot read the private key file: run 'hivemind-client reset-pgp'")

    message = sealed(alice, bob)
    monkeypatch.setattr(type(bob), "private_key_pem", unreadable)
    assert received(bob.context(), message) == []
    assert "cannot read the private key file" in the_record(caplog, logging.WARNING)


def test_a_key_pair_of_two_halves_does_not_open(
    alice: Any, bob: Any, carol: Any, caplog: pytest.LogCaptureFixture
) -> None:
    message = sealed(alice, bob)
    bob.private = carol.private
    assert received(bob.context(), message) == []
    assert "does not open with the private key of this node" in the_record(caplog, logging.WARNING)


def test_without_an_address_it_is_for_whoever_can_open_it(
    vectors: dict[str, Any], bob: Any, carol: Any, caplog: pytest.LogCaptureFixture
) -> None:
    message = from_vector("hive_message", vectors).copy(target_pubkey=None)
    assert len(received(bob.context(), message)) == 1
    assert received(carol.context(), message) == []
    assert "not sealed for this node" in the_record(caplog, logging.DEBUG)


def test_an_envelope_that_comes_twice_is_delivered_once(
    alice: Any, bob: Any, caplog: pytest.LogCaptureFixture
) -> None:
    context, message = bob.context(), sealed(alice, bob)
    assert len(received(context, message)) == 1
    asked = bob.asked
    assert received(context, message) == []
    assert "came before" in the_record(caplog, logging.DEBUG)
    assert bob.asked == asked
    assert len(received(context, sealed(alice, bob))) == 1


def test_the_memory_of_envelopes_is_bounded_and_the_oldest_go_first(alice: Any, bob: Any) -> None:
    context = bob.context()
    first, second = sealed(alice, bob), sealed(alice, bob)
    assert len(received(context, first)) == 1
    seen: dict[bytes, None] = context.recall("intercom")["seen"]
    seen.update((bytes([number % 256, number // 256]), None) for number in range(999))
    assert len(seen) == delivery.REMEMBERED == 1000
    assert len(received(context, second)) == 1
    assert len(seen) == 1000
    assert received(context, second) == []
    assert len(received(context, first)) == 1


def test_a_spoilt_copy_does_not_keep_the_whole_one_out(alice: Any, bob: Any) -> None:
    context, message = bob.context(), sealed(alice, bob)
    spoilt = message.copy(payload={**message.raw_payload, "tag": flipped(message["tag"])})
    assert received(context, spoilt) == []
    assert len(received(context, message)) == 1


def forwarded(message: HiveMessage, reader: Any, target: Any) -> HiveMessage:
    """What the reader of an envelope can do: wrap its AES key for somebody else, under the same signature."""
    secret = keys.private_key(reader.private).unwrap(base64.b64decode(message["encrypted_key"]))
    wrapped = keys.public_key(target.public_key).wrap(secret)
    payload = {**message.raw_payload, "encrypted_key": base64.b64encode(wrapped).decode()}
    return message.copy(payload=payload, target_pubkey=target.public_key)


def signed_anew(message: HiveMessage, signer: Any) -> HiveMessage:
    """What anyone on the way can do: put their own signature in place of the sender's."""
    signature = keys.private_key(signer.private).sign(base64.b64decode(message["ciphertext"]))
    return message.copy(payload={**message.raw_payload, "signature": base64.b64encode(signature).decode()})


def test_what_we_sealed_cannot_be_passed_on_in_our_name(
    alice: Any, bob: Any, carol: Any, caplog: pytest.LogCaptureFixture
) -> None:
    message = forwarded(sealed(alice, bob), bob, carol)
    assert received(carol.context(), message) == []
    assert "for another node than this" in the_record(caplog, logging.WARNING)


def test_what_we_sealed_cannot_be_signed_by_another(
    alice: Any, bob: Any, carol: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bob.trusted_keys["carol"] = carol.public_key
    assert received(bob.context(), signed_anew(sealed(alice, bob), carol)) == []
    assert "sealed by another node" in the_record(caplog, logging.WARNING)


@pytest.mark.parametrize("ends", [None, "x", 7, [], {}, {"from": 1, "to": {}}])
def test_a_note_of_the_ends_that_names_nobody_is_refused(ends: Any, alice: Any, bob: Any) -> None:
    inner = INNER.copy(metadata={delivery.ENDS: ends})
    assert received(bob.context(), signed(alice, bob, inner.as_json.encode())) == []


def test_what_others_sealed_has_no_such_protection(
    vectors: dict[str, Any], alice: Any, bob: Any, carol: Any
) -> None:
    """As README.md says: hivemind_bus_client notes no ends, and its envelopes must be read."""
    message = from_vector("hive_message", vectors)
    (action,) = received(carol.context(), forwarded(message, bob, carol))
    assert action.verified_source == alice.public_key
    bob.trusted_keys["carol"] = carol.public_key
    (action,) = received(bob.context(), signed_anew(message, carol))
    assert action.verified_source == carol.public_key


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["ciphertext", "signature", "encrypted_key", "nonce", "tag", "msg_type", "payload"])
BASE64 = st.binary(max_size=300).map(lambda value: base64.b64encode(value).decode())
GARBAGE = st.dictionaries(FIELDS | st.text(max_size=5), JSON | BASE64, max_size=7)
QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(payload=GARBAGE, addressed=st.booleans())
def test_no_payload_raises(payload: dict[str, Any], addressed: bool, bob: Any) -> None:
    target = bob.public_key if addressed else None
    message = HiveMessage(HiveMessageType.INTERCOM, payload, target_pubkey=target)
    assert received(bob.context(), message) == []


NAMES = st.sampled_from(
    ["msg_type", "payload", "metadata", "route", "type", "data", "context", "source_peer"]
)
KINDS = st.sampled_from([kind.value for kind in HiveMessageType])
TEXTS = st.binary(max_size=60) | (
    st.dictionaries(NAMES, JSON | KINDS | st.dictionaries(NAMES, JSON, max_size=4), max_size=6) | JSON
).map(lambda value: json.dumps(value).encode())


@QUICK
@given(text=TEXTS)
def test_nothing_that_a_trusted_node_seals_raises(text: bytes, alice: Any, bob: Any) -> None:
    for action in received(bob.context(), signed(alice, bob, text.ljust(envelope.MIN_CIPHERTEXT))):
        assert action.message.msg_type is HiveMessageType.BUS
        assert action.verified_source == alice.public_key
