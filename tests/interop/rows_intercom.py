"""Rows about INTERCOM: from node to node, closed to the hub between them."""

from __future__ import annotations

import base64
import os
from typing import Any

from Crypto.Cipher import AES, PKCS1_OAEP
from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pss
from ovos_bus_client.message import Message

from hivemind_core_client import HiveMessage, HiveMessageBusClient, HiveMessageType

from .hubs import RealHub
from .processes import wait_until
from .rows_client import ANSWER_SECONDS, check_answer, utterance
from .rows_mesh import Received, resident
from .satellite import Satellite
from .table import behaviour

INTERCOM = "INTERCOM"

_VERIFIED = "hivemind_verified_source_peer"
_SECRET = "secret.told"
_START_SECONDS = 60.0


def key_of(client: HiveMessageBusClient) -> str:
    key = client.identity.public_key
    assert key is not None
    return key


def listening(satellite: Satellite) -> tuple[HiveMessageBusClient, Received]:
    """A connected client, and what comes to it."""
    client = satellite.client()
    received = Received(client, HiveMessageType.PROPAGATE, _SECRET)
    client.connect()
    # Its HELLO has been read once the hub answers it.
    check_answer(client, "here")
    return client, received


def check_dropped(client: HiveMessageBusClient, received: Received) -> None:
    """A message arrived, and was not delivered."""
    received.wait_for_packet()
    # What the hub says after it has been heard by now, so all that was to be delivered is.
    check_answer(client, "after that")
    assert not received.delivered


def envelope(inner: HiveMessage, target: str, signer: str) -> dict[str, str]:
    """An INTERCOM envelope made by hand: for the public key `target`, signed with the private key `signer` (PEM)."""
    secret, nonce = os.urandom(32), os.urandom(16)
    ciphertext, tag = AES.new(secret, AES.MODE_GCM, nonce=nonce).encrypt_and_digest(
        inner.serialize().encode()
    )
    fields = {
        "encrypted_key": PKCS1_OAEP.new(RSA.import_key(target)).encrypt(secret),
        "ciphertext": ciphertext,
        "tag": tag,
        "nonce": nonce,
        "signature": pss.new(RSA.import_key(signer)).sign(SHA256.new(ciphertext)),
    }
    return {name: base64.b64encode(value).decode() for name, value in fields.items()}


def carried(payload: dict[str, Any], target: str) -> HiveMessage:
    """An envelope on its way."""
    inner = HiveMessage(HiveMessageType.INTERCOM, payload, target_pubkey=target)
    return HiveMessage(HiveMessageType.PROPAGATE, inner)


def secret(text: str) -> Message:
    return Message(_SECRET, {"text": text})


@behaviour("from satellite to satellite and back: delivered, with the sender's key", INTERCOM, needs="mesh")
def both_ways(hub: RealHub, satellite: Satellite) -> None:
    sibling = resident(satellite.sibling(), "attic")
    resident(satellite, "kitchen", trusts=(sibling,))
    resident(sibling, "attic", trusts=(satellite,))
    (one, at_one), (other, at_other) = listening(satellite), listening(sibling)
    one.emit_intercom(secret("there"), key_of(other))
    assert at_other.wait_for_delivery().data == {"text": "there"}
    assert at_other.delivered[0].context[_VERIFIED].split() == key_of(one).split()
    other.emit_intercom(secret("and back"), key_of(one))
    assert at_one.wait_for_delivery().data == {"text": "and back"}
    assert at_one.delivered[0].context[_VERIFIED].split() == key_of(other).split()


@behaviour("trust is one's own: who trusts hears, who is not trusted is not heard", INTERCOM, needs="mesh")
def one_way(hub: RealHub, satellite: Satellite) -> None:
    resident(satellite, "kitchen")
    sibling = resident(satellite.sibling(), "attic", trusts=(satellite,))
    (one, at_one), (other, at_other) = listening(satellite), listening(sibling)
    other.emit_intercom(secret("unheard"), key_of(one))
    check_dropped(one, at_one)
    one.emit_intercom(secret("heard"), key_of(other))
    assert at_other.wait_for_delivery().data == {"text": "heard"}


