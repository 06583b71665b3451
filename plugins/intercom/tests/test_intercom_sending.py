from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import pytest
from ovos_bus_client.message import Message

from hivemind_client_intercom import envelope, plugin
from hivemind_core_client.client import HiveMessageBusClient
from hivemind_core_client.errors import IdentityFileError, InvalidMessage
from hivemind_core_client.kernel.dispatch import Dispatcher
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.manager import load_plugins
from hivemind_core_client.testing import EmbeddedHub

INNER = HiveMessage(HiveMessageType.BUS, {"type": "my.alarm", "data": {"door": "open"}, "context": {}})


def intercom(payload: Any, target: str | None) -> HiveMessage:
    return HiveMessage(HiveMessageType.INTERCOM, payload, target_pubkey=target)


def test_a_message_is_sealed_inside_its_wrapper(alice: Any, bob: Any) -> None:
    dispatcher = Dispatcher(load_plugins(plugins=["intercom"]).registry(), alice.context())
    plain = intercom(INNER.as_dict, bob.public_key)
    ready = dispatcher.prepare(HiveMessage(HiveMessageType.PROPAGATE, plain))
    sent = ready.payload
    assert sent.msg_type is HiveMessageType.INTERCOM
    assert set(sent.raw_payload) == {"encrypted_key", "ciphertext", "tag", "nonce", "signature"}
    assert sent.target_public_key == bob.public_key
    assert "my.alarm" not in ready.as_json
    assert plain.raw_payload == INNER.as_dict


def test_everything_but_the_payload_stays_as_it_was(alice: Any, bob: Any) -> None:
    message = HiveMessage(
        HiveMessageType.INTERCOM,
        INNER.as_dict,
        node="n",
        source_peer="p",
        route=[{"source": "a", "targets": ["b"]}],
        target_site_id="kitchen",
        target_pubkey=bob.public_key,
        metadata={"m": 1},
    )
    sent = plugin.prepare(alice.context(), message)
    assert {**sent.as_dict, "payload": 0} == {**message.as_dict, "payload": 0}


def test_an_envelope_stays_as_it_is(alice: Any, bob: Any) -> None:
    sent = plugin.prepare(alice.context(), intercom(INNER.as_dict, bob.public_key))
    assert plugin.prepare(alice.context(), sent) is sent
    assert alice.asked == 1


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({}, "neither a HiveMessage nor an envelope"),
        ({"type": "my.alarm"}, "emit_intercom"),
        ({"msg_type": "unheard of", "payload": {}}, "no HiveMessage"),
        ({"msg_type": "bus", "payload": {}}, "no HiveMessage"),
        ({"msg_type": 5}, "no HiveMessage"),
        (HiveMessage("shared_bus", {"type": "x"}).as_dict, "not SHARED_BUS"),
        (HiveMessage("3rdparty", {"a": 1}).as_dict, "not THIRDPRTY"),
        (HiveMessage("propagate", INNER).as_dict, "not PROPAGATE"),
        (HiveMessage("intercom", {"ciphertext": "x"}).as_dict, "not INTERCOM"),
    ],
)
def test_what_nobody_would_deliver_is_not_sent(
    payload: dict[str, Any], reason: str, alice: Any, bob: Any
) -> None:
    with pytest.raises(InvalidMessage, match=reason):
        plugin.prepare(alice.context(), intercom(payload, bob.public_key))


@pytest.mark.parametrize("target", [None, "", "bob", "-----BEGIN PUBLIC KEY-----\nAAAA\n"])
def test_a_target_that_is_no_key_is_refused_with_the_mend(target: str | None, alice: Any) -> None:
    with pytest.raises(InvalidMessage, match="hivemind-client show-identity --json"):
        plugin.prepare(alice.context(), intercom(INNER.as_dict, target))


@pytest.mark.parametrize("private", [None, "", "junk"])
def test_a_node_without_a_private_key_cannot_send(private: str | None, alice: Any, bob: Any) -> None:
    alice.private = private
    with pytest.raises(IdentityFileError, match="hivemind-client reset-pgp"):
        plugin.prepare(alice.context(), intercom(INNER.as_dict, bob.public_key))


def test_a_message_that_is_too_long_is_refused(alice: Any, bob: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "MAX_CIPHERTEXT", 400)
    inner = HiveMessage("bus", {"type": "x" * 400})
    with pytest.raises(InvalidMessage, match="an envelope holds 32 to 400"):
        plugin.prepare(alice.context(), intercom(inner.as_dict, bob.public_key))


@pytest.fixture
def heard() -> queue.Queue[Message]:
    return queue.Queue()


def test_from_one_satellite_to_another_through_a_hub(
    hivemind_hub: EmbeddedHub,
    hivemind_client_factory: Callable[..., HiveMessageBusClient],
    heard: queue.Queue[Message],
) -> None:
    kitchen, attic, cellar = (hivemind_client_factory() for _ in range(3))
    for client in (kitchen, attic, cellar):
        client.identity.create_keys()
        client.on_mycroft("my.alarm", heard.put)
        client.connect()
    attic_key, kitchen_key = attic.identity.public_key, kitchen.identity.public_key
    for listener in (attic, cellar):
        listener.identity.add_trusted_key("kitchen", kitchen_key or "")

    kitchen.emit_intercom(Message("my.alarm", {"door": "open"}), attic_key or "")
    (carrier,) = hivemind_hub.wait_for("propagate")
    assert "my.alarm" not in carrier.as_json
    for _ in range(3):  # over several paths
        hivemind_hub.broadcast(carrier)
    hivemind_hub.broadcast(Message("my.alarm", {"last": True}))

    messages = [heard.get(timeout=5) for _ in range(4)]
    sealed = [message for message in messages if "door" in message.data]
    assert [message.context["hivemind_verified_source_peer"] for message in sealed] == [kitchen_key]
    assert sum("hivemind_verified_source_peer" in message.context for message in messages) == 1
    assert heard.empty()


def test_a_satellite_without_a_key_makes_one_to_sign_with(
    hivemind_hub: EmbeddedHub, hivemind_client: HiveMessageBusClient, bob: Any
) -> None:
    assert hivemind_client.identity.public_key is None
    hivemind_client.emit_intercom(Message("my.alarm"), bob.public_key)
    (carrier,) = hivemind_hub.wait_for("propagate")
    bob.trusted_keys = {"satellite": hivemind_client.identity.public_key}
    (action,) = plugin.receive(bob.context(), carrier.payload) or ()
    assert getattr(action, "verified_source", None) == hivemind_client.identity.public_key


def test_what_cannot_be_sealed_is_told_to_the_caller(hivemind_client: HiveMessageBusClient) -> None:
    with pytest.raises(InvalidMessage, match="is not a public key in PEM form"):
        hivemind_client.emit_intercom(Message("my.alarm"), "attic")
