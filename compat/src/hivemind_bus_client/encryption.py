"""Sealing and opening by function; a client does that by itself. What is for one RSA key is sealed by a hub, too."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Optional, Union

from hivemind_core_client.encryption import *
from hivemind_core_client.encryption import __all__ as _ours
from hivemind_core_client.encryption import read_cipher as _norm_cipher
from hivemind_core_client.encryption import read_encoding as _norm_encoding
from hivemind_core_client.exceptions import (
    DecryptionKeyError,
    EncryptionKeyError,
    InvalidCipher,
    InvalidEncoding,
    InvalidKeySize,
    MalformedWirePayload,
)

__all__ = [
    *_ours,
    "DecryptionKeyError",
    "EncryptionKeyError",
    "InvalidCipher",
    "InvalidEncoding",
    "InvalidKeySize",
    "_norm_cipher",
    "_norm_encoding",
    "hybrid_decrypt",
    "hybrid_encrypt",
]

_FIELDS = ("encrypted_key", "ciphertext", "tag", "nonce")


def hybrid_encrypt(
    public_key: Any, plaintext: Union[str, bytes], sign_key: Optional[Any] = None
) -> dict[str, str]:
    """The envelope that only the owner of `public_key` can open: base64 texts by the names of its parts.

    `encrypted_key` is a fresh AES key, wrapped by RSA-OAEP; `ciphertext`, `tag` and `nonce` are of AES-GCM.
    `signature` is there with a `sign_key`, a private RSA key: over the ciphertext, by PSS. Keys are PEM texts, DER
    bytes or key objects of pycryptodome, of 2048 bits at least. Raises ValueError for what is no such key.
    """
    from hivemind_client_intercom import envelope, keys

    target = keys.public_key(_public_pem(public_key))
    signer = None if sign_key is None else keys.private_key(_private_pem(sign_key))
    data = plaintext.encode() if isinstance(plaintext, str) else bytes(plaintext)
    return envelope.sealed(data, target, signer)


def hybrid_decrypt(private_key: Any, envelope: Mapping[str, Any]) -> bytes:
    """What an envelope holds. A signature is not looked at: it is for whoever knows the signer.

    `private_key` is a PEM text, DER bytes or a key object of pycryptodome. Raises MalformedWirePayload for what is no
    envelope, DecryptionKeyError for one that this key does not open, and ValueError for what is no private RSA key.
    """
    from hivemind_client_intercom import keys

    key = keys.private_key(_private_pem(private_key))
    wrapped, ciphertext, tag, nonce = (_part(envelope, name) for name in _FIELDS)
    try:
        return keys.library().decrypt(key.unwrap(wrapped), nonce, ciphertext, tag)
    except ValueError as error:
        raise DecryptionKeyError("an envelope does not open with this private key") from error


def _part(envelope: Mapping[str, Any], name: str) -> bytes:
    text = envelope.get(name) if isinstance(envelope, Mapping) else None
    if not isinstance(text, (str, bytes)):
        raise MalformedWirePayload(f"an envelope without {name}")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise MalformedWirePayload(f"{name} of an envelope is no base64") from error


def _public_pem(key: Any) -> str:
    return str(_rsa(key).public_key().export_key().decode("ascii"))


def _private_pem(key: Any) -> str:
    found = _rsa(key)
    if not found.has_private():
        raise ValueError("this is no private key")
    return str(found.export_key().decode("ascii"))


def _rsa(key: Any) -> Any:
    """Raises ValueError for what is no RSA key."""
    from Crypto.PublicKey import RSA

    try:
        return RSA.import_key(key.export_key() if hasattr(key, "export_key") else key)
    except (IndexError, TypeError) as error:
        raise ValueError("this is no RSA key") from error