@behaviour("a forged signature: dropped, however it was forged", INTERCOM, needs="mesh")
def forged(hub: RealHub, satellite: Satellite) -> None:
    resident(satellite, "kitchen")
    sibling = resident(satellite.sibling(), "attic", trusts=(satellite,))
    mallory = resident(satellite.sibling(), "cellar").connected()
    other, at_other = listening(sibling)
    target = key_of(other)
    trusted, own = satellite.identity.private_key_pem(), mallory.identity.private_key_pem()
    assert trusted is not None and own is not None
    inner = HiveMessage(
        HiveMessageType.BUS, Message(_SECRET, {"text": "forged"}, {_VERIFIED: key_of(mallory)})
    )
    genuine = envelope(HiveMessage(HiveMessageType.BUS, secret("genuine")), target, trusted)
    forgeries = [
        envelope(inner, target, own),
        {**envelope(inner, target, own), "signature": genuine["signature"]},
        {**genuine, "signature": ""},
        {name: value for name, value in genuine.items() if name != "signature"},
    ]
    for forgery in forgeries:
        mallory.emit(carried(forgery, target))
    assert wait_until(lambda: len(at_other.packets) == len(forgeries), ANSWER_SECONDS)
    check_dropped(other, at_other)
    # The way itself is sound: what the trusted one has signed comes through, whoever brings it.
    mallory.emit(carried(genuine, target))
    assert at_other.wait_for_delivery().data == {"text": "genuine"}
    assert at_other.delivered[0].context[_VERIFIED].split() == str(satellite.identity.public_key).split()


@behaviour("for somebody else: not touched, and it reaches that one unchanged", INTERCOM, needs="mesh")
def for_somebody_else(hub: RealHub, satellite: Satellite) -> None:
    resident(satellite, "kitchen")
    meant = resident(satellite.sibling(), "attic", trusts=(satellite,))
    nosy = resident(satellite.sibling(), "attic", trusts=(satellite,))
    (target, at_target), (bystander, at_bystander) = listening(meant), listening(nosy)
    satellite.connected().emit_intercom(secret("for the attic"), key_of(target))
    assert at_target.wait_for_delivery().data == {"text": "for the attic"}
    check_dropped(bystander, at_bystander)
    passed = [received.packets[0].payload.payload for received in (at_target, at_bystander)]
    assert passed[0] == passed[1]
    assert "for the attic" not in str(passed)


@behaviour("to the hub: it verifies, opens and acts", INTERCOM, needs="mesh")
def to_the_hub(hub: RealHub, satellite: Satellite) -> None:
    client = resident(satellite, "kitchen").connected()
    assert client.hub is not None
    text = f"for the hub's ears, by {satellite.name}"
    client.emit_intercom(utterance(text), client.hub.public_key)

    def heard() -> bool:
        said = [message["data"]["utterances"] for message in hub.seen("recognizer_loop:utterance")]
        return [text] in said

    assert wait_until(heard, ANSWER_SECONDS), "the hub did not act on it"


@behaviour("with the reference client, both ways", INTERCOM, needs="mesh")
def with_reference_client(hub: RealHub, satellite: Satellite) -> None:
    resident(satellite, "kitchen")
    account = satellite.sibling()
    reference = hub.reference_client(account.folder("reference"))
    try:
        settings = {
            "key": account.key,
            "password": account.password,
            "host": hub.host,
            "port": hub.port,
            "trusts": {"ours": satellite.identity.public_key},
        }
        theirs = reference.ask(settings, _START_SECONDS)["public_key"]
        identity = satellite.identity
        identity.add_trusted_key("reference", theirs)
        identity.save()
        client, received = listening(satellite)
        reference.ask({"send": _SECRET, "data": {"text": "from it"}, "to": key_of(client)}, ANSWER_SECONDS)
        assert received.wait_for_delivery().data == {"text": "from it"}
        assert received.delivered[0].context[_VERIFIED].split() == theirs.split()
        client.emit_intercom(secret("to it"), theirs)
        came = reference.ask({"receive": _SECRET}, 2 * ANSWER_SECONDS)
        assert came["data"] == {"text": "to it"}
        assert came["context"][_VERIFIED].split() == key_of(client).split()
    finally:
        reference.stop()
