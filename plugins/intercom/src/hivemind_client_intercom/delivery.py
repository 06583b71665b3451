"""From an INTERCOM message that arrived to the message in it, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hivemind_client_intercom import envelope, keys
from hivemind_core_client.errors import (
    Command,
    FrameError,
    HiveMindError,
    IdentityFileError,
    InvalidMessage,
    Mend,
    ProtocolError,
)
from hivemind_core_client.message import HiveMessage, HiveMessageType
from hivemind_core_client.plugins.contract import Actions, Context, Dispatch, MessageType
from hivemind_core_client.wire.json_text import Json, json_object
from hivemind_core_client.wire.keys import same_key
from hivemind_core_client.wire.mends import RESET_PGP
from hivemind_core_client.wire.text import printable

#: How many delivered envelopes are remembered, so that none is delivered twice.
REMEMBERED = 1000
#: Metadata of the sealed message that names both ends: what the signature itself leaves open.
ENDS = "hivemind_intercom"
_MEMORY, _SEEN = "intercom", "seen"


class Ignored(Exception):
    """A message that is for another node, or that came before."""


class Dropped(HiveMindError):
    """A message that must not be delivered; says why, without its contents."""


def received(context: Context, message: HiveMessage) -> Actions:
    """The message inside, with the key that has signed it.

    Raises Ignored, Dropped, and IdentityFileError where an identity file cannot be read.
    """
    target = message.target_public_key
    if target and not same_key(target, context.identity.public_key):
        raise Ignored("it is addressed to another node")
    sealed = _read(message.raw_payload)
    seen: dict[bytes, None] = context.recall(_MEMORY).setdefault(_SEEN, {})
    if sealed.mark in seen:
        raise Ignored("it came before")
    signer = _signer(context, sealed)
    own = _private_key(context)
    inner = _without_ends(_parsed(_opened(sealed, own, addressed=bool(target))), signer, own)
    _remember(seen, sealed.mark)
    # No hub can have written into what was sealed: hops in there would be made up.
    return [Dispatch(inner.copy(source_peer=signer, route=[]), verified_source=signer)]


def prepared(context: Context, message: HiveMessage) -> HiveMessage:
    """The message with its payload sealed. Raises InvalidMessage and IdentityFileError."""
    payload = message.raw_payload
    if "msg_type" not in payload:
        if "ciphertext" in payload:
            return message
        raise InvalidMessage(
            "the payload of INTERCOM is neither a HiveMessage nor an envelope",
            Mend("call emit_intercom(message, pubkey)", joint=": "),
        )
    target = _target_key(message.target_public_key)
    try:
        own = _private_key(context)
    except Dropped as reason:
        raise IdentityFileError.because("cannot sign the INTERCOM message", reason) from reason
    inner = _sendable(payload)
    text = inner.copy(metadata={**inner.metadata, ENDS: _ends(own.public, target)}).as_json
    try:
        return message.copy(payload=envelope.seal(text.encode(), target, own))
    except envelope.EnvelopeRefused as error:
        raise InvalidMessage(f"INTERCOM cannot carry the message: {error}") from error


def _read(payload: Mapping[str, Any]) -> envelope.Envelope:
    try:
        return envelope.read(payload)
    except envelope.EnvelopeRefused as error:
        raise Dropped(str(error)) from error


def _signer(context: Context, sealed: envelope.Envelope) -> str:
    trusted = context.trust.keys()
    signer = envelope.signer_of(sealed, trusted.values())
    if signer is not None:
        return signer
    text = f"none of the {len(trusted)} trusted keys has signed it, and being addressed to us proves nothing"
    broken = [printable(alias, 40) for alias, pem in trusted.items() if not _is_usable(pem)]
    if broken:
        text += f" (not usable as RSA keys: {', '.join(broken)})"
    raise Dropped(
        text, Mend("to trust a node: ", Command(("trust", "add", "ALIAS", "KEYFILE"), quoted=False))
    )


def _is_usable(pem: str) -> bool:
    try:
        keys.public_key(pem)
    except keys.UnusableKey:
        return False
    return True


def _private_key(context: Context) -> keys.PrivateKey:
    pem = context.identity.private_key_pem()
    if not pem:
        raise Dropped("this node has no private RSA key", Mend("make one with ", RESET_PGP, joint=": "))
    try:
        return keys.private_key(pem)
    except keys.UnusableKey as error:
        raise Dropped(
            f"the private key of this node is {error}", Mend("make a new one with ", RESET_PGP, joint=": ")
        ) from error


def _target_key(pem: str | None) -> keys.PublicKey:
    try:
        return keys.public_key(pem or "")
    except keys.UnusableKey as error:
        raise InvalidMessage(
            f"the pubkey of the INTERCOM message is {error}",
            Mend(
                "pass the PEM text that ",
                Command(("show-identity", "--json"), elsewhere=True),
                " prints on the node that it is for",
                joint=": ",
            ),
        ) from error


def _opened(sealed: envelope.Envelope, own: keys.PrivateKey, *, addressed: bool) -> bytes:
    try:
        return envelope.unwrap(sealed, own)
    except envelope.EnvelopeRefused as error:
        if addressed:
            raise Dropped(str(error)) from error
        raise Ignored("it has no address, and it is not sealed for this node") from error


def _parsed(text: bytes) -> HiveMessage:
    """A HiveMessage, or an OVOS Message as BUS. Raises Dropped for other types and for what is neither."""
    try:
        inner = _message(json_object(text.decode("utf-8")))
    except (ProtocolError, InvalidMessage, UnicodeDecodeError) as error:
        # Its text may quote the message.
        raise Dropped(f"what is sealed in it is no message ({type(error).__name__})") from error
    if not _may_be_sealed(inner):
        raise Dropped(
            f"a {inner.msg_type.name} message is sealed in it; only BUS and types of plugins may be"
        )
    return inner


def _message(fields: Json) -> HiveMessage:
    if "msg_type" in fields:
        return HiveMessage.from_wire(fields)
    return HiveMessage(HiveMessageType.BUS, fields)


def _sendable(payload: Json) -> HiveMessage:
    try:
        inner = HiveMessage.from_wire(payload)
    except FrameError as error:
        raise InvalidMessage(f"the payload of INTERCOM is no HiveMessage: {error}") from error
    if not _may_be_sealed(inner):
        raise InvalidMessage(
            f"INTERCOM carries OVOS Messages (BUS) and types of plugins, not {inner.msg_type.name}"
        )
    return inner


def _may_be_sealed(inner: HiveMessage) -> bool:
    return inner.msg_type is HiveMessageType.BUS or isinstance(inner.msg_type, MessageType)


def _ends(sender: keys.PublicKey, target: keys.PublicKey) -> dict[str, str]:
    return {"from": keys.fingerprint(sender), "to": keys.fingerprint(target)}


def _without_ends(inner: HiveMessage, signer: str, own: keys.PrivateKey) -> HiveMessage:
    """The message without the note of its ends. Raises Dropped where there is one that names others.

    Then its addressee has passed it on in the sender's name, or its signer has signed what somebody else sealed.
    """
    if ENDS not in inner.metadata:
        return inner
    if inner.metadata[ENDS] != _ends(keys.public_key(signer), own.public):
        raise Dropped(
            "it was sealed by another node than the one that signed it, or for another node than this"
        )
    return inner.copy(metadata={name: value for name, value in inner.metadata.items() if name != ENDS})


def _remember(seen: dict[bytes, None], mark: bytes) -> None:
    seen[mark] = None
    while len(seen) > REMEMBERED:
        del seen[next(iter(seen))]
