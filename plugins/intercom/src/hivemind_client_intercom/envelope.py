"""The INTERCOM envelope: sealed for one RSA key, signed by another (docs/protocol.md, "INTERCOM").

::

    {"encrypted_key", "ciphertext", "tag", "nonce", "signature"}   written and read
    {"ciphertext", "signature"}                                    read only: RSA-OAEP of the whole text

Every field is base64. The signature is over the ciphertext's bytes and nothing else: README.md says what follows.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import Any, Optional

from attrs import field, frozen

from hivemind_client_intercom import keys

#: The longest ciphertext that is read or written, in bytes.
MAX_CIPHERTEXT = 8 * 1024 * 1024
#: The shortest: no message is shorter, and only of a very short one could somebody else, with a
#: key and nonce of his own choice, make a text that means something.
MIN_CIPHERTEXT = 32
_KEY, _NONCE, _TAG = 32, 16, 16
#: The longest signature or wrapped key: that of an RSA key of 16384 bits.
_MAX_RSA = 2048


class EnvelopeRefused(ValueError):
    """An envelope that cannot be read or opened. The text says why, and never quotes what is in it."""


@frozen
class Wrapping:
    """How to open the ciphertext: its AES key, encrypted for the target, with nonce and tag."""

    encrypted_key: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    tag: bytes = field(repr=False)


@frozen
class Envelope:
    """An envelope whose fields are bytes of sensible sizes; `wrapping` is None in the older kind."""

    ciphertext: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    wrapping: Optional[Wrapping] = None

    @property
    def mark(self) -> bytes:
        """16 bytes that tell this signed envelope from any other."""
        return hashlib.sha256(self.signature).digest()[:16]


def read(payload: Mapping[str, Any]) -> Envelope:
    """The envelope in a payload. Raises EnvelopeRefused for what is none."""
    signature = _bytes(payload, "signature", range(1, _MAX_RSA + 1))
    if "encrypted_key" not in payload:
        return Envelope(_bytes(payload, "ciphertext", range(1, _MAX_RSA + 1)), signature)
    wrapping = Wrapping(
        _bytes(payload, "encrypted_key", range(1, _MAX_RSA + 1)),
        _bytes(payload, "nonce", range(_NONCE, _NONCE + 1)),
        _bytes(payload, "tag", range(_TAG, _TAG + 1)),
    )
    sizes = range(MIN_CIPHERTEXT, MAX_CIPHERTEXT + 1)
    return Envelope(_bytes(payload, "ciphertext", sizes), signature, wrapping)


def signer_of(envelope: Envelope, pems: Iterable[str]) -> Optional[str]:
    """The first of these public keys (PEM texts) that has signed the envelope. None if no key has.

    A text that is no usable key is skipped. Nothing is decrypted.
    """
    return next((pem for pem in pems if _has_signed(pem, envelope)), None)


def unwrap(envelope: Envelope, key: keys.PrivateKey) -> bytes:
    """The text in an envelope whose signature has been verified. Raises EnvelopeRefused."""
    wrapping = envelope.wrapping
    try:
        if wrapping is None:
            return key.unwrap(envelope.ciphertext)
        secret = key.unwrap(wrapping.encrypted_key)
        if len(secret) != _KEY:
            raise EnvelopeRefused(f"its AES key has {len(secret)} bytes, not {_KEY}")
        return keys.library().decrypt(secret, wrapping.nonce, envelope.ciphertext, wrapping.tag)
    except EnvelopeRefused:
        raise
    except ValueError as error:
        raise EnvelopeRefused("it does not open with the private key of this node") from error


def seal(text: bytes, target: keys.PublicKey, signer: keys.PrivateKey) -> dict[str, str]:
    """An envelope that only the owner of `target` can open. Raises EnvelopeRefused for a text that is too long."""
    if not MIN_CIPHERTEXT <= len(text) <= MAX_CIPHERTEXT:
        raise EnvelopeRefused(
            f"a message of {len(text)} bytes; an envelope holds {MIN_CIPHERTEXT} to {MAX_CIPHERTEXT}"
        )
    return sealed(text, target, signer)


def sealed(data: bytes, target: keys.PublicKey, signer: Optional[keys.PrivateKey]) -> dict[str, str]:
    """An envelope of any length: base64 texts by the names of its parts. If there is a `signer`, it is signed."""
    secret, nonce = os.urandom(_KEY), os.urandom(_NONCE)
    ciphertext, tag = keys.library().encrypt(secret, nonce, data)
    fields = {
        "encrypted_key": target.wrap(secret),
        "ciphertext": ciphertext,
        "tag": tag,
        "nonce": nonce,
        **({} if signer is None else {"signature": signer.sign(ciphertext)}),
    }
    return {name: base64.b64encode(value).decode("ascii") for name, value in fields.items()}


def _has_signed(pem: str, envelope: Envelope) -> bool:
    try:
        return keys.public_key(pem).verify(envelope.signature, envelope.ciphertext)
    except keys.UnusableKey:
        return False


def _bytes(payload: Mapping[str, Any], name: str, sizes: range) -> bytes:
    """A field, decoded. What is too long is refused before it is."""
    text = payload.get(name)
    if not isinstance(text, str) or not text:
        raise EnvelopeRefused(f"it has no {name}")
    if len(text) > (sizes[-1] + 2) // 3 * 4:
        raise EnvelopeRefused(f"its {name} is longer than {sizes[-1]} bytes")
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise EnvelopeRefused(f"its {name} is not base64") from error
    if len(value) not in sizes:
        raise EnvelopeRefused(f"its {name} has {len(value)} bytes")
    return value
